use async_trait::async_trait;
use bus_domain::consumer::redrive::{Redrive, Undeliverable};
use bus_domain::consumer::{Consumer, ConsumerConfig, ConsumerId, ConsumerName, OrderKey, Standing};
use bus_domain::{BareJid, Epoch, NodeId, NodeName, Seq};

use crate::{Head, StoreError};

/// Durable subscriptions of services: a row for each, a cursor for each of their nodes, and a row for each event up to the
/// cursor that is leased or waits for another attempt. What is up to the cursor and has no row is settled.
///
/// One instance at a time serves a consumer, by a claim with a fence: whatever moves the consumer names the fence, and is
/// passed over when somebody else has claimed it since. Positions of another life than the log's are passed over, too.
///
/// Retention leaves alone what has such a row, as it does for subscriptions that lag; deleted nodes wait for no consumer.
#[async_trait]
pub trait ConsumerStore {
    /// Adds a consumer with its cursors; `None` if its name is taken.
    async fn create_consumer(&self, new: &NewConsumer) -> Result<Option<ConsumerId>, StoreError>;

    /// The consumer of this name.
    async fn find_consumer(&self, name: &ConsumerName) -> Result<Option<Consumer>, StoreError>;

    /// A page of consumers in the order of their names, behind `after`; those of one owner, or all.
    async fn list_consumers(
        &self,
        owner: Option<&BareJid>,
        after: Option<&ConsumerName>,
        consumers_max: u32,
    ) -> Result<Vec<Consumer>, StoreError>;

    /// How many consumers somebody has.
    async fn count_consumers(&self, owner: &BareJid) -> Result<u64, StoreError>;

    /// Claims a consumer that nobody has claimed beyond `now_ms`, or that this instance has; both in milliseconds since
    /// 1970. Says the new fence; `None` if another instance has it, or it is gone.
    async fn claim_consumer(&self, consumer: ConsumerId, claim: &Claim) -> Result<Option<u64>, StoreError>;

    /// Gives claims a new end, and says which of them still hold.
    async fn renew_claims(
        &self,
        claims: &[(ConsumerId, u64)],
        until_ms: i64,
    ) -> Result<Vec<ConsumerId>, StoreError>;

    /// Where a consumer stands.
    async fn consumer_progress(&self, consumer: ConsumerId) -> Result<ConsumerProgress, StoreError>;

    /// Moves consumers in one synced transaction, and says which of them still have the fences that the moves name; those
    /// of the others are passed over. A cursor never moves back.
    async fn move_consumers(&self, moves: &[ConsumerMoves]) -> Result<Vec<ConsumerId>, StoreError>;

    /// Puts cursors where they are to be, also back, and removes the rows of events on these nodes. False if the fence has
    /// moved, and nothing happens then.
    async fn seek_consumer(
        &self,
        consumer: ConsumerId,
        fence: u64,
        cursors: &[CursorPlace],
    ) -> Result<bool, StoreError>;

    /// Has a consumer hand out nothing, or go on. False if the fence has moved.
    async fn pause_consumer(
        &self,
        consumer: ConsumerId,
        fence: u64,
        is_paused: bool,
    ) -> Result<bool, StoreError>;

    /// A page of the consumers that have destinations, in the order of their names, behind `after`.
    async fn list_with_destinations(
        &self,
        after: Option<&ConsumerName>,
        consumers_max: u32,
    ) -> Result<Vec<Consumer>, StoreError>;

    /// Notes how a consumer stands with its destination: under a claim, or whoever has claimed it. False if the fence has
    /// moved, or the consumer is gone.
    async fn set_standing(
        &self,
        consumer: ConsumerId,
        fence: Option<u64>,
        standing: &Standing,
    ) -> Result<bool, StoreError>;

    /// Removes a consumer with everything of it. False if the fence has moved.
    async fn delete_consumer(&self, consumer: ConsumerId, fence: u64) -> Result<bool, StoreError>;

