use async_trait::async_trait;
use bus_domain::{NodeId, SubscriptionId};
use bus_store::{
    CommitLevel, CursorMove, CursorStore, Leg, Position, StoreError, Undelivered, UndeliveredPage,
};
use sqlx::postgres::PgRow;

use crate::rows::signed;
use crate::statement::{Statement, query, statements};
use crate::transaction::{PostgresTransaction, usage};
use crate::{PostgresStore, rows};

statements! {
    UNDELIVERED = "SELECT n.node_id, n.name, n.config::text AS config,
                h.epoch, h.seq, h.trimmed_through_seq, h.rules_version, h.recipients_version,
                coalesce(c.seq, 0) AS through_seq, coalesce(c.subscription_id, 0) AS through_subscription
         FROM heads h JOIN nodes n USING (node_id)
         LEFT JOIN cursors c ON c.node_id = h.node_id AND c.leg = $1
         WHERE h.node_id > $2 AND h.seq > coalesce(c.seq, 0)
         ORDER BY h.node_id LIMIT $3";
    POSITIONS = "SELECT node_id, seq AS through_seq, subscription_id AS through_subscription
         FROM cursors WHERE leg = $1 AND node_id = ANY($2)";
    // The join drops moves of nodes that have been reaped or have begun a new life meanwhile; the order keeps instances
    // from a deadlock.
    MOVE = "INSERT INTO cursors (node_id, leg, seq, subscription_id)
         SELECT h.node_id, $1, m.seq, m.subscription_id
         FROM unnest($2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[]) AS m (node_id, epoch, seq, subscription_id)
         JOIN heads h ON h.node_id = m.node_id AND h.epoch = coalesce(m.epoch, h.epoch) ORDER BY h.node_id
         ON CONFLICT (node_id, leg) DO UPDATE SET seq = excluded.seq, subscription_id = excluded.subscription_id
         WHERE (excluded.seq, excluded.subscription_id) > (cursors.seq, cursors.subscription_id)";
    // Another instance may be reaping: it is left to that.
    REAPABLE = "SELECT h.node_id FROM nodes n JOIN heads h USING (node_id)
         LEFT JOIN cursors c ON c.node_id = n.node_id AND c.leg = 'xmpp'
         WHERE n.deleted_at_ms IS NOT NULL AND coalesce(c.seq, 0) >= h.seq
           AND NOT EXISTS (SELECT 1 FROM lagging l WHERE l.node_id = n.node_id)
           AND NOT EXISTS (SELECT 1 FROM associations a WHERE a.child_id = n.node_id)
           AND NOT EXISTS (SELECT 1 FROM relations r WHERE r.target_id = n.node_id)
         LIMIT 1 FOR UPDATE OF h SKIP LOCKED";
    // Asked behind the lock: a row may have been added while the node was looked for.
    IS_LAGGING = "SELECT 1 FROM lagging WHERE node_id = $1 LIMIT 1";
    REAP_ITEMS = "DELETE FROM items WHERE node_id = $1 AND item_id IN
         (SELECT item_id FROM items WHERE node_id = $1 LIMIT $2)";
    REAP_EVENTS = "DELETE FROM events WHERE node_id = $1 AND seq IN
         (SELECT seq FROM events WHERE node_id = $1 LIMIT $2)";
    REAP_SUBSCRIPTIONS = "DELETE FROM subscriptions WHERE node_id = $1 AND subscription_id IN
         (SELECT subscription_id FROM subscriptions WHERE node_id = $1 LIMIT $2) RETURNING bare_jid";
    REAP_AFFILIATIONS = "DELETE FROM affiliations WHERE node_id = $1 AND jid IN
         (SELECT jid FROM affiliations WHERE node_id = $1 LIMIT $2)";
    REAP_RETRACTED_PAYLOADS = "DELETE FROM retracted_payloads WHERE node_id = $1 AND (retracted_at_seq, seq) IN
         (SELECT retracted_at_seq, seq FROM retracted_payloads WHERE node_id = $1 LIMIT $2)";
    REAP_IDEMPOTENCY_KEYS = "DELETE FROM idempotency_keys WHERE node_id = $1 AND (principal, key) IN
         (SELECT principal, key FROM idempotency_keys WHERE node_id = $1 LIMIT $2)";
    REAP_CONSUMER_CURSORS = "DELETE FROM consumer_cursors WHERE node_id = $1 AND consumer_id IN
         (SELECT consumer_id FROM consumer_cursors WHERE node_id = $1 LIMIT $2)";
    REAP_DELIVERIES = "DELETE FROM consumer_deliveries WHERE node_id = $1 AND (seq, consumer_id) IN
         (SELECT seq, consumer_id FROM consumer_deliveries WHERE node_id = $1 LIMIT $2)";
    REAP_CURSORS = "DELETE FROM cursors WHERE node_id = $1";
    REAP_HEAD = "DELETE FROM heads WHERE node_id = $1";
    REAP_RELATION = "DELETE FROM relations WHERE node_id = $1";
    REAP_NODE = "DELETE FROM nodes WHERE node_id = $1";
}

