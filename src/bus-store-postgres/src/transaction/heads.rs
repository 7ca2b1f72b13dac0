use bus_domain::{NodeId, Seq, SubscriptionId};
use bus_store::{HeadAdvance, HeadAfter, StoreError};
use sqlx::postgres::PgRow;

use super::PostgresTransaction;
use crate::error::{is_lock_timeout, store_error};
use crate::rows::{self, signed};
use crate::statement::{query, statements};

statements! {
    // A node that is gone counts as locked, so that the caller learns of it from `advance_heads`.
    LOCK_FREE = "WITH locked AS MATERIALIZED
             (SELECT node_id FROM heads WHERE node_id = ANY($1) ORDER BY node_id FOR UPDATE SKIP LOCKED)
         SELECT node_id FROM locked
         UNION ALL
         SELECT node_id FROM unnest($1) AS a (node_id)
         WHERE NOT EXISTS (SELECT 1 FROM heads WHERE heads.node_id = a.node_id)";
    LOCK_WAITING = "SELECT node_id FROM heads WHERE node_id = ANY($1) ORDER BY node_id FOR UPDATE";
    BEFORE_WAITING = "SAVEPOINT before_waiting";
    UNDO_WAITING = "ROLLBACK TO SAVEPOINT before_waiting";
    // All heads of a batch. The expressions on the right see the values from before.
    ADVANCE = "UPDATE heads h SET
             due_before_seq = h.last_due_seq,
             last_due_seq = CASE WHEN a.last_due > 0 THEN h.seq + a.last_due ELSE h.last_due_seq END,
             seq = h.seq + a.events,
             log_bytes = h.log_bytes + a.payload_bytes,
             item_count = CASE WHEN a.purge THEN 0 ELSE h.item_count END + a.items,
             purged_through_seq = CASE WHEN a.purge THEN h.seq + a.events ELSE h.purged_through_seq END,
             rules_version = h.rules_version + a.rules_change,
             recipients_version = h.recipients_version + a.recipients_change,
             last_subscription_id = h.last_subscription_id + a.new_subscriptions,
             subscription_count = h.subscription_count + a.new_subscriptions - a.ended_subscriptions
         FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[],
                     $8::bigint[], $9::bigint[], $10::bigint[], $11::boolean[])
              AS a (node_id, version, events, last_due, items, rules_change, recipients_change, new_subscriptions,
                    ended_subscriptions, payload_bytes, purge)
         WHERE h.node_id = a.node_id AND h.rules_version = a.version
         RETURNING h.node_id, h.seq, h.due_before_seq, h.rules_version, h.recipients_version, h.item_count,
                   h.last_subscription_id";
    SEQS = "SELECT node_id, seq FROM heads WHERE node_id = ANY($1)";
}

pub(super) async fn seqs(
    transaction: &mut PostgresTransaction,
    nodes: &[NodeId],
) -> Result<Vec<(NodeId, Seq)>, StoreError> {
    let found = transaction.fetch_all(query(SEQS).bind(rows::numbers(nodes))).await?;
    found.iter().map(|row| Ok((node_id(row)?, rows::unsigned(row, "seq")?))).collect()
}

/// Takes the locks that nobody holds.
pub(super) async fn lock_free(
    transaction: &mut PostgresTransaction,
    nodes: &[NodeId],
) -> Result<Vec<NodeId>, StoreError> {
    let locked = transaction.fetch_all(query(LOCK_FREE).bind(rows::numbers(nodes))).await?;
    let mut locked: Vec<NodeId> = locked.iter().map(node_id).collect::<Result<_, _>>()?;
    locked.sort_unstable();
    Ok(locked)
}

/// Waits for all locks; none is taken if that lasts too long.
pub(super) async fn lock_waiting(
    transaction: &mut PostgresTransaction,
    nodes: &[NodeId],
) -> Result<Vec<NodeId>, StoreError> {
    transaction.execute(query(BEFORE_WAITING)).await?;
    match transaction.session.try_fetch_all(query(LOCK_WAITING).bind(rows::numbers(nodes))).await {
        Ok(_) => Ok(nodes.to_vec()),
        Err(error) if is_lock_timeout(&error) => {
            transaction.execute(query(UNDO_WAITING)).await?;
            Ok(Vec::new())
        }
        Err(error) => {
            transaction.has_failed = true;
            Err(store_error(error))
        }
    }
}

pub(super) async fn advance(
    transaction: &mut PostgresTransaction,
    advances: &[HeadAdvance],
) -> Result<Vec<HeadAfter>, StoreError> {
    let query = query(ADVANCE)
        .bind(column(advances, |advance| advance.node.0))
        .bind(column(advances, |advance| signed(advance.rules_version)))
        .bind(column(advances, |advance| signed(advance.events)))
        .bind(column(advances, |advance| signed(advance.last_due_event)))
        .bind(column(advances, |advance| signed(advance.items)))
        .bind(column(advances, |advance| i64::from(advance.rules_change)))
        .bind(column(advances, |advance| i64::from(advance.recipients_change)))
        .bind(column(advances, |advance| signed(advance.new_subscriptions)))
        .bind(column(advances, |advance| signed(advance.ended_subscriptions)))
        .bind(column(advances, |advance| signed(advance.payload_bytes)))
        .bind(column(advances, |advance| advance.purge));
    transaction.fetch_all(query).await?.iter().map(head_after).collect()
}

fn column<T>(advances: &[HeadAdvance], value: impl Fn(&HeadAdvance) -> T) -> Vec<T> {
    advances.iter().map(value).collect()
}

fn node_id(row: &PgRow) -> Result<NodeId, StoreError> {
    Ok(NodeId(rows::integer(row, "node_id")?))
}

fn head_after(row: &PgRow) -> Result<HeadAfter, StoreError> {
    Ok(HeadAfter {
        node: node_id(row)?,
        seq: rows::unsigned(row, "seq")?,
        due_before_seq: rows::unsigned(row, "due_before_seq")?,
        rules_version: rows::unsigned(row, "rules_version")?,
        recipients_version: rows::unsigned(row, "recipients_version")?,
        item_count: rows::unsigned(row, "item_count")?,
        last_subscription: SubscriptionId(rows::integer(row, "last_subscription_id")?),
    })
}
