use std::collections::HashSet;

use async_trait::async_trait;
use bus_domain::{NodeId, SubscriptionId};
use bus_store::{
    CommitLevel, DeliveryTarget, FailureNote, LaggingRow, LaggingStore, Leg, Recipient, StoreError,
    SubscriptionKey,
};
use serde_json::{Value, json};
use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;

use crate::error::store_error;
use crate::rows::signed;
use crate::statement::{query, statements};
use crate::{SqliteStore, rows};

statements! {
    PAGE = "SELECT l.node_id, l.subscription_id, h.epoch, l.seq, l.attempts, l.due_at_ms
         FROM lagging l JOIN heads h USING (node_id)
         WHERE l.leg = ?1 AND (l.node_id, l.subscription_id) > (?2, ?3)
         ORDER BY l.node_id, l.subscription_id LIMIT ?4";
    pub(crate) TARGETS = "SELECT n.node_id, n.name, n.config,
                h.epoch, h.seq, h.trimmed_through_seq, h.rules_version, h.recipients_version,
                s.subscription_id, s.jid, s.state, s.since_seq, s.sub_id, s.options, s.expires_at_ms, s.failing_since_ms, s.failed_seq, a.affiliation
         FROM jsonb_each(?1) k
         JOIN subscriptions s ON s.node_id = k.value ->> 0 AND s.subscription_id = k.value ->> 1
         JOIN heads h ON h.node_id = s.node_id
         JOIN nodes n ON n.node_id = s.node_id
         LEFT JOIN affiliations a ON a.node_id = s.node_id AND a.jid = s.bare_jid
         WHERE s.parked_at_ms IS NULL";
    // The rows are added by what comes back, so that both happen on the same condition.
    pub(crate) NOTE = "UPDATE subscriptions SET failing_since_ms = k.value ->> 4, failed_seq = k.value ->> 5
         FROM jsonb_each(?1) k
         WHERE node_id = k.value ->> 0 AND subscription_id = k.value ->> 1 AND parked_at_ms IS NULL
           AND failing_since_ms IS (k.value ->> 2) AND failed_seq IS (k.value ->> 3)
         RETURNING node_id, subscription_id";
    pub(crate) ADD = "INSERT INTO lagging (node_id, leg, subscription_id, seq, attempts, due_at_ms)
         SELECT h.node_id, ?1, k.value ->> 1,
                CASE WHEN h.epoch = k.value ->> 5 THEN k.value ->> 2 ELSE min(k.value ->> 2, coalesce(c.seq, 0)) END,
                k.value ->> 3, k.value ->> 4
         FROM jsonb_each(?2) k JOIN heads h ON h.node_id = k.value ->> 0
         LEFT JOIN cursors c ON c.node_id = h.node_id AND c.leg = ?1 WHERE true
         ON CONFLICT (node_id, subscription_id, leg) DO UPDATE
         SET seq = excluded.seq, attempts = excluded.attempts, due_at_ms = excluded.due_at_ms";
    pub(crate) BEGIN = "INSERT INTO lagging (node_id, leg, subscription_id, seq, attempts, due_at_ms)
         SELECT h.node_id, ?1, s.subscription_id,
                CASE WHEN h.epoch = k.value ->> 5 THEN k.value ->> 2 ELSE min(k.value ->> 2, coalesce(c.seq, 0)) END,
                k.value ->> 3, k.value ->> 4
         FROM jsonb_each(?2) k JOIN heads h ON h.node_id = k.value ->> 0
         JOIN subscriptions s ON s.node_id = h.node_id AND s.subscription_id = k.value ->> 1 AND s.parked_at_ms IS NULL
         LEFT JOIN cursors c ON c.node_id = h.node_id AND c.leg = ?1 WHERE true
         ON CONFLICT (node_id, subscription_id, leg) DO NOTHING";
    pub(crate) MOVE = "UPDATE lagging
         SET seq = k.value ->> 2, attempts = k.value ->> 3, due_at_ms = k.value ->> 4
         FROM jsonb_each(?2) k JOIN heads h ON h.node_id = k.value ->> 0 AND h.epoch = k.value ->> 5
         WHERE lagging.node_id = h.node_id AND lagging.subscription_id = k.value ->> 1 AND leg = ?1";
    pub(crate) END = "DELETE FROM lagging
         WHERE (node_id, subscription_id, leg) IN (SELECT value ->> 0, value ->> 1, ?1 FROM jsonb_each(?2))";
    // What was taken has ended the failures before it. Of those who have ended, some have ended otherwise: they are
    // parked, or gone.
    CLEAR = "UPDATE subscriptions SET failing_since_ms = NULL, failed_seq = NULL
         FROM jsonb_each(?1) k
         WHERE node_id = k.value ->> 0 AND subscription_id = k.value ->> 1 AND parked_at_ms IS NULL
           AND failed_seq <= coalesce(k.value ->> 2, failed_seq)";
    COUNT_PARKED = "SELECT count(*) FROM subscriptions WHERE parked_at_ms IS NOT NULL";
}

#[async_trait]
impl LaggingStore for SqliteStore {
    async fn lagging(
        &self,
        leg: Leg,
        after: Option<SubscriptionKey>,
        rows_max: u32,
    ) -> Result<Vec<LaggingRow>, StoreError> {
        let after = after.map_or((i64::MIN, i64::MIN), |key| (key.node.0, key.subscription.0));
        query(PAGE)
            .bind(leg.as_str())
            .bind(after.0)
            .bind(after.1)
            .bind(i64::from(rows_max))
            .fetch_all(&self.readers)
            .await
            .map_err(store_error)?
            .iter()
            .map(lagging_row)
            .collect()
    }

