use bus_domain::{NodeId, Seq, SubscriptionId};
use bus_store::{HeadAdvance, HeadAfter, StoreError};
use serde_json::json;
use sqlx::sqlite::SqliteRow;

use super::{SqliteTransaction, array};
use crate::rows;
use crate::statement::{query, statements};

statements! {
    // All heads of a batch. The expressions on the right see the values from before.
    pub(crate) ADVANCE = "UPDATE heads SET
             due_before_seq = last_due_seq,
             last_due_seq = iif(a.last_due > 0, seq + a.last_due, last_due_seq),
             seq = seq + a.events,
             log_bytes = log_bytes + a.payload_bytes,
             item_count = iif(a.purge, 0, item_count) + a.items,
             purged_through_seq = iif(a.purge, seq + a.events, purged_through_seq),
             rules_version = rules_version + a.rules_change,
             recipients_version = recipients_version + a.recipients_change,
             last_subscription_id = last_subscription_id + a.new_subscriptions,
             subscription_count = subscription_count + a.new_subscriptions - a.ended_subscriptions
         FROM (SELECT value ->> 0 AS node, value ->> 1 AS version, value ->> 2 AS events, value ->> 3 AS last_due,
                      value ->> 4 AS items, value ->> 5 AS rules_change, value ->> 6 AS recipients_change,
                      value ->> 7 AS new_subscriptions, value ->> 8 AS ended_subscriptions,
                      value ->> 9 AS payload_bytes, value ->> 10 AS purge
               FROM jsonb_each(?1)) a
         WHERE heads.node_id = a.node AND heads.rules_version = a.version
         RETURNING node_id, seq, due_before_seq, rules_version, recipients_version, item_count, last_subscription_id";
    SEQS = "SELECT node_id, seq FROM heads WHERE node_id IN (SELECT value FROM jsonb_each(?1))";
}

pub(super) async fn seqs(
    transaction: &mut SqliteTransaction,
    nodes: &[NodeId],
) -> Result<Vec<(NodeId, Seq)>, StoreError> {
    let found =
        transaction.fetch_all(query(SEQS).bind(array(nodes.iter().map(|node| json!(node.0))))).await?;
    found
        .iter()
        .map(|row| Ok((NodeId(rows::integer(row, "node_id")?), rows::unsigned(row, "seq")?)))
        .collect()
}

pub(super) async fn advance(
    transaction: &mut SqliteTransaction,
    advances: &[HeadAdvance],
) -> Result<Vec<HeadAfter>, StoreError> {
    let query = query(ADVANCE).bind(array(advances.iter().map(values)));
    transaction.fetch_all(query).await?.iter().map(head_after).collect()
}

fn values(advance: &HeadAdvance) -> serde_json::Value {
    json!([
        advance.node.0,
        advance.rules_version,
        advance.events,
        advance.last_due_event,
        advance.items,
        u8::from(advance.rules_change),
        u8::from(advance.recipients_change),
        advance.new_subscriptions,
        advance.ended_subscriptions,
        advance.payload_bytes,
        u8::from(advance.purge),
    ])
}

fn head_after(row: &SqliteRow) -> Result<HeadAfter, StoreError> {
    Ok(HeadAfter {
        node: NodeId(rows::integer(row, "node_id")?),
        seq: rows::unsigned(row, "seq")?,
        due_before_seq: rows::unsigned(row, "due_before_seq")?,
        rules_version: rows::unsigned(row, "rules_version")?,
        recipients_version: rows::unsigned(row, "recipients_version")?,
        item_count: rows::unsigned(row, "item_count")?,
        last_subscription: SubscriptionId(rows::integer(row, "last_subscription_id")?),
    })
}
