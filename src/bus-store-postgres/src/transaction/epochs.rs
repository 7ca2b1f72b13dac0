use bus_domain::NodeId;
use bus_store::{EpochRenewal, RenewedHead, StoreError};
use sqlx::postgres::PgRow;

use super::PostgresTransaction;
use crate::rows::{self, signed};
use crate::statement::{Statement, query, statements};

statements! {
    RENEW = "UPDATE heads h SET
             epoch = r.epoch, rules_version = h.rules_version + 1, recipients_version = h.recipients_version + 1
         FROM unnest($1::bigint[], $2::bigint[]) AS r (node_id, epoch) WHERE h.node_id = r.node_id
         RETURNING h.node_id, h.rules_version, h.recipients_version";
    SET_BACK_CURSORS = "UPDATE cursors c SET seq = r.last, subscription_id = 0
         FROM (SELECT h.node_id, least(h.seq, a.last) AS last
               FROM unnest($1::bigint[], $2::bigint[]) AS a (node_id, last) JOIN heads h USING (node_id)) r
         WHERE c.node_id = r.node_id AND (c.seq, c.subscription_id) > (r.last, 0)";
    SET_BACK_LAGGING = "UPDATE lagging l SET seq = r.last
         FROM (SELECT h.node_id, least(h.seq, a.last) AS last
               FROM unnest($1::bigint[], $2::bigint[]) AS a (node_id, last) JOIN heads h USING (node_id)) r
         WHERE l.node_id = r.node_id AND l.seq > r.last";
    SET_BACK_SUBSCRIPTIONS = "UPDATE subscriptions s SET since_seq = r.last
         FROM (SELECT h.node_id, least(h.seq, a.last) AS last
               FROM unnest($1::bigint[], $2::bigint[]) AS a (node_id, last) JOIN heads h USING (node_id)) r
         WHERE s.node_id = r.node_id AND s.since_seq > r.last";
    SET_BACK_FEEDS = "UPDATE associations f SET
             through_seq = least(f.through_seq, r.last),
             ends_at_seq = CASE WHEN f.ends_at_seq IS NOT NULL THEN least(f.ends_at_seq, r.last) END
         FROM (SELECT h.node_id, least(h.seq, a.last) AS last
               FROM unnest($1::bigint[], $2::bigint[]) AS a (node_id, last) JOIN heads h USING (node_id)) r
         WHERE f.child_id = r.node_id AND greatest(f.through_seq, f.ends_at_seq) > r.last";
    SET_BACK_CONSUMERS = "UPDATE consumer_cursors c SET seq = r.last
         FROM (SELECT h.node_id, least(h.seq, a.last) AS last
               FROM unnest($1::bigint[], $2::bigint[]) AS a (node_id, last) JOIN heads h USING (node_id)) r
         WHERE c.node_id = r.node_id AND c.seq > r.last";
    FORGET_DELIVERIES = "DELETE FROM consumer_deliveries d
         USING (SELECT h.node_id, least(h.seq, a.last) AS last
                FROM unnest($1::bigint[], $2::bigint[]) AS a (node_id, last) JOIN heads h USING (node_id)) r
         WHERE d.node_id = r.node_id AND d.seq > r.last";
}

/// Set back what lies beyond the end of the old life.
const SET_BACK: [Statement; 6] = [
    SET_BACK_CURSORS,
    SET_BACK_LAGGING,
    SET_BACK_SUBSCRIPTIONS,
    SET_BACK_FEEDS,
    SET_BACK_CONSUMERS,
    FORGET_DELIVERIES,
];

pub(super) async fn renew(
    transaction: &mut PostgresTransaction,
    renewals: &[EpochRenewal],
) -> Result<Vec<RenewedHead>, StoreError> {
    let nodes = column(renewals, |renewal| renewal.node.0);
    let epochs = column(renewals, |renewal| renewal.epoch.0.cast_signed());
    let last = column(renewals, |renewal| signed(renewal.last_seq));
    let renewed = transaction.fetch_all(query(RENEW).bind(&nodes).bind(epochs)).await?;
    for statement in SET_BACK {
        transaction.execute(query(statement).bind(&nodes).bind(&last)).await?;
    }
    renewed.iter().map(renewed_head).collect()
}

fn column(renewals: &[EpochRenewal], value: impl Fn(&EpochRenewal) -> i64) -> Vec<i64> {
    renewals.iter().map(value).collect()
}

fn renewed_head(row: &PgRow) -> Result<RenewedHead, StoreError> {
    Ok(RenewedHead {
        node: NodeId(rows::integer(row, "node_id")?),
        rules_version: rows::unsigned(row, "rules_version")?,
        recipients_version: rows::unsigned(row, "recipients_version")?,
    })
}