/// Empties the tables that hold any number of a node's rows, but for its subscriptions, which somebody has.
const REAP_ROWS: [Statement; 7] = [
    REAP_ITEMS,
    REAP_EVENTS,
    REAP_AFFILIATIONS,
    REAP_RETRACTED_PAYLOADS,
    REAP_IDEMPOTENCY_KEYS,
    REAP_CONSUMER_CURSORS,
    REAP_DELIVERIES,
];

/// Ends a node in one step: without its cursor it would count as undelivered and never be looked at again.
const REAP_REST: [Statement; 4] = [REAP_CURSORS, REAP_RELATION, REAP_HEAD, REAP_NODE];

#[async_trait]
impl CursorStore for PostgresStore {
    async fn undelivered(
        &self,
        leg: Leg,
        after: Option<NodeId>,
        nodes_max: u32,
    ) -> Result<UndeliveredPage, StoreError> {
        let nodes_max = nodes_max.max(1);
        let query = query(UNDELIVERED)
            .bind(leg.as_str())
            .bind(after.map_or(0, |node| node.0))
            .bind(i64::from(nodes_max));
        undelivered_page(&self.pool.session().await?.fetch_all(query).await?, nodes_max)
    }

    async fn positions(&self, leg: Leg, nodes: &[NodeId]) -> Result<Vec<(NodeId, Position)>, StoreError> {
        let query = query(POSITIONS).bind(leg.as_str()).bind(rows::numbers(nodes));
        let rows = self.pool.session().await?.fetch_all(query).await?;
        rows.iter().map(|row| Ok((NodeId(rows::integer(row, "node_id")?), position(row)?))).collect()
    }

    async fn move_cursors(&self, leg: Leg, moves: &[CursorMove]) -> Result<(), StoreError> {
        let query = query(MOVE)
            .bind(leg.as_str())
            .bind(moves.iter().map(|step| step.node.0).collect::<Vec<_>>())
            .bind(moves.iter().map(|step| step.epoch.map(|epoch| epoch.0.cast_signed())).collect::<Vec<_>>())
            .bind(moves.iter().map(|step| signed(step.to.through_seq)).collect::<Vec<_>>())
            .bind(moves.iter().map(|step| step.to.through_subscription.0).collect::<Vec<_>>());
        self.pool.session().await?.execute(query).await.map(drop)
    }

    async fn reap_deleted(&self, rows_max: u32) -> Result<u64, StoreError> {
        let mut transaction = self.begin_write(CommitLevel::Fsync).await?;
        let reaped = match lock_reapable(&mut transaction).await? {
            Some(node) => reap_node(&mut transaction, node, u64::from(rows_max.max(1))).await?,
            None => 0,
        };
        transaction.commit_write().await?;
        Ok(reaped)
    }
}

async fn lock_reapable(transaction: &mut PostgresTransaction) -> Result<Option<i64>, StoreError> {
    let Some(row) = transaction.fetch_optional(query(REAPABLE)).await? else { return Ok(None) };
    let node = rows::integer(&row, "node_id")?;
    let lagging = transaction.fetch_optional(query(IS_LAGGING).bind(node)).await?;
    Ok(lagging.is_none().then_some(node))
}

/// One bounded step: rows of one table after the other, and the node's own rows once all others are gone.
async fn reap_node(
    transaction: &mut PostgresTransaction,
    node: i64,
    rows_max: u64,
) -> Result<u64, StoreError> {
    let mut reaped = 0;
    for statement in REAP_ROWS {
        reaped += transaction.execute(query(statement).bind(node).bind(signed(rows_max - reaped))).await?;
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
    transaction: &mut PostgresTransaction,
    node: i64,
    rows_max: u64,
) -> Result<u64, StoreError> {
    let reap = query(REAP_SUBSCRIPTIONS).bind(node).bind(signed(rows_max));
    let reaped = transaction.fetch_all(reap).await?;
    if reaped.is_empty() {
        return Ok(0);
    }
    // An address that cannot be read is counted nowhere.
    let subscribers = reaped
        .iter()
        .filter_map(|row| rows::text(row, "bare_jid").and_then(|jid| rows::parse_bare_jid(&jid)).ok());
    usage::lower_subscriptions(transaction, subscribers).await?;
    Ok(reaped.len() as u64)
}

/// One broken node must not keep all others from their subscribers.
fn undelivered_page(rows: &[PgRow], nodes_max: u32) -> Result<UndeliveredPage, StoreError> {
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

fn undelivered(node: NodeId, row: &PgRow) -> Result<Undelivered, StoreError> {
    Ok(Undelivered {
        node,
        name: rows::node_name(row)?,
        config: rows::node_config(row)?,
        head: rows::head(row)?,
        position: position(row)?,
    })
}

fn position(row: &PgRow) -> Result<Position, StoreError> {
    Ok(Position {
        through_seq: rows::unsigned(row, "through_seq")?,
        through_subscription: SubscriptionId(rows::integer(row, "through_subscription")?),
    })
}
