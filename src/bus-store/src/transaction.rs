use async_trait::async_trait;
use bus_domain::quota::UsageKey;
use bus_domain::retract::StoredItem;
use bus_domain::subscribe::Existing;
use bus_domain::{
    Affiliation, BareJid, Epoch, Event, ItemId, NodeConfig, NodeId, NodeName, Redirect, RedirectUri, Seq,
    Subscription, SubscriptionId,
};

use crate::{
    AssociationTransaction, ConsumerTransaction, EpochRenewal, IdempotencyTransaction, RelationTransaction,
    RenewedHead, SourceTransaction, StoreError,
};

/// One write transaction. Dropped without a commit, it leaves nothing behind.
///
/// The order of calls is the engine's: lock, read what decisions need, advance the heads, write, commit.
#[async_trait]
pub trait Transaction:
    AssociationTransaction
    + IdempotencyTransaction
    + RelationTransaction
    + ConsumerTransaction
    + SourceTransaction
    + Send
{
    /// Locks the heads of these nodes in the order of their ids and says which it got. What it did not get is left
    /// out, and the caller tries it again with its next batch. A node that is gone counts as locked. The first call of
    /// a transaction may wait; later ones hold locks already and must not.
    async fn lock_heads(&mut self, nodes: &[NodeId], mode: LockMode) -> Result<Vec<NodeId>, StoreError>;

    /// Advances heads and says where they stand now. A node is left out when it is gone or its `rules_version` is
    /// not the one given.
    async fn advance_heads(&mut self, advances: &[HeadAdvance]) -> Result<Vec<HeadAfter>, StoreError>;

    /// Where these logs end, before they are advanced; their heads are locked. Nodes that are gone are left out.
    async fn head_seqs(&mut self, nodes: &[NodeId]) -> Result<Vec<(NodeId, Seq)>, StoreError>;

    /// Adds events to the logs.
    async fn append_events(&mut self, events: &[(NodeId, Event)]) -> Result<(), StoreError>;

    /// Points item ids at their newest events. The ids must not be taken (see [`Self::remove_items`]).
    async fn place_items(&mut self, pointers: &[ItemPointer]) -> Result<(), StoreError>;

    /// The items of these ids that the node has and no purge has taken.
    async fn find_items(&mut self, node: NodeId, ids: &[ItemId]) -> Result<Vec<StoredItem>, StoreError>;

    /// The node's oldest items that no purge has taken, oldest first, expired ones too.
    async fn oldest_items(&mut self, node: NodeId, items_max: u64) -> Result<Vec<StoredItem>, StoreError>;

    /// Items of the node, expired ones too.
    async fn count_items(&mut self, node: NodeId) -> Result<u64, StoreError>;

    /// The node's newest item, unless it was published up to `expired_through_ms` (milliseconds since 1970).
    async fn last_item(
        &mut self,
        node: NodeId,
        expired_through_ms: Option<i64>,
    ) -> Result<Option<Event>, StoreError>;

    /// Notes that the payloads of these events are to be blanked: (event of the item, retraction).
    async fn note_retracted(&mut self, node: NodeId, events: &[(Seq, Seq)]) -> Result<(), StoreError>;

    /// Removes item pointers and says what was there; pointers that a purge has made void go unnamed.
    async fn remove_items(&mut self, items: &[(NodeId, ItemId)]) -> Result<Vec<RemovedItem>, StoreError>;

    /// Removes the node's `count` oldest item pointers that no purge has taken.
    async fn remove_oldest_items(&mut self, node: NodeId, count: u64) -> Result<(), StoreError>;

    /// Takes these numbers off the nodes' counts of items.
    async fn lower_item_counts(&mut self, counts: &[(NodeId, u64)]) -> Result<(), StoreError>;

    /// Adds a node with an empty log; `None` if its name is taken. Where the one before it has moved is forgotten.
    async fn insert_node(&mut self, node: &NodeRow) -> Result<Option<NodeId>, StoreError>;

    /// Puts a configuration in the place of the node's.
    async fn put_config(&mut self, node: NodeId, config: &NodeConfig) -> Result<(), StoreError>;

    /// Where the node of this name has moved.
    async fn find_redirect(&mut self, name: &NodeName) -> Result<Option<RedirectUri>, StoreError>;

    /// Notes where a node has moved, for as long as not so many others come later: of the same creator, or in all.
    async fn put_redirect(
        &mut self,
        redirect: &Redirect,
        kept_of_creator: u32,
        kept_in_all: u32,
    ) -> Result<(), StoreError>;

    /// Frees the node's name and leaves the rest for the last notification.
    async fn retire_node(&mut self, node: NodeId, deleted_at_ms: i64) -> Result<(), StoreError>;

    /// Sets affiliations; [`Affiliation::None`] removes one.
    async fn put_affiliations(
        &mut self,
        node: NodeId,
        entries: &[(BareJid, Affiliation)],
    ) -> Result<(), StoreError>;

    /// What there is of subscriptions for an address.
    async fn existing_subscriptions(
        &mut self,
        node: NodeId,
        subscriber: &BareJid,
    ) -> Result<Existing, StoreError>;

    /// The subscriptions of all addresses with these bare JIDs, whatever their state, in the order of their ids.
    async fn subscriptions_among(
        &mut self,
        node: NodeId,
        subscribers: &[BareJid],
    ) -> Result<Vec<Subscription>, StoreError>;

    /// Adds subscriptions under ids up to [`HeadAfter::last_subscription`].
    async fn insert_subscriptions(
        &mut self,
        node: NodeId,
        subscriptions: &[Subscription],
    ) -> Result<(), StoreError>;

    /// Ends subscriptions, and their lagging rows with them.
    async fn remove_subscriptions(
        &mut self,
        node: NodeId,
        subscriptions: &[SubscriptionId],
    ) -> Result<(), StoreError>;

    /// Parks a subscription: it is no recipient any more, and its lagging rows go.
    async fn park_subscription(
        &mut self,
        node: NodeId,
        subscription: SubscriptionId,
        parked_at_ms: i64,
    ) -> Result<(), StoreError>;

    /// Gives a subscription these options, and forgets that it is parked, and its failures.
    async fn continue_subscription(
        &mut self,
        node: NodeId,
        subscription: &Subscription,
    ) -> Result<(), StoreError>;

    /// Locks the numbers of these keys, in the order of the keys, and says where they stand: at 0 if nobody has any yet.
    /// What others hold is left out as with heads, and the caller tries it again with its next batch. Comes behind all
    /// locks of heads, and once in a transaction.
    async fn lock_usage(
        &mut self,
        keys: &[UsageKey],
        mode: LockMode,
    ) -> Result<Vec<(UsageKey, u64)>, StoreError>;

    /// Moves numbers that [`Self::lock_usage`] has locked; also by 0, because one that stands at 0 takes no room.
    async fn move_usage(&mut self, moves: &[(UsageKey, i64)]) -> Result<(), StoreError>;

    /// Notes the batch, so that it can be found when the outcome of its commit is not known.
    async fn record_batch(&mut self, id: BatchId, committed_at_ms: i64) -> Result<(), StoreError>;

    /// Starts new lives of logs; moves both versions of each node by one.
    async fn renew_epochs(&mut self, renewals: &[EpochRenewal]) -> Result<Vec<RenewedHead>, StoreError>;

    /// Commits; returns when what the transaction's level promises holds.
    async fn commit(self: Box<Self>) -> Result<(), StoreError>;
}

