use async_trait::async_trait;
use bus_domain::{Epoch, NodeId, Seq};

use crate::StoreError;

/// The lives of logs: whether the last user of the store may have lost commits, and which nodes that concerns.
#[async_trait]
pub trait EpochStore {
    /// Notes, synced, that the store is in use. True if that was noted already: the last user ended without
    /// [`Self::close`], and what it committed at [`CommitLevel::Relaxed`](crate::CommitLevel) may be lost.
    async fn mark_in_use(&self) -> Result<bool, StoreError>;

    /// Takes the mark away, synced together with everything committed before. The last call of an orderly end.
    async fn close(&self) -> Result<(), StoreError>;

    /// A page of the nodes that commit at [`CommitLevel::Relaxed`](crate::CommitLevel), in the order of their ids,
    /// behind `after`. Deleted nodes are left out: deletions are synced.
    async fn relaxed_nodes(&self, after: Option<NodeId>, nodes_max: u32) -> Result<Vec<NodeId>, StoreError>;
}

/// A new life for a node's log, of which the end may be lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EpochRenewal {
    /// The node.
    pub node: NodeId,
    /// The name of the new life.
    pub epoch: Epoch,
    /// The newest event of the old life that is still there. A cursor, a lagging row or a `since_seq` beyond it, or
    /// beyond the head, is set back to there: what comes behind is new.
    pub last_seq: Seq,
}

/// Versions of a node whose epoch was renewed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RenewedHead {
    /// The node.
    pub node: NodeId,
    /// The version after the renewal.
    pub rules_version: u64,
    /// The version after the renewal.
    pub recipients_version: u64,
}
