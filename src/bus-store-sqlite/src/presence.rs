use async_trait::async_trait;
use bus_domain::{BareJid, NodeId, NodeName};
use bus_store::{EntitySubscription, PresenceStore, PresenceUses, StoreError, SubscriptionKey};
use sqlx::Row as _;

use crate::SqliteStore;
use crate::entities::{node, subscription};
use crate::error::store_error;
use crate::statement::{query, statements};

/// The conditions of the migration's indices, in its words: only so they are of use.
macro_rules! is_temporary {
    () => {
        "CASE WHEN json_valid(s.options) THEN s.options ->> 'is_temporary' = 1 END"
    };
}
macro_rules! node_is_on_presence {
    () => {
        "CASE WHEN json_valid(n.config) THEN n.config ->> 'temporary_subscriptions' = 1 OR n.config ->> 'send_last_item' = 'on_subscribe_and_presence' END"
    };
}
macro_rules! is_purged_on_presence {
    () => {
        "CASE WHEN json_valid(n.config) THEN n.config ->> 'purge_when_publisher_goes' = 1 END"
    };
}

statements! {
    // Two ordered searches, each cut to a page. From the few nodes to their subscriptions: CROSS JOIN keeps that order.
    pub(crate) ALL = concat!("SELECT n.node_id, n.name, s.subscription_id, s.jid, s.state, s.since_seq, s.sub_id, s.options, s.expires_at_ms
         FROM (SELECT node_id, subscription_id FROM (
                   SELECT s.node_id, s.subscription_id FROM subscriptions s JOIN nodes n ON n.node_id = s.node_id
                   WHERE ", is_temporary!(), " AND (s.node_id, s.subscription_id) > (?1, ?2) AND n.deleted_at_ms IS NULL
                   ORDER BY s.node_id, s.subscription_id LIMIT ?3) AS temporary
               UNION
               SELECT node_id, subscription_id FROM (
                   SELECT s.node_id, s.subscription_id
                   FROM nodes n INDEXED BY nodes_on_presence CROSS JOIN subscriptions s ON s.node_id = n.node_id
                   WHERE ", node_is_on_presence!(), " AND n.deleted_at_ms IS NULL
                     AND n.node_id >= ?1
                     AND s.subscription_id > CASE WHEN n.node_id = ?1 THEN ?2 ELSE 0 END
                   ORDER BY n.node_id, s.subscription_id LIMIT ?3) AS of_nodes
               ORDER BY node_id, subscription_id LIMIT ?3) AS k
         CROSS JOIN subscriptions s ON s.node_id = k.node_id AND s.subscription_id = k.subscription_id
         CROSS JOIN nodes n ON n.node_id = k.node_id
         ORDER BY k.node_id, k.subscription_id");
    pub(crate) OF_ENTITY = concat!("SELECT n.node_id, n.name, s.subscription_id, s.jid, s.state, s.since_seq, s.sub_id, s.options, s.expires_at_ms
         FROM subscriptions s JOIN nodes n ON n.node_id = s.node_id
         WHERE s.bare_jid = ?4 AND (s.node_id, s.subscription_id) > (?1, ?2) AND n.deleted_at_ms IS NULL
           AND (", is_temporary!(), " OR ", node_is_on_presence!(), ")
         ORDER BY s.node_id, s.subscription_id LIMIT ?3");
    pub(crate) PURGED = concat!("SELECT n.node_id, n.name FROM affiliations a JOIN nodes n ON n.node_id = a.node_id
         WHERE a.jid = ?1 AND a.node_id > ?2 AND a.affiliation IN ('owner', 'publisher', 'publish-only')
           AND n.deleted_at_ms IS NULL AND ", is_purged_on_presence!(), "
         ORDER BY a.node_id LIMIT ?3");
    USES = concat!("SELECT EXISTS (SELECT 1 FROM subscriptions s WHERE ", is_temporary!(), ")
                OR EXISTS (SELECT 1 FROM nodes n WHERE ", node_is_on_presence!(), " AND n.deleted_at_ms IS NULL),
                EXISTS (SELECT 1 FROM nodes n WHERE ", is_purged_on_presence!(), " AND n.deleted_at_ms IS NULL)");
}

#[async_trait]
impl PresenceStore for SqliteStore {
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
        let found = page.fetch_all(&self.readers).await.map_err(store_error)?;
        found.iter().map(subscription).collect()
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
        let found = page.fetch_all(&self.readers).await.map_err(store_error)?;
        found.iter().map(node).collect()
    }

    async fn presence_uses(&self) -> Result<PresenceUses, StoreError> {
        let row = query(USES).fetch_one(&self.readers).await.map_err(store_error)?;
        Ok(PresenceUses {
            by_subscriptions: row.try_get(0).map_err(store_error)?,
            by_purges: row.try_get(1).map_err(store_error)?,
        })
    }
}
