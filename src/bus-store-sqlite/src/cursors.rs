use async_trait::async_trait;
use bus_domain::{NodeId, SubscriptionId};
use bus_store::{
    CommitLevel, CursorMove, CursorStore, Leg, Position, StoreError, Undelivered, UndeliveredPage,
};
use serde_json::json;
use sqlx::sqlite::SqliteRow;

use crate::error::store_error;
use crate::rows::signed;
use crate::statement::{Statement, query, statements};
use crate::transaction::{SqliteTransaction, usage};
use crate::{SqliteStore, rows};

statements! {
    UNDELIVERED = "SELECT n.node_id, n.name, n.config,
                h.epoch, h.seq, h.trimmed_through_seq, h.rules_version, h.recipients_version,
                coalesce(c.seq, 0) AS through_seq, coalesce(c.subscription_id, 0) AS through_subscription
         FROM heads h JOIN nodes n USING (node_id)
         LEFT JOIN cursors c ON c.node_id = h.node_id AND c.leg = ?1
         WHERE h.node_id > ?2 AND h.seq > coalesce(c.seq, 0)
         ORDER BY h.node_id LIMIT ?3";
    POSITIONS = "SELECT node_id, seq AS through_seq, subscription_id AS through_subscription
         FROM cursors WHERE leg = ?1 AND node_id IN (SELECT value FROM jsonb_each(?2))";
    // The join drops moves of nodes that have been reaped or have begun a new life meanwhile.
    pub(crate) MOVE = "INSERT INTO cursors (node_id, leg, seq, subscription_id)
         SELECT h.node_id, ?1, m.value ->> 1, m.value ->> 2
         FROM jsonb_each(?2) m
         JOIN heads h ON h.node_id = m.value ->> 0 AND h.epoch = coalesce(m.value ->> 3, h.epoch) WHERE true
         ON CONFLICT (node_id, leg) DO UPDATE SET seq = excluded.seq, subscription_id = excluded.subscription_id
         WHERE (excluded.seq, excluded.subscription_id) > (cursors.seq, cursors.subscription_id)";
    REAPABLE = "SELECT n.node_id FROM nodes n JOIN heads h USING (node_id)
         LEFT JOIN cursors c ON c.node_id = n.node_id AND c.leg = 'xmpp'
         WHERE n.deleted_at_ms IS NOT NULL AND coalesce(c.seq, 0) >= h.seq
           AND NOT EXISTS (SELECT 1 FROM lagging l WHERE l.node_id = n.node_id)
           AND NOT EXISTS (SELECT 1 FROM associations a WHERE a.child_id = n.node_id)
           AND NOT EXISTS (SELECT 1 FROM relations r WHERE r.target_id = n.node_id) LIMIT 1";
    REAP_ITEMS = "DELETE FROM items WHERE (node_id, item_id) IN
         (SELECT node_id, item_id FROM items WHERE node_id = ?1 LIMIT ?2)";
    REAP_EVENTS = "DELETE FROM events WHERE rowid IN (SELECT rowid FROM events WHERE node_id = ?1 LIMIT ?2)";
    pub(crate) REAP_SUBSCRIPTIONS = "DELETE FROM subscriptions WHERE (node_id, subscription_id) IN
         (SELECT node_id, subscription_id FROM subscriptions WHERE node_id = ?1 LIMIT ?2) RETURNING bare_jid";
    REAP_AFFILIATIONS = "DELETE FROM affiliations WHERE (node_id, jid) IN
         (SELECT node_id, jid FROM affiliations WHERE node_id = ?1 LIMIT ?2)";
    REAP_RETRACTED_PAYLOADS = "DELETE FROM retracted_payloads WHERE (node_id, retracted_at_seq, seq) IN
         (SELECT node_id, retracted_at_seq, seq FROM retracted_payloads WHERE node_id = ?1 LIMIT ?2)";
    REAP_IDEMPOTENCY_KEYS = "DELETE FROM idempotency_keys WHERE (node_id, principal, key) IN
         (SELECT node_id, principal, key FROM idempotency_keys WHERE node_id = ?1 LIMIT ?2)";
    REAP_CONSUMER_CURSORS = "DELETE FROM consumer_cursors WHERE (node_id, consumer_id) IN
         (SELECT node_id, consumer_id FROM consumer_cursors WHERE node_id = ?1 LIMIT ?2)";
    REAP_DELIVERIES = "DELETE FROM consumer_deliveries WHERE (node_id, seq, consumer_id) IN
         (SELECT node_id, seq, consumer_id FROM consumer_deliveries WHERE node_id = ?1 LIMIT ?2)";
    REAP_CURSORS = "DELETE FROM cursors WHERE node_id = ?1";
    REAP_HEAD = "DELETE FROM heads WHERE node_id = ?1";
    REAP_RELATION = "DELETE FROM relations WHERE node_id = ?1";
    REAP_NODE = "DELETE FROM nodes WHERE node_id = ?1";
}

/// Empties the tables that hold any number of a node's rows, but for its subscriptions, which somebody has.
pub(crate) const REAP_ROWS: [Statement; 7] = [
    REAP_ITEMS,
    REAP_EVENTS,
    REAP_AFFILIATIONS,
    REAP_RETRACTED_PAYLOADS,
    REAP_IDEMPOTENCY_KEYS,
    REAP_CONSUMER_CURSORS,
    REAP_DELIVERIES,
];

