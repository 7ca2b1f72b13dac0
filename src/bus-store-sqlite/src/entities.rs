use async_trait::async_trait;
use bus_domain::{BareJid, NodeId, NodeName};
use bus_store::{
    EntityAffiliation, EntityStore, EntitySubscription, LeaseOver, Leg, StoreError, SubscriptionKey,
};
use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;

use crate::error::store_error;
use crate::statement::{query, statements};
use crate::{SqliteStore, rows};

statements! {
    pub(crate) SUBSCRIPTIONS = "SELECT n.node_id, n.name, s.subscription_id, s.jid, s.state, s.since_seq, s.sub_id, s.options, s.expires_at_ms
         FROM subscriptions s JOIN nodes n ON n.node_id = s.node_id
         WHERE s.bare_jid = ?1 AND (s.node_id, s.subscription_id) > (?2, ?3) AND n.deleted_at_ms IS NULL
           AND s.node_id = coalesce(?4, s.node_id)
         ORDER BY s.node_id, s.subscription_id LIMIT ?5";
    // Positions follow the time, so the event behind the cursor tells of all that wait.
    pub(crate) LEASES_OVER = "SELECT n.node_id, n.name, s.subscription_id, s.jid, s.state, s.since_seq, s.sub_id, s.options, s.expires_at_ms,
                coalesce((SELECT e.published_at_ms >= s.expires_at_ms FROM events e
                          WHERE e.node_id = s.node_id
                            AND e.seq > coalesce((SELECT c.seq FROM cursors c WHERE c.node_id = s.node_id AND c.leg = ?5), 0)
                          ORDER BY e.seq LIMIT 1), 1 = 1)
                AND NOT EXISTS (SELECT 1 FROM lagging l WHERE l.node_id = s.node_id
                                  AND l.subscription_id = s.subscription_id AND l.leg = ?5) AS is_delivered
         FROM subscriptions s JOIN nodes n ON n.node_id = s.node_id
         WHERE s.expires_at_ms <= ?1 AND (s.expires_at_ms, s.node_id, s.subscription_id) > (?2, ?3, ?4)
           AND n.deleted_at_ms IS NULL
         ORDER BY s.expires_at_ms, s.node_id, s.subscription_id LIMIT ?6";
    pub(crate) AFFILIATIONS = "SELECT n.node_id, n.name, a.affiliation
         FROM affiliations a JOIN nodes n ON n.node_id = a.node_id
         WHERE a.jid = ?1 AND a.node_id > ?2 AND n.deleted_at_ms IS NULL AND a.node_id = coalesce(?3, a.node_id)
         ORDER BY a.node_id LIMIT ?4";
    pub(crate) PENDING_OF_OWNER = "SELECT n.node_id, n.name
         FROM affiliations a JOIN nodes n ON n.node_id = a.node_id
         WHERE a.jid = ?1 AND a.node_id > ?2 AND a.affiliation = 'owner' AND n.deleted_at_ms IS NULL
           AND EXISTS (SELECT 1 FROM subscriptions s INDEXED BY subscriptions_pending
                       WHERE s.node_id = a.node_id AND s.state = 'pending')
         ORDER BY a.node_id LIMIT ?3";
    // From one node to the next: the many who may wait on one of them are passed over.
    pub(crate) PENDING_OF_ALL = "WITH RECURSIVE waiting (node_id) AS (
             SELECT min(node_id) FROM subscriptions WHERE state = 'pending' AND node_id > ?1
             UNION ALL
             SELECT (SELECT min(s.node_id) FROM subscriptions s WHERE s.state = 'pending' AND s.node_id > w.node_id)
             FROM waiting w WHERE w.node_id IS NOT NULL)
         SELECT n.node_id, n.name FROM waiting w JOIN nodes n ON n.node_id = w.node_id
         WHERE n.deleted_at_ms IS NULL ORDER BY w.node_id LIMIT ?2";
    pub(crate) OWNS = "SELECT EXISTS (SELECT 1 FROM affiliations a JOIN nodes n ON n.node_id = a.node_id
         WHERE a.jid = ?1 AND a.affiliation = 'owner' AND n.deleted_at_ms IS NULL)";
}

