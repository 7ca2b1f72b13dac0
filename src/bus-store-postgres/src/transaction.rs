use std::sync::Arc;

use async_trait::async_trait;
use bus_domain::quota::UsageKey;
use bus_domain::retract::StoredItem;
use bus_domain::subscribe::Existing;
use bus_domain::{
    Affiliation, BareJid, Event, ItemId, NodeConfig, NodeId, NodeName, Redirect, RedirectUri, Seq,
    Subscription, SubscriptionId,
};
use bus_store::{
    BatchId, CommitLevel, EpochRenewal, HeadAdvance, HeadAfter, ItemPointer, LockMode, NodeRow, RemovedItem,
    RenewedHead, StoreError, Transaction,
};
use sqlx::postgres::PgRow;

use crate::error::commit_error;
use crate::pool::Pool;
use crate::session::Session;
use crate::statement::{PgQuery, Script, query, statements};

mod associations;
mod batches;
mod consumers;
mod epochs;
mod events;
mod heads;
pub(crate) mod idempotency;
mod items;
mod nodes;
pub(crate) mod redirects;
mod relations;
mod sources;
mod subscriptions;
pub(crate) mod usage;

pub(crate) use items::removing_items;

statements! {
    BEGIN = "BEGIN";
    BEGIN_SNAPSHOT = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
    COMMIT = "COMMIT";
    ROLLBACK = "ROLLBACK";
}

/// At this level COMMIT does not wait for the sync, which the server makes up for within three times its
/// `wal_writer_delay`.
const BEGIN_RELAXED: Script = Script("BEGIN; SET LOCAL synchronous_commit = off");

/// The texts of the statements inside transactions.
pub(crate) fn statement_texts() -> Vec<&'static str> {
    [
        associations::STATEMENTS,
        batches::STATEMENTS,
        consumers::STATEMENTS,
        sources::STATEMENTS,
        epochs::STATEMENTS,
        events::STATEMENTS,
        heads::STATEMENTS,
        idempotency::STATEMENTS,
        items::STATEMENTS,
        nodes::STATEMENTS,
        redirects::STATEMENTS,
        relations::STATEMENTS,
        subscriptions::STATEMENTS,
        usage::STATEMENTS,
    ]
    .concat()
}

/// A transaction. Dropped before its end, it takes its connection with it, and the server rolls back.
#[derive(Debug)]
pub(crate) struct PostgresTransaction {
    session: Session,
    /// A statement failed: the server would answer COMMIT by rolling back, and call that a success.
    has_failed: bool,
}

impl PostgresTransaction {
    pub(crate) async fn begin(pool: &Arc<Pool>, level: CommitLevel) -> Result<Self, StoreError> {
        let mut transaction = Self::not_begun(pool).await?;
        match level {
            CommitLevel::Fsync => transaction.session.execute(query(BEGIN)).await.map(drop)?,
            CommitLevel::Relaxed => transaction.session.execute_script(BEGIN_RELAXED).await?,
        }
        Ok(transaction)
    }

    /// Begins a transaction that reads what was committed at one moment.
    pub(crate) async fn begin_snapshot(pool: &Arc<Pool>) -> Result<Self, StoreError> {
        let mut transaction = Self::not_begun(pool).await?;
        transaction.session.execute(query(BEGIN_SNAPSHOT)).await?;
        Ok(transaction)
    }

    async fn not_begun(pool: &Arc<Pool>) -> Result<Self, StoreError> {
        let mut session = pool.session().await?;
        session.set_in_transaction(true);
        Ok(Self { session, has_failed: false })
    }

    pub(crate) async fn commit_write(mut self) -> Result<(), StoreError> {
        if self.has_failed {
            let message = "a statement of the transaction had failed before".to_owned();
            return Err(StoreError::Refused { source: message.into() });
        }
        self.session.try_execute(query(COMMIT)).await.map_err(commit_error)?;
        self.session.set_in_transaction(false);
        Ok(())
    }

    /// Ends the transaction without a trace, and keeps the connection.
    pub(crate) async fn rollback(mut self) -> Result<(), StoreError> {
        self.session.execute(query(ROLLBACK)).await?;
        self.session.set_in_transaction(false);
        Ok(())
    }

    pub(crate) async fn execute(&mut self, query: PgQuery<'_>) -> Result<u64, StoreError> {
        let answer = self.session.execute(query).await;
        self.has_failed |= answer.is_err();
        answer
    }

    pub(crate) async fn fetch_all(&mut self, query: PgQuery<'_>) -> Result<Vec<PgRow>, StoreError> {
        let answer = self.session.fetch_all(query).await;
        self.has_failed |= answer.is_err();
        answer
    }

    pub(crate) async fn fetch_optional(&mut self, query: PgQuery<'_>) -> Result<Option<PgRow>, StoreError> {
        Ok(self.fetch_all(query).await?.into_iter().next())
    }
}

#[async_trait]
impl Transaction for PostgresTransaction {
    async fn lock_heads(&mut self, nodes: &[NodeId], mode: LockMode) -> Result<Vec<NodeId>, StoreError> {
        match mode {
            LockMode::SkipHeld => heads::lock_free(self, nodes).await,
            LockMode::Wait => heads::lock_waiting(self, nodes).await,
        }
    }

