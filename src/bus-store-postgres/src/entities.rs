use async_trait::async_trait;
use bus_domain::{BareJid, NodeId};
use bus_store::{EntityAffiliation, EntityStore, EntitySubscription, StoreError, SubscriptionKey};
use sqlx::postgres::PgRow;

use crate::statement::{query, statements};
use crate::{PostgresStore, rows};

statements! {
    SUBSCRIPTIONS = "SELECT n.node_id, n.name, s.subscription_id, s.jid, s.state, s.since_seq, s.sub_id, s.options::text, s.expires_at_ms
         FROM subscriptions s JOIN nodes n ON n.node_id = s.node_id
         WHERE s.bare_jid = $1 AND (s.node_id, s.subscription_id) > ($2, $3) AND n.deleted_at_ms IS NULL
           AND s.node_id = coalesce($4, s.node_id)
         ORDER BY s.node_id, s.subscription_id LIMIT $5";
    LEASES_OVER = "SELECT n.node_id, n.name, s.subscription_id, s.jid, s.state, s.since_seq, s.sub_id, s.options::text, s.expires_at_ms
         FROM subscriptions s JOIN nodes n ON n.node_id = s.node_id
         WHERE s.expires_at_ms <= $1 AND n.deleted_at_ms IS NULL ORDER BY s.expires_at_ms LIMIT $2";
    AFFILIATIONS = "SELECT n.node_id, n.name, a.affiliation
         FROM affiliations a JOIN nodes n ON n.node_id = a.node_id
         WHERE a.jid = $1 AND a.node_id > $2 AND n.deleted_at_ms IS NULL AND a.node_id = coalesce($3, a.node_id)
         ORDER BY a.node_id LIMIT $4";
}

#[async_trait]
impl EntityStore for PostgresStore {
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
        self.pool.session().await?.fetch_all(query).await?.iter().map(subscription).collect()
    }

    async fn leases_over(
        &self,
        through_ms: i64,
        subscriptions_max: u32,
    ) -> Result<Vec<EntitySubscription>, StoreError> {
        let query = query(LEASES_OVER).bind(through_ms).bind(i64::from(subscriptions_max));
        self.pool.session().await?.fetch_all(query).await?.iter().map(subscription).collect()
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
        self.pool.session().await?.fetch_all(query).await?.iter().map(affiliation).collect()
    }
}

fn subscription(row: &PgRow) -> Result<EntitySubscription, StoreError> {
    Ok(EntitySubscription {
        node: NodeId(rows::integer(row, "node_id")?),
        name: rows::node_name(row)?,
        subscription: rows::subscription(row)?,
    })
}

fn affiliation(row: &PgRow) -> Result<EntityAffiliation, StoreError> {
    Ok(EntityAffiliation {
        node: NodeId(rows::integer(row, "node_id")?),
        name: rows::node_name(row)?,
        affiliation: rows::affiliation(row)?,
    })
}
