use std::sync::Arc;
use std::time::Duration;

use bus_domain::relation::Orphan;
use bus_domain::{Actor, BusError, Role};
use bus_store::StoreError;
use tokio_util::sync::CancellationToken;

use crate::engine::EngineShared;
use crate::{Command, Verb};

/// Nodes that are deleted with one read.
const ORPHANS_MAX: u32 = 100;
/// The longest pause. Another instance may have deleted a node and have ended before it came to those below.
const PAUSE_MAX: Duration = Duration::from_mins(1);
/// How long a store that failed is left alone.
const STORE_PAUSE: Duration = Duration::from_secs(1);

/// Deletes nodes whose parent, or the node that they are linked to, was deleted (XEP-0496), until it is told to stop. Each goes
/// as if its owner had deleted it, with its own notification; from the commit of the first deletion on none of them can be
/// used any more. A deleted node stays as a tombstone until those that point at it are gone, so a restart loses none.
pub(crate) async fn run(shared: Arc<EngineShared>, shutdown: CancellationToken) {
    loop {
        let turn = async {
            let pause = match delete_all(&shared).await {
                Ok(()) => PAUSE_MAX,
                Err(error) => {
                    tracing::warn!(%error, "nodes below deleted ones wait for the store");
                    STORE_PAUSE
                }
            };
            drop(tokio::time::timeout(pause, shared.orphaned.notified()).await);
        };
        tokio::select! {
            biased;
            () = shutdown.cancelled() => return,
            () = turn => {}
        }
    }
}

/// Goes from page to page until nobody is left who can be deleted now. What was below a deleted node is an orphan then.
async fn delete_all(shared: &Arc<EngineShared>) -> Result<(), StoreError> {
    let mut after = None;
    let mut deleted = 0;
    loop {
        let page = shared.store.orphans(after, ORPHANS_MAX).await?;
        after = page.last().map(|orphan| orphan.id);
        let is_last = page.len() < ORPHANS_MAX as usize;
        for orphan in page {
            deleted += u64::from(delete(shared, orphan).await?);
        }
        if is_last && deleted == 0 {
            return Ok(());
        }
        if is_last {
            (after, deleted) = (None, 0);
        }
    }
}

/// Whether it was this one's turn.
async fn delete(shared: &Arc<EngineShared>, orphan: Orphan) -> Result<bool, StoreError> {
    let Orphan { id, name, deleted_by } = orphan;
    let actor = Actor::new(deleted_by, Role::Admin);
    let command = Command { actor, node: name, verb: Verb::DeleteOrphan(id) };
    match shared.queue.submit(command, shared).await {
        Ok(Ok(_)) => {
            shared.statistics.orphans_deleted.add(1);
            Ok(true)
        }
        // Somebody else has done it.
        Ok(Err(BusError::NodeNotFound)) => Ok(false),
        // One that cannot be read is in nobody's way.
        Ok(Err(error @ BusError::Internal)) => {
            tracing::error!(%error, node_id = id.0, "a node below a deleted one cannot be deleted");
            Ok(false)
        }
        Ok(Err(error)) => Err(StoreError::Unavailable { message: error.to_string(), source: None }),
        Err(closed) => Err(StoreError::Unavailable { message: closed.to_string(), source: None }),
    }
}
