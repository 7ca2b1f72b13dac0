use async_trait::async_trait;
use bus_domain::bounce::Failures;
use bus_domain::{Epoch, NodeConfig, NodeId, NodeName, Seq, SubscriptionId};

use crate::{Head, Leg, Recipient, StoreError};

/// Subscriptions that had to leave their node's cursor, and what is known of failed deliveries.
///
/// What lies behind the lowest lagging row of a node is still to be delivered: retention must leave it alone, and a
/// deleted node stays until its rows are gone.
#[async_trait]
pub trait LaggingStore {
    /// A page of a leg's lagging rows behind `after`, in the order of their keys; fewer than asked for means that it
    /// is the last one.
    async fn lagging(
        &self,
        leg: Leg,
        after: Option<SubscriptionKey>,
        rows_max: u32,
    ) -> Result<Vec<LaggingRow>, StoreError>;

    /// What deliveries to these subscriptions rest on, in any order. Subscriptions that have ended or are parked are
    /// left out; those of deleted nodes are not. One whose rows cannot be read is logged and left out.
    async fn delivery_targets(
        &self,
        subscriptions: &[SubscriptionKey],
    ) -> Result<Vec<DeliveryTarget>, StoreError>;

    /// Notes failed deliveries in one transaction. A note is passed over when the subscription has ended, is parked,
    /// or has other failures by now than those that were seen. A row of another life than the log's begins no later than
    /// the cursor, which was set back with the new life.
    async fn note_failures(&self, leg: Leg, notes: &[FailureNote]) -> Result<(), StoreError>;

    /// Adds rows of subscriptions that have none, in one transaction. Those that have ended or are parked are passed over;
    /// a row of another life than the log's begins no later than the cursor.
    async fn begin_lagging(&self, leg: Leg, rows: &[LaggingRow]) -> Result<(), StoreError>;

    /// Changes rows that there are and removes others, in one transaction. A row that is not there is passed over, and
    /// so is the position of another life than the log's. Failures end with what was taken: those of subscriptions whose
    /// rows have gone, and those up to the position of a row without attempts.
    async fn move_lagging(
        &self,
        leg: Leg,
        moves: &[LaggingRow],
        ended: &[SubscriptionKey],
    ) -> Result<(), StoreError>;

    /// Parked subscriptions of all nodes.
    async fn count_parked(&self) -> Result<u64, StoreError>;
}

/// The name of a subscription over all nodes. Ordered like the rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SubscriptionKey {
    /// The node.
    pub node: NodeId,
    /// Its number there.
    pub subscription: SubscriptionId,
}

/// A subscription that is fed from the log by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LaggingRow {
    /// Whose.
    pub key: SubscriptionKey,
    /// The life of the log that the position is in.
    pub epoch: Epoch,
    /// Handed over through this event, and not come back.
    pub through_seq: Seq,
    /// How often in a row it has come back.
    pub attempts: u32,
    /// When it is to be tried again, in milliseconds since 1970.
    pub due_at_ms: i64,
}

/// A subscription with its node.
#[derive(Debug, Clone, PartialEq)]
pub struct DeliveryTarget {
    /// The node.
    pub node: NodeId,
    /// Its name.
    pub name: NodeName,
    /// Its configuration.
    pub config: NodeConfig,
    /// Its head.
    pub head: Head,
    /// The subscription with its standing.
    pub recipient: Recipient,
    /// Deliveries to it that have failed, without one that came through in between.
    pub failures: Option<Failures>,
}

/// What is to be noted of failed deliveries to one subscription.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FailureNote {
    /// Whose.
    pub key: SubscriptionKey,
    /// The failures that the decision saw.
    pub seen: Option<Failures>,
    /// The failures as they stand now.
    pub now: Failures,
    /// A row to be added, or to take the place of the one that there is.
    pub lagging: Option<LaggingRow>,
}

impl DeliveryTarget {
    /// Its name over all nodes.
    pub fn key(&self) -> SubscriptionKey {
        SubscriptionKey { node: self.node, subscription: self.recipient.subscription.id }
    }
}