    /// The newest node that there is, also if it is deleted. Numbers may become visible out of their order.
    async fn newest_node(&self) -> Result<Option<NodeId>, StoreError>;

    /// A page of the names of nodes, in the order of their bytes, behind `after` (or from `from` on, without it).
    async fn names_of_nodes(
        &self,
        from: &str,
        after: Option<&NodeName>,
        nodes_max: u32,
    ) -> Result<Vec<(NodeId, NodeName)>, StoreError>;
}

/// What a transaction can do to consumers besides what it does to nodes.
#[async_trait]
pub trait ConsumerTransaction {
    /// Removes the row of an event, which counts as settled then. False if there is none of this fence and life of the log.
    async fn settle_delivery(&mut self, about: &Undeliverable) -> Result<bool, StoreError>;

    /// Adds rows of events that wait for their first attempt, where their logs have them, and the consumer's cursors are
    /// there. Says how many those are; whoever wanted all of them drops the transaction.
    async fn return_deliveries(&mut self, redrive: &Redrive) -> Result<u64, StoreError>;
}

/// A consumer to be added.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewConsumer {
    /// Its name.
    pub name: ConsumerName,
    /// Whose it is.
    pub owner: BareJid,
    /// How it behaves.
    pub config: ConsumerConfig,
    /// In milliseconds since 1970.
    pub created_at_ms: i64,
    /// Where it begins on the nodes that there are.
    pub cursors: Vec<CursorPlace>,
}

/// A place in a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CursorPlace {
    /// The node.
    pub node: NodeId,
    /// The life of its log.
    pub epoch: Epoch,
    /// Everything up to here is settled, but for events with rows.
    pub through_seq: Seq,
    /// Up to here only the newest events of items are handed out. Moves leave it as it is.
    pub items_through_seq: Option<Seq>,
}

/// Who claims a consumer, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claim {
    /// The instance.
    pub instance: [u8; 16],
    /// The moment at which the claim is made, in milliseconds since 1970.
    pub now_ms: i64,
    /// The moment at which it ends.
    pub until_ms: i64,
}

/// Where a consumer stands.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ConsumerProgress {
    /// Its cursors, in the order of the nodes. Deleted nodes are there until they are reaped.
    pub cursors: Vec<ConsumerCursor>,
    /// The events that have rows, in the order of nodes and positions.
    pub deliveries: Vec<DeliveryRow>,
}

/// A consumer's cursor on one node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsumerCursor {
    /// The node.
    pub node: NodeId,
    /// Its name.
    pub name: NodeName,
    /// Where its log stands.
    pub head: Head,
    /// Everything up to here is settled, but for events with rows.
    pub through_seq: Seq,
    /// Up to here only the newest events of items are handed out.
    pub items_through_seq: Option<Seq>,
}

/// An event that is leased, or waits for another attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeliveryRow {
    /// The node.
    pub node: NodeId,
    /// The event.
    pub seq: Seq,
    /// How often it was handed out.
    pub attempts: u32,
    /// Whether the last attempt is under way; else it waits for the next one.
    pub is_leased: bool,
    /// When the lease runs out, or the wait is over, in milliseconds since 1970.
    pub due_at_ms: i64,
    /// Under which the last lease was given.
    pub generation: u64,
    /// Of which events it is one that are handed out one after the other; `None` where there is no such order.
    pub order_key: Option<OrderKey>,
}

/// What has changed of one consumer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsumerMoves {
    /// Which one.
    pub consumer: ConsumerId,
    /// The claim under which that happened.
    pub fence: u64,
    /// Cursors that have moved.
    pub cursors: Vec<CursorPlace>,
    /// Rows to be added or changed, with the lives of the logs.
    pub put: Vec<(Epoch, DeliveryRow)>,
    /// Rows of events that are settled.
    pub removed: Vec<(NodeId, Seq)>,
}

impl ConsumerMoves {
    /// Rows that are written.
    pub fn rows(&self) -> usize {
        self.cursors.len() + self.put.len() + self.removed.len()
    }
}