/// Ends a node in one step: without its cursor it would count as undelivered and never be looked at again.
pub(crate) const REAP_REST: [Statement; 4] = [REAP_CURSORS, REAP_RELATION, REAP_HEAD, REAP_NODE];

#[async_trait]
impl CursorStore for SqliteStore {
    async fn undelivered(
        &self,
        leg: Leg,
        after: Option<NodeId>,
        nodes_max: u32,
    ) -> Result<UndeliveredPage, StoreError> {
        let rows = query(UNDELIVERED)
            .bind(leg.as_str())
            .bind(after.map_or(0, |node| node.0))
            .bind(i64::from(nodes_max.max(1)))
            .fetch_all(&self.readers)
            .await
            .map_err(store_error)?;
        undelivered_page(&rows, nodes_max.max(1))
    }

    async fn positions(&self, leg: Leg, nodes: &[NodeId]) -> Result<Vec<(NodeId, Position)>, StoreError> {
        let nodes: Vec<i64> = nodes.iter().map(|node| node.0).collect();
        let rows = query(POSITIONS)
            .bind(leg.as_str())
            .bind(json!(nodes).to_string())
            .fetch_all(&self.readers)
            .await
            .map_err(store_error)?;
        rows.iter().map(|row| Ok((NodeId(rows::integer(row, "node_id")?), position(row)?))).collect()
    }

    async fn move_cursors(&self, leg: Leg, moves: &[CursorMove]) -> Result<(), StoreError> {
        let rows: Vec<_> = moves
            .iter()
            .map(|step| {
                let CursorMove { node, epoch, to } = step;
                let epoch = epoch.map(|epoch| epoch.0.cast_signed());
                json!([node.0, signed(to.through_seq), to.through_subscription.0, epoch])
            })
            .collect();
        let mut transaction = self.begin_write(CommitLevel::Fsync).await?;
        let query = query(MOVE).bind(leg.as_str()).bind(serde_json::Value::Array(rows).to_string());
        transaction.execute(query).await?;
        transaction.commit_write().await
    }

    async fn reap_deleted(&self, rows_max: u32) -> Result<u64, StoreError> {
        let mut transaction = self.begin_write(CommitLevel::Fsync).await?;
        let nodes = transaction.fetch_all(query(REAPABLE)).await?;
        let Some(node) = nodes.first() else { return Ok(0) };
        let node = rows::integer(node, "node_id")?;
        let reaped = reap_node(&mut transaction, node, u64::from(rows_max.max(1))).await?;
        transaction.commit_write().await?;
        Ok(reaped)
    }
}

/// One bounded step: rows of one table after the other, and the node's own rows once all others are gone.
async fn reap_node(transaction: &mut SqliteTransaction, node: i64, rows_max: u64) -> Result<u64, StoreError> {
    let mut reaped = 0;
    for statement in REAP_ROWS {
        let query = query(statement).bind(node).bind(signed(rows_max - reaped));
        reaped += transaction.execute(query).await?;
        if reaped >= rows_max {
            return Ok(reaped);
        }
    }
    reaped += reap_subscriptions(transaction, node, rows_max - reaped).await?;
    if reaped >= rows_max {
        return Ok(reaped);
    }
    for statement in REAP_REST {
        reaped += transaction.execute(query(statement).bind(node)).await?;
    }
    Ok(reaped)
}

async fn reap_subscriptions(
    transaction: &mut SqliteTransaction,
    node: i64,
    rows_max: u64,
) -> Result<u64, StoreError> {
    let reap = query(REAP_SUBSCRIPTIONS).bind(node).bind(signed(rows_max));
    let reaped = transaction.fetch_all(reap).await?;
    if reaped.is_empty() {
        return Ok(0);
    }
    // An address that cannot be read is counted nowhere.
    let subscribers = reaped.iter().filter_map(|row| rows::bare_jid(row, "bare_jid").ok());
    usage::lower_subscriptions(transaction, subscribers).await?;
    Ok(reaped.len() as u64)
}

/// One broken node must not keep all others from their subscribers.
fn undelivered_page(rows: &[SqliteRow], nodes_max: u32) -> Result<UndeliveredPage, StoreError> {
    let mut nodes = Vec::with_capacity(rows.len());
    let mut last = None;
    for row in rows {
        let node = NodeId(rows::integer(row, "node_id")?);
        last = Some(node);
        match undelivered(node, row) {
            Ok(undelivered) => nodes.push(undelivered),
            Err(error) => {
                tracing::error!(node_id = node.0, %error, "a node cannot be read, its events are not delivered");
            }
        }
    }
    Ok(UndeliveredPage { nodes, next_after: last.filter(|_| rows.len() as u64 >= u64::from(nodes_max)) })
}

fn undelivered(node: NodeId, row: &SqliteRow) -> Result<Undelivered, StoreError> {
    Ok(Undelivered {
        node,
        name: rows::node_name(row)?,
        config: rows::node_config(row)?,
        head: rows::head(row)?,
        position: position(row)?,
    })
}

fn position(row: &SqliteRow) -> Result<Position, StoreError> {
    Ok(Position {
        through_seq: rows::unsigned(row, "through_seq")?,
        through_subscription: SubscriptionId(rows::integer(row, "through_subscription")?),
    })
}