    async fn advance_heads(&mut self, advances: &[HeadAdvance]) -> Result<Vec<HeadAfter>, StoreError> {
        heads::advance(self, advances).await
    }

    async fn head_seqs(&mut self, nodes: &[NodeId]) -> Result<Vec<(NodeId, Seq)>, StoreError> {
        heads::seqs(self, nodes).await
    }

    async fn append_events(&mut self, events: &[(NodeId, Event)]) -> Result<(), StoreError> {
        events::append(self, events).await
    }

    async fn place_items(&mut self, pointers: &[ItemPointer]) -> Result<(), StoreError> {
        items::place(self, pointers).await
    }

    async fn find_items(&mut self, node: NodeId, ids: &[ItemId]) -> Result<Vec<StoredItem>, StoreError> {
        items::find(self, node, ids).await
    }

    async fn oldest_items(&mut self, node: NodeId, items_max: u64) -> Result<Vec<StoredItem>, StoreError> {
        items::oldest(self, node, items_max).await
    }

    async fn count_items(&mut self, node: NodeId) -> Result<u64, StoreError> {
        items::count(self, node).await
    }

    async fn last_item(
        &mut self,
        node: NodeId,
        expired_through_ms: Option<i64>,
    ) -> Result<Option<Event>, StoreError> {
        items::last(self, node, expired_through_ms).await
    }

    async fn note_retracted(&mut self, node: NodeId, events: &[(Seq, Seq)]) -> Result<(), StoreError> {
        items::note_retracted(self, node, events).await
    }

    async fn remove_items(&mut self, items: &[(NodeId, ItemId)]) -> Result<Vec<RemovedItem>, StoreError> {
        items::remove(self, items).await
    }

    async fn remove_oldest_items(&mut self, node: NodeId, count: u64) -> Result<(), StoreError> {
        items::remove_oldest(self, node, count).await
    }

    async fn lower_item_counts(&mut self, counts: &[(NodeId, u64)]) -> Result<(), StoreError> {
        items::lower_counts(self, counts).await
    }

    async fn insert_node(&mut self, node: &NodeRow) -> Result<Option<NodeId>, StoreError> {
        nodes::insert(self, node).await
    }

    async fn put_config(&mut self, node: NodeId, config: &NodeConfig) -> Result<(), StoreError> {
        nodes::put_config(self, node, config).await
    }

    async fn find_redirect(&mut self, name: &NodeName) -> Result<Option<RedirectUri>, StoreError> {
        redirects::find(self, name).await
    }

    async fn put_redirect(
        &mut self,
        redirect: &Redirect,
        kept_of_creator: u32,
        kept_in_all: u32,
    ) -> Result<(), StoreError> {
        redirects::put(self, redirect, kept_of_creator, kept_in_all).await
    }

    async fn retire_node(&mut self, node: NodeId, deleted_at_ms: i64) -> Result<(), StoreError> {
        nodes::retire(self, node, deleted_at_ms).await
    }

    async fn put_affiliations(
        &mut self,
        node: NodeId,
        entries: &[(BareJid, Affiliation)],
    ) -> Result<(), StoreError> {
        nodes::put_affiliations(self, node, entries).await
    }

    async fn existing_subscriptions(
        &mut self,
        node: NodeId,
        subscriber: &BareJid,
    ) -> Result<Existing, StoreError> {
        subscriptions::existing(self, node, subscriber).await
    }

    async fn subscriptions_among(
        &mut self,
        node: NodeId,
        subscribers: &[BareJid],
    ) -> Result<Vec<Subscription>, StoreError> {
        subscriptions::among(self, node, subscribers).await
    }

    async fn insert_subscriptions(
        &mut self,
        node: NodeId,
        subscriptions: &[Subscription],
    ) -> Result<(), StoreError> {
        subscriptions::insert(self, node, subscriptions).await
    }

    async fn remove_subscriptions(
        &mut self,
        node: NodeId,
        subscriptions: &[SubscriptionId],
    ) -> Result<(), StoreError> {
        subscriptions::remove(self, node, subscriptions).await
    }

    async fn park_subscription(
        &mut self,
        node: NodeId,
        subscription: SubscriptionId,
        parked_at_ms: i64,
    ) -> Result<(), StoreError> {
        subscriptions::park(self, node, subscription, parked_at_ms).await
    }

    async fn continue_subscription(
        &mut self,
        node: NodeId,
        subscription: &Subscription,
    ) -> Result<(), StoreError> {
        subscriptions::carry_on(self, node, subscription).await
    }

    async fn lock_usage(
        &mut self,
        keys: &[UsageKey],
        mode: LockMode,
    ) -> Result<Vec<(UsageKey, u64)>, StoreError> {
        usage::lock(self, keys, mode).await
    }

    async fn move_usage(&mut self, moves: &[(UsageKey, i64)]) -> Result<(), StoreError> {
        usage::move_by(self, moves).await
    }

    async fn record_batch(&mut self, id: BatchId, committed_at_ms: i64) -> Result<(), StoreError> {
        batches::record(self, id, committed_at_ms).await
    }

    async fn renew_epochs(&mut self, renewals: &[EpochRenewal]) -> Result<Vec<RenewedHead>, StoreError> {
        epochs::renew(self, renewals).await
    }

    async fn commit(self: Box<Self>) -> Result<(), StoreError> {
        self.commit_write().await
    }
}
