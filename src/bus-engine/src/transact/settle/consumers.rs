use bus_domain::BusError;
use bus_domain::consumer::ConsumerError;
use bus_domain::consumer::redrive::{Redrive, Undeliverable};
use bus_domain::publish::Publication;
use bus_domain::retract::Retraction;
use bus_store::{StoreError, Transaction};

use super::super::node_work::NodeWork;
use super::super::placing::is_of_now;
use super::{publish, retract};
use crate::committer::EntryResult;

/// Settles an event with its dead letter: somebody else may have done so since.
pub(super) async fn dead_letter(
    transaction: &mut dyn Transaction,
    work: &mut NodeWork,
    (about, publication): (&Undeliverable, &Publication),
    now_ms: i64,
) -> Result<Option<EntryResult>, StoreError> {
    let Some(id) = work.node_id() else { return Ok(None) };
    if !is_of_now(transaction, work).await? {
        return Ok(Some(EntryResult::Stale));
    }
    transaction.savepoint().await?;
    if !transaction.settle_delivery(about).await? {
        return Ok(Some(EntryResult::Refused(ConsumerError::Elsewhere.into())));
    }
    let settled = publish(transaction, work, id, publication, now_ms).await?;
    if settled.is_some() {
        transaction.undo_to_savepoint().await?;
    }
    Ok(settled)
}

/// Has events begin anew whose dead letters go.
pub(super) async fn redrive(
    transaction: &mut dyn Transaction,
    work: &mut NodeWork,
    retraction: &Retraction,
    redrive: &Redrive,
) -> Result<Option<EntryResult>, StoreError> {
    let Some(id) = work.node_id() else { return Ok(None) };
    if !is_of_now(transaction, work).await? {
        return Ok(Some(EntryResult::Stale));
    }
    transaction.savepoint().await?;
    let returned = transaction.return_deliveries(redrive).await?;
    let refused = if returned == redrive.letters.len() as u64 {
        retract(transaction, work, id, retraction).await?
    } else {
        Some(EntryResult::Refused(BusError::Contended))
    };
    if refused.is_some() {
        transaction.undo_to_savepoint().await?;
    }
    Ok(refused)
}
