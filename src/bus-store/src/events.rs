use async_trait::async_trait;
use bus_domain::{Epoch, Event, NodeId, Seq};

use crate::StoreError;

/// Reading the log.
#[async_trait]
pub trait EventStore {
    /// Where a node's log stands. Deleted nodes have a head until their last notification is handed over.
    async fn head(&self, node: NodeId) -> Result<Option<Head>, StoreError>;

    /// Where the logs of these nodes stand; those that are gone are left out.
    async fn heads(&self, nodes: &[NodeId]) -> Result<Vec<(NodeId, Head)>, StoreError>;

    /// Events behind `after_seq`, and behind what retention has trimmed, in order and without holes: at most
    /// `events_max`, and no more once `bytes_max` of payload are reached; at least one if there is one.
    async fn events_after(
        &self,
        node: NodeId,
        after_seq: Seq,
        events_max: u32,
        bytes_max: usize,
    ) -> Result<Vec<Event>, StoreError>;
}

/// Where a node's log stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// This life of the log.
    pub epoch: Epoch,
    /// The newest event; 0 for an empty log.
    pub seq: Seq,
    /// The newest event that retention has removed; 0 if none.
    pub trimmed_through_seq: Seq,
    /// Moves with the configuration and the affiliations.
    pub rules_version: u64,
    /// Moves with the subscriptions and with who may receive.
    pub recipients_version: u64,
}
