use async_trait::async_trait;
use bus_domain::{NodeId, SubscriptionId};
use bus_store::{CursorMove, CursorStore, Leg, Position, StoreError, Undelivered};
use serde_json::json;
use sqlx::sqlite::SqliteRow;

use crate::error::store_error;
use crate::rows::signed;
use crate::writer::Writer;
use crate::{SqliteStore, rows};

/// The tables that hold rows of a node, in an order in which they can be emptied; the node itself goes last.
const REAP_STATEMENTS: [&str; 7] = [
    "DELETE FROM items WHERE (node_id, item_id) IN (SELECT node_id, item_id FROM items WHERE node_id = ?1 LIMIT ?2)",
    "DELETE FROM events WHERE rowid IN (SELECT rowid FROM events WHERE node_id = ?1 LIMIT ?2)",
    "DELETE FROM subscriptions WHERE (node_id, subscription_id) IN
         (SELECT node_id, subscription_id FROM subscriptions WHERE node_id = ?1 LIMIT ?2)",
    "DELETE FROM affiliations WHERE (node_id, jid) IN
         (SELECT node_id, jid FROM affiliations WHERE node_id = ?1 LIMIT ?2)",
    "DELETE FROM lagging WHERE (node_id, subscription_id, leg) IN
         (SELECT node_id, subscription_id, leg FROM lagging WHERE node_id = ?1 LIMIT ?2)",
    "DELETE FROM idempotency_keys WHERE (node_id, principal, key) IN
         (SELECT node_id, principal, key FROM idempotency_keys WHERE node_id = ?1 LIMIT ?2)",
    "DELETE FROM cursors WHERE node_id = ?1 AND ?2 > 0",
];

#[async_trait]
impl CursorStore for SqliteStore {
    async fn undelivered(
        &self,
        leg: Leg,
        after: Option<NodeId>,
        nodes_max: u32,
    ) -> Result<Vec<Undelivered>, StoreError> {
        sqlx::query(
            "SELECT n.node_id, n.name, n.config,
                    h.epoch, h.seq, h.trimmed_through_seq, h.rules_version, h.recipients_version,
                    coalesce(c.seq, 0) AS through_seq, coalesce(c.subscription_id, 0) AS through_subscription
             FROM heads h JOIN nodes n USING (node_id)
             LEFT JOIN cursors c ON c.node_id = h.node_id AND c.leg = ?1
             WHERE h.node_id > ?2 AND h.seq > coalesce(c.seq, 0)
             ORDER BY h.node_id LIMIT ?3",
        )
        .bind(leg.as_str())
        .bind(after.map_or(0, |node| node.0))
        .bind(i64::from(nodes_max))
        .fetch_all(&self.readers)
        .await
        .map_err(store_error)?
        .iter()
        .map(undelivered)
        .collect()
    }

    async fn move_cursors(&self, leg: Leg, moves: &[CursorMove]) -> Result<(), StoreError> {
        let rows: Vec<_> = moves
            .iter()
            .map(|step| json!([step.node.0, signed(step.to.through_seq), step.to.through_subscription.0]))
            .collect();
        let mut writer = self.writer.lock().await;
        writer.begin().await?;
        // The join drops moves of nodes that have been reaped meanwhile.
        sqlx::query(
            "INSERT INTO cursors (node_id, leg, seq, subscription_id)
             SELECT h.node_id, ?1, m.value ->> 1, m.value ->> 2
             FROM json_each(?2) m JOIN heads h ON h.node_id = m.value ->> 0 WHERE true
             ON CONFLICT (node_id, leg) DO UPDATE SET seq = excluded.seq, subscription_id = excluded.subscription_id
             WHERE (excluded.seq, excluded.subscription_id) > (cursors.seq, cursors.subscription_id)",
        )
        .bind(leg.as_str())
        .bind(serde_json::Value::Array(rows).to_string())
        .execute(writer.connection())
        .await
        .map_err(store_error)?;
        writer.commit().await
    }

    async fn reap_deleted(&self, rows_max: u32) -> Result<u64, StoreError> {
        let mut writer = self.writer.lock().await;
        writer.begin().await?;
        let node = sqlx::query(
            "SELECT n.node_id FROM nodes n JOIN heads h USING (node_id)
             LEFT JOIN cursors c ON c.node_id = n.node_id AND c.leg = 'xmpp'
             WHERE n.deleted_at_ms IS NOT NULL AND coalesce(c.seq, 0) >= h.seq LIMIT 1",
        )
        .fetch_optional(writer.connection())
        .await
        .map_err(store_error)?;
        let reaped = match node {
            None => 0,
            Some(row) => reap_node(&mut writer, rows::integer(&row, "node_id")?, rows_max).await?,
        };
        writer.commit().await?;
        Ok(reaped)
    }
}

/// One bounded step: rows of one table after the other, and the node's own rows once all others are gone.
async fn reap_node(writer: &mut Writer, node: i64, rows_max: u32) -> Result<u64, StoreError> {
    let mut left = u64::from(rows_max.max(1));
    for sql in REAP_STATEMENTS {
        left -= delete(writer, sql, node, left).await?;
        if left == 0 {
            return Ok(u64::from(rows_max));
        }
    }
    for sql in
        ["DELETE FROM heads WHERE node_id = ?1 AND ?2 > 0", "DELETE FROM nodes WHERE node_id = ?1 AND ?2 > 0"]
    {
        delete(writer, sql, node, left).await?;
    }
    Ok(u64::from(rows_max) - left + 1)
}

async fn delete(writer: &mut Writer, sql: &'static str, node: i64, rows_max: u64) -> Result<u64, StoreError> {
    let done = sqlx::query(sql)
        .bind(node)
        .bind(signed(rows_max))
        .execute(writer.connection())
        .await
        .map_err(store_error)?;
    Ok(done.rows_affected().min(rows_max))
}

fn undelivered(row: &SqliteRow) -> Result<Undelivered, StoreError> {
    Ok(Undelivered {
        node: NodeId(rows::integer(row, "node_id")?),
        name: rows::node_name(row)?,
        config: rows::node_config(row)?,
        head: rows::head(row)?,
        position: Position {
            through_seq: rows::unsigned(row, "through_seq")?,
            through_subscription: SubscriptionId(rows::integer(row, "through_subscription")?),
        },
    })
}
