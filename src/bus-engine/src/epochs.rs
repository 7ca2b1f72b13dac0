//! New lives of logs: names for them, and the nodes that need one when the daemon starts.

use bus_domain::{Epoch, NodeFacts, NodeId, Seq};
use bus_store::{CommitLevel, EpochRenewal, LockMode, Store, StoreError};

use crate::IdSource;

/// Nodes in one transaction.
const PAGE_NODES_MAX: u32 = 1_000;

/// A name that no other life of a log has.
pub(crate) fn new_epoch(ids: &dyn IdSource) -> Epoch {
    let random = ids.random_bytes();
    Epoch(u64::from_be_bytes(std::array::from_fn(|index| random[index])))
}

/// The life of this process, as far as nodes in memory are concerned: their logs end with it.
#[derive(Debug, Clone, Copy)]
pub struct ProcessEpoch(Epoch);

impl ProcessEpoch {
    /// A name that no other process has.
    pub fn new(ids: &dyn IdSource) -> Self {
        Self(new_epoch(ids))
    }

    /// Facts as the store has them become those of this process. Both epochs are random, so what they make together
    /// is that of one node and of one process.
    pub fn applied_to(self, facts: NodeFacts) -> NodeFacts {
        if facts.is_transient() {
            NodeFacts { epoch: self.of_transient(facts.epoch), ..facts }
        } else {
            facts
        }
    }

    /// The epoch of a node in memory, by the one that the store has.
    pub fn of_transient(self, stored: Epoch) -> Epoch {
        Epoch(stored.0 ^ self.0.0)
    }
}

/// Marks the store as in use. After an end that may have lost commits, relaxed nodes go on in new epochs: events that
/// somebody has seen may be gone, and their positions given again. Says of how many nodes.
pub(crate) async fn start(store: &dyn Store, ids: &dyn IdSource) -> Result<usize, StoreError> {
    if !store.mark_in_use().await? {
        return Ok(0);
    }
    let mut renewed = 0;
    let mut after = None;
    loop {
        let nodes = store.relaxed_nodes(after, PAGE_NODES_MAX).await?;
        renew(store, ids, &nodes).await?;
        renewed += nodes.len();
        after = nodes.last().copied();
        if nodes.len() < PAGE_NODES_MAX as usize {
            break;
        }
    }
    store.note_renewed().await?;
    if renewed > 0 {
        tracing::warn!(
            nodes = renewed,
            "commits that were not synced may be lost: relaxed nodes begin new epochs"
        );
    }
    Ok(renewed)
}

async fn renew(store: &dyn Store, ids: &dyn IdSource, nodes: &[NodeId]) -> Result<(), StoreError> {
    if nodes.is_empty() {
        return Ok(());
    }
    let renewals: Vec<_> = nodes
        .iter()
        .map(|node| EpochRenewal { node: *node, epoch: new_epoch(ids), last_seq: Seq::MAX })
        .collect();
    let mut transaction = store.begin(CommitLevel::Fsync).await?;
    transaction.lock_heads(nodes, LockMode::Wait).await?;
    transaction.renew_epochs(&renewals).await?;
    transaction.commit().await
}
