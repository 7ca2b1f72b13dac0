use std::collections::{BTreeMap, HashSet};

use async_trait::async_trait;
use bus_domain::{NodeId, SubscriptionId};
use bus_store::{
    CommitLevel, DeliveryTarget, FailureNote, LaggingRow, LaggingStore, Leg, Recipient, StoreError,
    SubscriptionKey,
};
use sqlx::postgres::PgRow;

use crate::rows::signed;
use crate::statement::{PgQuery, query, statements};
use crate::transaction::PostgresTransaction;
use crate::{PostgresStore, rows};

statements! {
    PAGE = "SELECT l.node_id, l.subscription_id, h.epoch, l.seq, l.attempts, l.due_at_ms
         FROM lagging l JOIN heads h USING (node_id)
         WHERE l.leg = $1 AND (l.node_id, l.subscription_id) > ($2, $3)
         ORDER BY l.node_id, l.subscription_id LIMIT $4";
    TARGETS = "SELECT n.node_id, n.name, n.config::text AS config,
                h.epoch, h.seq, h.trimmed_through_seq, h.rules_version, h.recipients_version,
                s.subscription_id, s.jid, s.state, s.since_seq, s.sub_id, s.options::text, s.expires_at_ms, s.failing_since_ms, s.failed_seq, a.affiliation
         FROM unnest($1::bigint[], $2::bigint[]) AS k (node_id, subscription_id)
         JOIN subscriptions s ON s.node_id = k.node_id AND s.subscription_id = k.subscription_id
         JOIN heads h ON h.node_id = s.node_id
         JOIN nodes n ON n.node_id = s.node_id
         LEFT JOIN affiliations a ON a.node_id = s.node_id AND a.jid = s.bare_jid
         WHERE s.parked_at_ms IS NULL";
    // Before the rows of their subscriptions, as commits do: so nobody waits for each other in a circle, and no
    // subscription ends between the note and its row.
    LOCK_HEADS = "SELECT 1 FROM heads WHERE node_id = ANY($1) ORDER BY node_id FOR UPDATE";
    // The rows are added by what comes back, so that both happen on the same condition.
    NOTE = "UPDATE subscriptions s SET failing_since_ms = k.since_ms, failed_seq = k.through_seq
         FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[])
              AS k (node_id, subscription_id, seen_since_ms, seen_through_seq, since_ms, through_seq)
         WHERE s.node_id = k.node_id AND s.subscription_id = k.subscription_id AND s.parked_at_ms IS NULL
           AND s.failing_since_ms IS NOT DISTINCT FROM k.seen_since_ms
           AND s.failed_seq IS NOT DISTINCT FROM k.seen_through_seq
         RETURNING s.node_id, s.subscription_id";
    ADD = "INSERT INTO lagging (leg, node_id, subscription_id, seq, attempts, due_at_ms)
         SELECT $1, k.node_id, k.subscription_id,
                CASE WHEN h.epoch = k.epoch THEN k.seq ELSE least(k.seq, coalesce(c.seq, 0)) END,
                k.attempts, k.due_at_ms
         FROM unnest($2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[])
              AS k (node_id, subscription_id, epoch, seq, attempts, due_at_ms)
         JOIN heads h ON h.node_id = k.node_id
         LEFT JOIN cursors c ON c.node_id = k.node_id AND c.leg = $1
         ON CONFLICT (node_id, subscription_id, leg) DO UPDATE
         SET seq = excluded.seq, attempts = excluded.attempts, due_at_ms = excluded.due_at_ms";
    BEGIN = "INSERT INTO lagging (leg, node_id, subscription_id, seq, attempts, due_at_ms)
         SELECT $1, s.node_id, s.subscription_id,
                CASE WHEN h.epoch = k.epoch THEN k.seq ELSE least(k.seq, coalesce(c.seq, 0)) END,
                k.attempts, k.due_at_ms
         FROM unnest($2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[])
              AS k (node_id, subscription_id, epoch, seq, attempts, due_at_ms)
         JOIN heads h ON h.node_id = k.node_id
         JOIN subscriptions s
              ON s.node_id = k.node_id AND s.subscription_id = k.subscription_id AND s.parked_at_ms IS NULL
         LEFT JOIN cursors c ON c.node_id = k.node_id AND c.leg = $1
         ON CONFLICT (node_id, subscription_id, leg) DO NOTHING";
    MOVE = "UPDATE lagging l SET seq = k.seq, attempts = k.attempts, due_at_ms = k.due_at_ms
         FROM unnest($2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[])
              AS k (node_id, subscription_id, epoch, seq, attempts, due_at_ms)
         JOIN heads h ON h.node_id = k.node_id AND h.epoch = k.epoch
         WHERE l.node_id = k.node_id AND l.subscription_id = k.subscription_id AND l.leg = $1";
    END = "DELETE FROM lagging l USING unnest($2::bigint[], $3::bigint[]) AS k (node_id, subscription_id)
         WHERE l.node_id = k.node_id AND l.subscription_id = k.subscription_id AND l.leg = $1";
    // What was taken has ended the failures before it. Of those who have ended, some have ended otherwise: they are
    // parked, or gone.
    CLEAR = "UPDATE subscriptions s SET failing_since_ms = NULL, failed_seq = NULL
         FROM unnest($1::bigint[], $2::bigint[], $3::bigint[]) AS k (node_id, subscription_id, seq)
         WHERE s.node_id = k.node_id AND s.subscription_id = k.subscription_id AND s.parked_at_ms IS NULL
           AND s.failed_seq <= coalesce(k.seq, s.failed_seq)";
    COUNT_PARKED = "SELECT count(*) AS parked FROM subscriptions WHERE parked_at_ms IS NOT NULL";
}