    async fn delivery_targets(
        &self,
        subscriptions: &[SubscriptionKey],
    ) -> Result<Vec<DeliveryTarget>, StoreError> {
        let keys = array(subscriptions.iter().map(key_values));
        let found = query(TARGETS).bind(keys).fetch_all(&self.readers).await.map_err(store_error)?;
        Ok(found.iter().filter_map(readable_target).collect())
    }

    async fn note_failures(&self, leg: Leg, notes: &[FailureNote]) -> Result<(), StoreError> {
        let mut transaction = self.begin_write(CommitLevel::Fsync).await?;
        let note = query(NOTE).bind(array(notes.iter().map(note_values)));
        let changed = transaction.fetch_all(note).await?;
        let changed = changed.iter().map(key).collect::<Result<HashSet<_>, _>>()?;
        let added = notes.iter().filter_map(|note| note.lagging).filter(|row| changed.contains(&row.key));
        let added = array(added.map(|row| row_values(&row)));
        transaction.execute(query(ADD).bind(leg.as_str()).bind(added)).await?;
        transaction.commit_write().await
    }

    async fn begin_lagging(&self, leg: Leg, rows: &[LaggingRow]) -> Result<(), StoreError> {
        let mut transaction = self.begin_write(CommitLevel::Fsync).await?;
        let rows = array(rows.iter().map(row_values));
        transaction.execute(query(BEGIN).bind(leg.as_str()).bind(rows)).await?;
        transaction.commit_write().await
    }

    async fn move_lagging(
        &self,
        leg: Leg,
        moves: &[LaggingRow],
        ended: &[SubscriptionKey],
    ) -> Result<(), StoreError> {
        let mut transaction = self.begin_write(CommitLevel::Fsync).await?;
        let taken = moves.iter().filter(|row| row.attempts == 0).map(taken_values);
        let taken = array(taken.chain(ended.iter().map(key_values)));
        transaction.execute(query(CLEAR).bind(taken)).await?;
        let moves = array(moves.iter().map(row_values));
        transaction.execute(query(MOVE).bind(leg.as_str()).bind(moves)).await?;
        let ended = array(ended.iter().map(key_values));
        transaction.execute(query(END).bind(leg.as_str()).bind(ended)).await?;
        transaction.commit_write().await
    }

    async fn count_parked(&self) -> Result<u64, StoreError> {
        let row = query(COUNT_PARKED).fetch_one(&self.readers).await.map_err(store_error)?;
        let count: i64 = row.try_get(0).map_err(store_error)?;
        Ok(count.unsigned_abs())
    }
}

fn array(values: impl Iterator<Item = Value>) -> String {
    Value::Array(values.collect()).to_string()
}

fn key_values(key: &SubscriptionKey) -> Value {
    json!([key.node.0, key.subscription.0])
}

fn taken_values(row: &LaggingRow) -> Value {
    json!([row.key.node.0, row.key.subscription.0, signed(row.through_seq)])
}

fn row_values(row: &LaggingRow) -> Value {
    let LaggingRow { key, epoch, through_seq, attempts, due_at_ms } = row;
    let epoch = epoch.0.cast_signed();
    json!([key.node.0, key.subscription.0, signed(*through_seq), attempts, due_at_ms, epoch])
}

fn note_values(note: &FailureNote) -> Value {
    let FailureNote { key, seen, now, .. } = note;
    let seen_since_ms = seen.map(|failures| failures.since_ms);
    let seen_through_seq = seen.map(|failures| signed(failures.through_seq));
    json!([
        key.node.0,
        key.subscription.0,
        seen_since_ms,
        seen_through_seq,
        now.since_ms,
        signed(now.through_seq)
    ])
}

fn key(row: &SqliteRow) -> Result<SubscriptionKey, StoreError> {
    let node = NodeId(rows::integer(row, "node_id")?);
    Ok(SubscriptionKey { node, subscription: SubscriptionId(rows::integer(row, "subscription_id")?) })
}

fn lagging_row(row: &SqliteRow) -> Result<LaggingRow, StoreError> {
    Ok(LaggingRow {
        key: key(row)?,
        epoch: rows::epoch(row)?,
        through_seq: rows::unsigned(row, "seq")?,
        attempts: u32::try_from(rows::integer(row, "attempts")?).unwrap_or_default(),
        due_at_ms: rows::integer(row, "due_at_ms")?,
    })
}

/// One broken node must not keep all others from their retries.
fn readable_target(row: &SqliteRow) -> Option<DeliveryTarget> {
    target(row).inspect_err(|error| tracing::error!(%error, "a subscription cannot be read")).ok()
}

fn target(row: &SqliteRow) -> Result<DeliveryTarget, StoreError> {
    Ok(DeliveryTarget {
        node: NodeId(rows::integer(row, "node_id")?),
        name: rows::node_name(row)?,
        config: rows::node_config(row)?,
        head: rows::head(row)?,
        recipient: Recipient { subscription: rows::subscription(row)?, affiliation: rows::affiliation(row)? },
        failures: rows::failures(row)?,
    })
}
