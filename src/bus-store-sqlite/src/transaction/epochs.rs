use bus_domain::NodeId;
use bus_store::{EpochRenewal, RenewedHead, StoreError};
use serde_json::json;
use sqlx::sqlite::SqliteRow;

use super::{SqliteTransaction, array};
use crate::rows;
use crate::statement::{Statement, query, statements};

statements! {
    pub(crate) RENEW = "UPDATE heads SET
             epoch = r.epoch, rules_version = rules_version + 1, recipients_version = recipients_version + 1
         FROM (SELECT value ->> 0 AS node, value ->> 1 AS epoch FROM jsonb_each(?1)) r
         WHERE heads.node_id = r.node
         RETURNING node_id, rules_version, recipients_version";
    SET_BACK_CURSORS = "UPDATE cursors SET seq = r.last, subscription_id = 0
         FROM (SELECT h.node_id AS node, min(h.seq, value ->> 2) AS last
               FROM jsonb_each(?1) JOIN heads h ON h.node_id = value ->> 0) r
         WHERE cursors.node_id = r.node AND (cursors.seq, cursors.subscription_id) > (r.last, 0)";
    SET_BACK_LAGGING = "UPDATE lagging SET seq = r.last
         FROM (SELECT h.node_id AS node, min(h.seq, value ->> 2) AS last
               FROM jsonb_each(?1) JOIN heads h ON h.node_id = value ->> 0) r
         WHERE lagging.node_id = r.node AND lagging.seq > r.last";
    SET_BACK_SUBSCRIPTIONS = "UPDATE subscriptions SET since_seq = r.last
         FROM (SELECT h.node_id AS node, min(h.seq, value ->> 2) AS last
               FROM jsonb_each(?1) JOIN heads h ON h.node_id = value ->> 0) r
         WHERE subscriptions.node_id = r.node AND subscriptions.since_seq > r.last";
    SET_BACK_FEEDS = "UPDATE associations SET
             through_seq = min(through_seq, r.last), ends_at_seq = min(ends_at_seq, r.last)
         FROM (SELECT h.node_id AS node, min(h.seq, value ->> 2) AS last
               FROM jsonb_each(?1) JOIN heads h ON h.node_id = value ->> 0) r
         WHERE associations.child_id = r.node AND max(through_seq, coalesce(ends_at_seq, 0)) > r.last";
    SET_BACK_CONSUMERS = "UPDATE consumer_cursors SET seq = r.last
         FROM (SELECT h.node_id AS node, min(h.seq, value ->> 2) AS last
               FROM jsonb_each(?1) JOIN heads h ON h.node_id = value ->> 0) r
         WHERE consumer_cursors.node_id = r.node AND consumer_cursors.seq > r.last";
    FORGET_DELIVERIES = "DELETE FROM consumer_deliveries WHERE (node_id, seq, consumer_id) IN
         (SELECT d.node_id, d.seq, d.consumer_id
          FROM jsonb_each(?1) JOIN heads h ON h.node_id = value ->> 0
          JOIN consumer_deliveries d ON d.node_id = h.node_id AND d.seq > min(h.seq, value ->> 2))";
}

/// Set back what lies beyond the end of the old life.
pub(crate) const SET_BACK: [Statement; 6] = [
    SET_BACK_CURSORS,
    SET_BACK_LAGGING,
    SET_BACK_SUBSCRIPTIONS,
    SET_BACK_FEEDS,
    SET_BACK_CONSUMERS,
    FORGET_DELIVERIES,
];

pub(super) async fn renew(
    transaction: &mut SqliteTransaction,
    renewals: &[EpochRenewal],
) -> Result<Vec<RenewedHead>, StoreError> {
    let batch = array(renewals.iter().map(|renewal| {
        json!([renewal.node.0, renewal.epoch.0.cast_signed(), rows::signed(renewal.last_seq)])
    }));
    let renewed = transaction.fetch_all(query(RENEW).bind(batch.clone())).await?;
    for statement in SET_BACK {
        transaction.execute(query(statement).bind(batch.clone())).await?;
    }
    renewed.iter().map(renewed_head).collect()
}

fn renewed_head(row: &SqliteRow) -> Result<RenewedHead, StoreError> {
    Ok(RenewedHead {
        node: NodeId(rows::integer(row, "node_id")?),
        rules_version: rows::unsigned(row, "rules_version")?,
        recipients_version: rows::unsigned(row, "recipients_version")?,
    })
}