#[async_trait]
impl LaggingStore for PostgresStore {
    async fn lagging(
        &self,
        leg: Leg,
        after: Option<SubscriptionKey>,
        rows_max: u32,
    ) -> Result<Vec<LaggingRow>, StoreError> {
        let after = after.map_or((i64::MIN, i64::MIN), |key| (key.node.0, key.subscription.0));
        let query = query(PAGE).bind(leg.as_str()).bind(after.0).bind(after.1).bind(i64::from(rows_max));
        self.pool.session().await?.fetch_all(query).await?.iter().map(lagging_row).collect()
    }

    async fn delivery_targets(
        &self,
        subscriptions: &[SubscriptionKey],
    ) -> Result<Vec<DeliveryTarget>, StoreError> {
        let query = query(TARGETS)
            .bind(column(subscriptions, |key| key.node.0))
            .bind(column(subscriptions, |key| key.subscription.0));
        let found = self.pool.session().await?.fetch_all(query).await?;
        Ok(found.iter().filter_map(readable_target).collect())
    }

    async fn note_failures(&self, leg: Leg, notes: &[FailureNote]) -> Result<(), StoreError> {
        let mut transaction = self.begin_write(CommitLevel::Fsync).await?;
        lock_heads(&mut transaction, notes.iter().map(|note| note.key)).await?;
        let seen_seq = |note: &FailureNote| note.seen.map(|failures| signed(failures.through_seq));
        let query = query(NOTE)
            .bind(column(notes, |note| note.key.node.0))
            .bind(column(notes, |note| note.key.subscription.0))
            .bind(column(notes, |note| note.seen.map(|failures| failures.since_ms)))
            .bind(column(notes, seen_seq))
            .bind(column(notes, |note| note.now.since_ms))
            .bind(column(notes, |note| signed(note.now.through_seq)));
        let changed = transaction.fetch_all(query).await?;
        let changed = changed.iter().map(key).collect::<Result<HashSet<_>, _>>()?;
        add_rows(&mut transaction, leg, notes, &changed).await?;
        transaction.commit_write().await
    }

    async fn begin_lagging(&self, leg: Leg, rows: &[LaggingRow]) -> Result<(), StoreError> {
        let mut transaction = self.begin_write(CommitLevel::Fsync).await?;
        lock_heads(&mut transaction, rows.iter().map(|row| row.key)).await?;
        transaction.execute(with_rows(query(BEGIN).bind(leg.as_str()), rows)).await?;
        transaction.commit_write().await
    }

