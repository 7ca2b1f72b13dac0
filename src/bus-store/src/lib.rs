//! What the engine asks of a store. Rules for implementers:
//!
//! * A store stores. It decides nothing: where an outcome depends on rows, it hands the rows out inside the
//!   transaction and the engine asks bus-domain.
//! * Batch first: a method that writes takes a slice and sends one statement, whatever its length.
//! * Not found is `Ok(None)` or an empty list, never an error. Errors say what the caller can do ([`StoreError`]).
//! * Time, ids and randomness come in as parameters.
//! * Every hot key starts with the node, so that rows can be distributed by it.
//! * Node ids and subscription ids are never used again.
//! * A difference between stores is a method here, never a question about the store's kind in a caller.
//!
//! The suite in `tests/store-contract` runs on every store; a new method comes with its case there.

mod archive;
mod associations;
mod consumers;
mod cursors;
mod devices;
mod doorbell;
mod entities;
mod epochs;
mod error;
mod events;
mod idempotency;
mod inlets;
mod items;
mod lagging;
mod nodes;
mod presence;
mod push_jobs;
mod push_profiles;
mod relations;
mod retention;
mod sources;
mod subscriptions;
mod transaction;

use async_trait::async_trait;

pub use archive::{ArchiveHead, ArchiveStore, ArchiveStretch};
pub use associations::{AssociationStore, AssociationTransaction, Feed, FeedMove};
pub use consumers::{
    Claim, ConsumerCursor, ConsumerMoves, ConsumerProgress, ConsumerStore, ConsumerTransaction, CursorPlace,
    DeliveryRow, NewConsumer,
};
pub use cursors::{CursorMove, CursorStore, Leg, Position, Undelivered, UndeliveredPage};
pub use devices::{DeviceJudgement, DeviceStore};
pub use doorbell::Doorbell;
pub use entities::{EntityAffiliation, EntityStore, EntitySubscription, LeaseOver};
pub use epochs::{EpochRenewal, EpochStore, RenewedHead};
pub use error::StoreError;
pub use events::{EventStore, Head};
pub use idempotency::{IdempotencyStore, IdempotencyTransaction};
pub use inlets::{FoundInlet, InletStore};
pub use items::{FoundItems, ItemPage, ItemStore, ItemWindow};
pub use lagging::{DeliveryTarget, FailureNote, LaggingRow, LaggingStore, SubscriptionKey};
pub use nodes::{NodeListing, NodeStore, NodeSummary};
pub use presence::{PresenceStore, PresenceUses};
pub use push_jobs::{ClaimedJob, JobRecord, JobResult, JobSettlement, PushJobStore, PushQueue, PushStore};
pub use push_profiles::{
    DevicePreferences, FanOutPlace, NewProfile, ProfileCursor, ProfileJob, ProfileMove, PushProfileStore,
    PushTarget,
};
pub use relations::{RelationStore, RelationTransaction};
pub use retention::{NodeRules, RetainedNode, RetainedPage, RetentionStore};
pub use sources::{SourceStore, SourceTransaction};
pub use subscriptions::{Recipient, RecipientPage, SubscriptionStore};
pub use transaction::{
    BatchId, CommitLevel, HeadAdvance, HeadAfter, ItemPointer, LockMode, NodeRow, RemovedItem, Transaction,
};

/// A whole store.
#[async_trait]
pub trait Store:
    NodeStore
    + EventStore
    + ArchiveStore
    + ItemStore
    + SubscriptionStore
    + EntityStore
    + PresenceStore
    + AssociationStore
    + RelationStore
    + ConsumerStore
    + SourceStore
    + CursorStore
    + LaggingStore
    + RetentionStore
    + IdempotencyStore
    + EpochStore
    + Send
    + Sync
    + 'static
{
    /// Starts a write transaction, whose `commit` returns when what the level promises holds.
    async fn begin(&self, level: CommitLevel) -> Result<Box<dyn Transaction>, StoreError>;

    /// Whether the batch was committed: asked after [`StoreError::OutcomeUnknown`].
    async fn find_batch(&self, id: BatchId) -> Result<bool, StoreError>;

    /// The key of the ids that this store's events and messages carry: made once, with the store.
    async fn id_key(&self) -> Result<[u8; 16], StoreError>;

    /// Whether other processes may write to the database too: what is in memory may then be old.
    fn is_shared(&self) -> bool {
        false
    }

    /// How the instances on a shared database wake each other; `None` if it is not shared.
    async fn doorbell(&self) -> Result<Option<Box<dyn Doorbell>>, StoreError> {
        Ok(None)
    }

    /// A cheap write-free question to the database: is it there.
    async fn ping(&self) -> Result<(), StoreError>;
}