#[async_trait]
impl EntityStore for SqliteStore {
    async fn subscriptions_of(
        &self,
        entity: &BareJid,
        node: Option<NodeId>,
        after: Option<SubscriptionKey>,
        subscriptions_max: u32,
    ) -> Result<Vec<EntitySubscription>, StoreError> {
        let after = after.map_or((i64::MIN, i64::MIN), |key| (key.node.0, key.subscription.0));
        let query = query(SUBSCRIPTIONS)
            .bind(entity.as_str())
            .bind(after.0)
            .bind(after.1)
            .bind(node.map(|node| node.0))
            .bind(i64::from(subscriptions_max));
        let found = query.fetch_all(&self.readers).await.map_err(store_error)?;
        found.iter().map(subscription).collect()
    }

    async fn leases_over(
        &self,
        leg: Leg,
        through_ms: i64,
        after: Option<(i64, SubscriptionKey)>,
        subscriptions_max: u32,
    ) -> Result<Vec<LeaseOver>, StoreError> {
        let after = after.map(|(expired_at_ms, key)| (expired_at_ms, key.node.0, key.subscription.0));
        let (expired_at_ms, node, subscription) = after.unwrap_or((i64::MIN, i64::MIN, i64::MIN));
        let query = query(LEASES_OVER)
            .bind(through_ms)
            .bind(expired_at_ms)
            .bind(node)
            .bind(subscription)
            .bind(leg.as_str())
            .bind(i64::from(subscriptions_max));
        let found = query.fetch_all(&self.readers).await.map_err(store_error)?;
        found.iter().map(lease_over).collect()
    }

    async fn affiliations_of(
        &self,
        entity: &BareJid,
        node: Option<NodeId>,
        after: Option<NodeId>,
        affiliations_max: u32,
    ) -> Result<Vec<EntityAffiliation>, StoreError> {
        let query = query(AFFILIATIONS)
            .bind(entity.as_str())
            .bind(after.map_or(i64::MIN, |node| node.0))
            .bind(node.map(|node| node.0))
            .bind(i64::from(affiliations_max));
        let found = query.fetch_all(&self.readers).await.map_err(store_error)?;
        found.iter().map(affiliation).collect()
    }

    async fn pending_nodes(
        &self,
        owner: Option<&BareJid>,
        after: Option<NodeId>,
        nodes_max: u32,
    ) -> Result<Vec<(NodeId, NodeName)>, StoreError> {
        let after = after.map_or(i64::MIN, |node| node.0);
        let query = match owner {
            Some(owner) => query(PENDING_OF_OWNER).bind(owner.as_str()).bind(after),
            None => query(PENDING_OF_ALL).bind(after),
        };
        let query = query.bind(i64::from(nodes_max));
        let found = query.fetch_all(&self.readers).await.map_err(store_error)?;
        found.iter().map(node).collect()
    }

    async fn owns_a_node(&self, entity: &BareJid) -> Result<bool, StoreError> {
        let query = query(OWNS).bind(entity.as_str());
        let row = query.fetch_one(&self.readers).await.map_err(store_error)?;
        row.try_get(0).map_err(store_error)
    }
}

pub(crate) fn node(row: &SqliteRow) -> Result<(NodeId, NodeName), StoreError> {
    Ok((NodeId(rows::integer(row, "node_id")?), rows::node_name(row)?))
}

pub(crate) fn subscription(row: &SqliteRow) -> Result<EntitySubscription, StoreError> {
    Ok(EntitySubscription {
        node: NodeId(rows::integer(row, "node_id")?),
        name: rows::node_name(row)?,
        subscription: rows::subscription(row)?,
    })
}

fn lease_over(row: &SqliteRow) -> Result<LeaseOver, StoreError> {
    Ok(LeaseOver {
        entry: subscription(row)?,
        expired_at_ms: rows::integer(row, "expires_at_ms")?,
        is_delivered: row.try_get("is_delivered").map_err(store_error)?,
    })
}

fn affiliation(row: &SqliteRow) -> Result<EntityAffiliation, StoreError> {
    Ok(EntityAffiliation {
        node: NodeId(rows::integer(row, "node_id")?),
        name: rows::node_name(row)?,
        affiliation: rows::affiliation(row)?,
    })
}