    async fn move_lagging(
        &self,
        leg: Leg,
        moves: &[LaggingRow],
        ended: &[SubscriptionKey],
    ) -> Result<(), StoreError> {
        let mut transaction = self.begin_write(CommitLevel::Fsync).await?;
        let keys = moves.iter().map(|row| row.key).chain(ended.iter().copied());
        lock_heads(&mut transaction, keys).await?;
        let taken =
            moves.iter().filter(|row| row.attempts == 0).map(|row| (row.key, Some(signed(row.through_seq))));
        let taken: Vec<_> = taken.chain(ended.iter().map(|key| (*key, None))).collect();
        let clear = query(CLEAR)
            .bind(column(&taken, |(key, _)| key.node.0))
            .bind(column(&taken, |(key, _)| key.subscription.0))
            .bind(column(&taken, |(_, seq)| *seq));
        transaction.execute(clear).await?;
        transaction.execute(with_rows(query(MOVE).bind(leg.as_str()), moves)).await?;
        let end = query(END)
            .bind(leg.as_str())
            .bind(column(ended, |key| key.node.0))
            .bind(column(ended, |key| key.subscription.0));
        transaction.execute(end).await?;
        transaction.commit_write().await
    }

    async fn count_parked(&self) -> Result<u64, StoreError> {
        rows::unsigned(&self.pool.session().await?.fetch_one(query(COUNT_PARKED)).await?, "parked")
    }
}

async fn lock_heads(
    transaction: &mut PostgresTransaction,
    keys: impl Iterator<Item = SubscriptionKey>,
) -> Result<(), StoreError> {
    let nodes: Vec<i64> = keys.map(|key| key.node.0).collect();
    transaction.fetch_all(query(LOCK_HEADS).bind(nodes)).await.map(drop)
}

/// Adds the rows of those notes that were taken.
async fn add_rows(
    transaction: &mut PostgresTransaction,
    leg: Leg,
    notes: &[FailureNote],
    changed: &HashSet<SubscriptionKey>,
) -> Result<(), StoreError> {
    let added = notes.iter().filter_map(|note| note.lagging).filter(|row| changed.contains(&row.key));
    // An upsert must not meet a row twice.
    let added: BTreeMap<_, _> = added.map(|row| (row.key, row)).collect();
    let added: Vec<LaggingRow> = added.into_values().collect();
    transaction.execute(with_rows(query(ADD).bind(leg.as_str()), &added)).await.map(drop)
}

fn with_rows<'q>(query: PgQuery<'q>, rows: &[LaggingRow]) -> PgQuery<'q> {
    query
        .bind(column(rows, |row| row.key.node.0))
        .bind(column(rows, |row| row.key.subscription.0))
        .bind(column(rows, |row| row.epoch.0.cast_signed()))
        .bind(column(rows, |row| signed(row.through_seq)))
        .bind(column(rows, |row| i64::from(row.attempts)))
        .bind(column(rows, |row| row.due_at_ms))
}

fn column<R, T>(rows: &[R], value: impl Fn(&R) -> T) -> Vec<T> {
    rows.iter().map(value).collect()
}

fn key(row: &PgRow) -> Result<SubscriptionKey, StoreError> {
    let node = NodeId(rows::integer(row, "node_id")?);
    Ok(SubscriptionKey { node, subscription: SubscriptionId(rows::integer(row, "subscription_id")?) })
}

fn lagging_row(row: &PgRow) -> Result<LaggingRow, StoreError> {
    Ok(LaggingRow {
        key: key(row)?,
        epoch: rows::epoch(row)?,
        through_seq: rows::unsigned(row, "seq")?,
        attempts: u32::try_from(rows::integer(row, "attempts")?).unwrap_or_default(),
        due_at_ms: rows::integer(row, "due_at_ms")?,
    })
}

/// One broken node must not keep all others from their retries.
fn readable_target(row: &PgRow) -> Option<DeliveryTarget> {
    target(row).inspect_err(|error| tracing::error!(%error, "a subscription cannot be read")).ok()
}

fn target(row: &PgRow) -> Result<DeliveryTarget, StoreError> {
    Ok(DeliveryTarget {
        node: NodeId(rows::integer(row, "node_id")?),
        name: rows::node_name(row)?,
        config: rows::node_config(row)?,
        head: rows::head(row)?,
        recipient: Recipient { subscription: rows::subscription(row)?, affiliation: rows::affiliation(row)? },
        failures: rows::failures(row)?,
    })
}