/// What holds when a commit returns. Any later commit at [`Self::Fsync`] makes the earlier relaxed ones safe too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CommitLevel {
    /// Everything is on disk and synced.
    Fsync,
    /// Everything is committed: other transactions see it, and it outlives this process. A crash of the machine or of
    /// the database may lose it, the newest commits first and each as a whole.
    Relaxed,
}

/// What to do about a head that another transaction holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LockMode {
    /// Leave it out.
    #[default]
    SkipHeld,
    /// Wait for it, within the store's bound; past that, none of the heads is locked.
    Wait,
}

/// Random 128-bit name of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct BatchId(pub [u8; 16]);

/// How a head is to move.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeadAdvance {
    /// The node.
    pub node: NodeId,
    /// Move only if the rules are still of this version.
    pub rules_version: u64,
    /// Events that will be appended.
    pub events: u64,
    /// Which of these, counted from 1, is the last that is due to subscribers; 0 if none is.
    pub last_due_event: u64,
    /// Bytes of payload of these events.
    pub payload_bytes: u64,
    /// Item pointers that will be placed.
    pub items: u64,
    /// Whether all items go: the purge mark moves behind these events, and the count of items starts at 0 again.
    pub purge: bool,
    /// Whether configuration or affiliations change.
    pub rules_change: bool,
    /// Whether the recipients or their rights change.
    pub recipients_change: bool,
    /// Subscriptions that will be inserted.
    pub new_subscriptions: u64,
    /// Subscriptions that will be removed.
    pub ended_subscriptions: u64,
}

/// Where a head stands after it has moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeadAfter {
    /// The node.
    pub node: NodeId,
    /// The newest event, those of the transaction included.
    pub seq: Seq,
    /// The newest event that was due before the transaction.
    pub due_before_seq: Seq,
    /// The version after the move.
    pub rules_version: u64,
    /// The version after the move.
    pub recipients_version: u64,
    /// Items, those of the transaction included.
    pub item_count: u64,
    /// The highest id of a subscription, those of the transaction included.
    pub last_subscription: SubscriptionId,
}

/// An item and its newest event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ItemPointer {
    /// The node.
    pub node: NodeId,
    /// The item.
    pub item_id: ItemId,
    /// The event.
    pub seq: Seq,
    /// The event that made the item, if it was an earlier one.
    pub created_seq: Option<Seq>,
}

/// An item whose pointer was removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemovedItem {
    /// The node.
    pub node: NodeId,
    /// The item.
    pub item_id: ItemId,
    /// The event that made it.
    pub created_seq: Seq,
}

/// A node to be added; its owner becomes its first affiliation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeRow {
    /// XEP-0060's NodeID.
    pub name: NodeName,
    /// The first life of its log.
    pub epoch: Epoch,
    /// Creator and first owner.
    pub owner: BareJid,
    /// Its configuration.
    pub config: NodeConfig,
    /// Milliseconds since 1970.
    pub created_at_ms: i64,
}
