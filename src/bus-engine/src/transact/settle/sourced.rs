use bus_domain::publish::Publication;
use bus_domain::source::{SourceError, SourceMove};
use bus_store::{StoreError, Transaction};

use super::super::node_work::NodeWork;
use super::super::placing::is_of_now;
use super::publish;
use crate::committer::EntryResult;

/// Moves a source's token with what is published of it: somebody else may read the source since.
pub(super) async fn publish_sourced(
    transaction: &mut dyn Transaction,
    work: &mut NodeWork,
    (to, publication): (&SourceMove, &Publication),
    now_ms: i64,
) -> Result<Option<EntryResult>, StoreError> {
    let Some(id) = work.node_id() else { return Ok(None) };
    if !is_of_now(transaction, work).await? {
        return Ok(Some(EntryResult::Stale));
    }
    transaction.savepoint().await?;
    if !transaction.move_source(to).await? {
        return Ok(Some(EntryResult::Refused(SourceError::Elsewhere.into())));
    }
    let settled = publish(transaction, work, id, publication, now_ms).await?;
    if settled.is_some() {
        transaction.undo_to_savepoint().await?;
    }
    Ok(settled)
}
