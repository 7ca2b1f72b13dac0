use async_trait::async_trait;
use bus_domain::{BareJid, NodeId, NodeName};
use bus_store::{EntitySubscription, PresenceStore, PresenceUses, StoreError, SubscriptionKey};
use sqlx::Row as _;

use crate::PostgresStore;
use crate::entities::{node, subscription};
use crate::error::store_error;
use crate::statement::{query, statements};

/// The conditions of the migration's indices, in its words: only so they are of use.
macro_rules! is_temporary {
    () => {
        "s.options ->> 'is_temporary' = 'true'"
    };
}
macro_rules! node_is_on_presence {
    () => {
        "(n.config ->> 'temporary_subscriptions' = 'true' OR n.config ->> 'send_last_item' = 'on_subscribe_and_presence')"
    };
}
macro_rules! is_purged_on_presence {
    () => {
        "n.config ->> 'purge_when_publisher_goes' = 'true'"
    };
}

statements! {
    // Two ordered searches, each cut to a page. From the few nodes to their subscriptions.
    ALL = concat!("SELECT n.node_id, n.name, s.subscription_id, s.jid, s.state, s.since_seq, s.sub_id, s.options::text, s.expires_at_ms
         FROM (SELECT node_id, subscription_id FROM (
                   SELECT s.node_id, s.subscription_id FROM subscriptions s JOIN nodes n ON n.node_id = s.node_id
                   WHERE ", is_temporary!(), " AND (s.node_id, s.subscription_id) > ($1, $2) AND n.deleted_at_ms IS NULL
                   ORDER BY s.node_id, s.subscription_id LIMIT $3) AS temporary
               UNION
               SELECT node_id, subscription_id FROM (
                   SELECT s.node_id, s.subscription_id FROM nodes n CROSS JOIN LATERAL (
                       SELECT s.node_id, s.subscription_id FROM subscriptions s
                       WHERE s.node_id = n.node_id
                         AND s.subscription_id > CASE WHEN n.node_id = $1 THEN $2 ELSE 0 END
                       ORDER BY s.subscription_id LIMIT $3) AS s
                   WHERE ", node_is_on_presence!(), " AND n.deleted_at_ms IS NULL AND n.node_id >= $1
                   ORDER BY n.node_id, s.subscription_id LIMIT $3) AS of_nodes
               ORDER BY node_id, subscription_id LIMIT $3) AS k
         JOIN subscriptions s ON s.node_id = k.node_id AND s.subscription_id = k.subscription_id
         JOIN nodes n ON n.node_id = k.node_id
         ORDER BY s.node_id, s.subscription_id");
    OF_ENTITY = concat!("SELECT n.node_id, n.name, s.subscription_id, s.jid, s.state, s.since_seq, s.sub_id, s.options::text, s.expires_at_ms
         FROM subscriptions s JOIN nodes n ON n.node_id = s.node_id
         WHERE s.bare_jid = $4 AND (s.node_id, s.subscription_id) > ($1, $2) AND n.deleted_at_ms IS NULL
           AND (", is_temporary!(), " OR ", node_is_on_presence!(), ")
         ORDER BY s.node_id, s.subscription_id LIMIT $3");
    PURGED = concat!("SELECT n.node_id, n.name FROM affiliations a JOIN nodes n ON n.node_id = a.node_id
         WHERE a.jid = $1 AND a.node_id > $2 AND a.affiliation IN ('owner', 'publisher', 'publish-only')
           AND n.deleted_at_ms IS NULL AND ", is_purged_on_presence!(), "
         ORDER BY a.node_id LIMIT $3");
    USES = concat!("SELECT EXISTS (SELECT 1 FROM subscriptions s WHERE ", is_temporary!(), ")
                OR EXISTS (SELECT 1 FROM nodes n WHERE ", node_is_on_presence!(), " AND n.deleted_at_ms IS NULL),
                EXISTS (SELECT 1 FROM nodes n WHERE ", is_purged_on_presence!(), " AND n.deleted_at_ms IS NULL)");
}

#[async_trait]
impl PresenceStore for PostgresStore {
    async fn subscriptions_on_presence(
        &self,
        entity: Option<&BareJid>,
        after: Option<SubscriptionKey>,
        subscriptions_max: u32,
    ) -> Result<Vec<EntitySubscription>, StoreError> {
        let after = after.map_or((i64::MIN, i64::MIN), |key| (key.node.0, key.subscription.0));
        let statement = if entity.is_some() { OF_ENTITY } else { ALL };
        let page = query(statement).bind(after.0).bind(after.1).bind(i64::from(subscriptions_max));
        let page = match entity {
            Some(entity) => page.bind(entity.as_str()),
            None => page,
        };
        self.pool.session().await?.fetch_all(page).await?.iter().map(subscription).collect()
    }

    async fn nodes_purged_on_presence(
        &self,
        publisher: &BareJid,
        after: Option<NodeId>,
        nodes_max: u32,
    ) -> Result<Vec<(NodeId, NodeName)>, StoreError> {
        let page = query(PURGED)
            .bind(publisher.as_str())
            .bind(after.map_or(i64::MIN, |node| node.0))
            .bind(i64::from(nodes_max));
        self.pool.session().await?.fetch_all(page).await?.iter().map(node).collect()
    }

    async fn presence_uses(&self) -> Result<PresenceUses, StoreError> {
        let row = self.pool.session().await?.fetch_one(query(USES)).await?;
        Ok(PresenceUses {
            by_subscriptions: row.try_get(0).map_err(store_error)?,
            by_purges: row.try_get(1).map_err(store_error)?,
        })
    }
}
