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
use serde::{Serialize, Serializer as _};
use sqlx::sqlite::SqliteRow;
use tokio::sync::{Mutex, OwnedMutexGuard};

use crate::error::store_error;
use crate::rows;
use crate::statement::{SqliteQuery, query, statements};
use crate::writer::Writer;

pub(crate) mod associations;
mod consumers;
mod epochs;
mod heads;
pub(crate) mod idempotency;
mod items;
mod nodes;
pub(crate) mod redirects;
mod relations;
mod sources;
mod subscriptions;
#[cfg(test)]
mod tests;
pub(crate) mod usage;

statements! {
    APPEND_EVENTS = "INSERT INTO events (node_id, seq, kind, item_id, publisher, payload, published_at_ms,
             recipients_version, due_after_seq, origin)
         SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6,
                value ->> 7, value ->> 8, value ->> 9
         FROM jsonb_each(?1)";
    RECORD_BATCH = "INSERT INTO batches (batch_id, committed_at_ms) VALUES (?1, ?2)";
}

/// The texts of the statements that change and read what a transaction is about.
pub(crate) fn statement_texts() -> Vec<&'static str> {
    [
        associations::STATEMENTS,
        consumers::STATEMENTS,
        sources::STATEMENTS,
        epochs::STATEMENTS,
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

/// A write transaction: the writer, held until the end.
#[derive(Debug)]
pub(crate) struct SqliteTransaction {
    writer: OwnedMutexGuard<Writer>,
}

impl SqliteTransaction {
    pub(crate) async fn begin(writer: Arc<Mutex<Writer>>, level: CommitLevel) -> Result<Self, StoreError> {
        // Made before BEGIN is sent: a caller that gives up while it waits drops a transaction.
        let mut transaction = Self { writer: writer.lock_owned().await };
        transaction.writer.begin(level).await?;
        Ok(transaction)
    }

    pub(crate) async fn commit_write(mut self) -> Result<(), StoreError> {
        self.writer.commit().await
    }

    pub(crate) async fn execute(&mut self, query: SqliteQuery<'_>) -> Result<u64, StoreError> {
        let done = query.execute(self.writer.connection()).await.map_err(store_error)?;
        Ok(done.rows_affected())
    }

    pub(crate) async fn fetch_all(&mut self, query: SqliteQuery<'_>) -> Result<Vec<SqliteRow>, StoreError> {
        query.fetch_all(self.writer.connection()).await.map_err(store_error)
    }
}

#[async_trait]
impl Transaction for SqliteTransaction {
    /// `BEGIN IMMEDIATE` has locked the whole file.
    async fn lock_heads(&mut self, nodes: &[NodeId], _mode: LockMode) -> Result<Vec<NodeId>, StoreError> {
        Ok(nodes.to_vec())
    }

    async fn advance_heads(&mut self, advances: &[HeadAdvance]) -> Result<Vec<HeadAfter>, StoreError> {
        heads::advance(self, advances).await
    }

    async fn head_seqs(&mut self, nodes: &[NodeId]) -> Result<Vec<(NodeId, Seq)>, StoreError> {
        heads::seqs(self, nodes).await
    }

    async fn append_events(&mut self, events: &[(NodeId, Event)]) -> Result<(), StoreError> {
        if events.iter().any(|(_, event)| event.kind.payload().is_some()) {
            self.writer.begin_publish().await?;
        }
        let batch = array(events.iter().map(|(node, event)| event_values(*node, event)));
        self.execute(query(APPEND_EVENTS).bind(batch)).await?;
        Ok(())
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
        _mode: LockMode,
    ) -> Result<Vec<(UsageKey, u64)>, StoreError> {
        usage::read(self, keys).await
    }

    async fn move_usage(&mut self, moves: &[(UsageKey, i64)]) -> Result<(), StoreError> {
        usage::move_by(self, moves).await
    }

    async fn record_batch(&mut self, id: BatchId, committed_at_ms: i64) -> Result<(), StoreError> {
        let query = query(RECORD_BATCH).bind(id.0.to_vec()).bind(committed_at_ms);
        self.execute(query).await?;
        Ok(())
    }

    async fn renew_epochs(&mut self, renewals: &[EpochRenewal]) -> Result<Vec<RenewedHead>, StoreError> {
        epochs::renew(self, renewals).await
    }

    async fn commit(self: Box<Self>) -> Result<(), StoreError> {
        self.commit_write().await
    }
}

impl Drop for SqliteTransaction {
    fn drop(&mut self) {
        self.writer.abandon();
    }
}

/// A batch as one JSON parameter: a statement over it beats a loop of single inserts threefold. `jsonb_each` hands its rows out as
/// they are parsed; `json_each` would write each of them as text again, to be parsed for each column: twice the work.
fn array(values: impl Iterator<Item = impl Serialize>) -> String {
    /// About what a row with a short payload takes.
    const ROW_BYTES: usize = 256;
    let mut array = Vec::with_capacity(values.size_hint().0.saturating_mul(ROW_BYTES).max(ROW_BYTES));
    serde_json::Serializer::new(&mut array)
        .collect_seq(values)
        .expect("what is bound has no maps, and memory takes every byte");
    String::from_utf8(array).expect("JSON is UTF-8")
}

/// Borrowed as far as it goes: of a publish this is the part that is written for each event.
fn event_values(node: NodeId, event: &Event) -> impl Serialize {
    (
        node.0,
        event.seq,
        rows::kind_number(&event.kind),
        event.kind.item_id().map(ItemId::as_str),
        event.publisher.as_str(),
        rows::content(&event.kind),
        event.published_at_ms,
        event.recipients_version,
        event.due_after_seq,
        rows::stored_origin(event),
    )
}
