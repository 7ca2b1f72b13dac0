use bus_domain::{Actor, BareJid, BusError, NodeId, NodeName, administer};
use bus_store::{EntityAffiliation, EntitySubscription, SubscriptionKey};

use crate::Engine;

/// A page of what an entity has on nodes.
#[derive(Debug, Clone)]
pub struct EntityPage<Row> {
    /// In the order of the nodes' ids.
    pub rows: Vec<Row>,
    /// Whether there are more behind these.
    pub has_more: bool,
}

/// What an actor has on all nodes, or on one; and what others have, for an operator's admin.
impl Engine {
    /// The subscriptions of the actor's address and of its resources (XEP-0060 §5.6): at most `subscriptions_max`, and
    /// at most a page of items.
    pub async fn subscriptions_of(
        &self,
        actor: &Actor,
        node: Option<&NodeName>,
        after: Option<SubscriptionKey>,
        subscriptions_max: u32,
    ) -> Result<EntityPage<EntitySubscription>, BusError> {
        let node = self.id_of(node).await?;
        self.subscriptions_page(actor.bare(), node, after, subscriptions_max).await
    }

    /// The subscriptions of any address and of its resources, as admins may see them.
    pub async fn subscriptions_of_entity(
        &self,
        admin: &Actor,
        entity: &BareJid,
        after: Option<SubscriptionKey>,
        subscriptions_max: u32,
    ) -> Result<EntityPage<EntitySubscription>, BusError> {
        administer::decide(admin)?;
        self.subscriptions_page(entity, None, after, subscriptions_max).await
    }

    /// The affiliations of the actor's address (XEP-0060 §5.7), without those that are none. Bounded like the
    /// subscriptions.
    pub async fn affiliations_of(
        &self,
        actor: &Actor,
        node: Option<&NodeName>,
        after: Option<NodeId>,
        affiliations_max: u32,
    ) -> Result<EntityPage<EntityAffiliation>, BusError> {
        let node = self.id_of(node).await?;
        self.affiliations_page(actor.bare(), node, after, affiliations_max).await
    }

    /// The affiliations of any address, as admins may see them.
    pub async fn affiliations_of_entity(
        &self,
        admin: &Actor,
        entity: &BareJid,
        after: Option<NodeId>,
        affiliations_max: u32,
    ) -> Result<EntityPage<EntityAffiliation>, BusError> {
        administer::decide(admin)?;
        self.affiliations_page(entity, None, after, affiliations_max).await
    }

    async fn subscriptions_page(
        &self,
        entity: &BareJid,
        node: Option<NodeId>,
        after: Option<SubscriptionKey>,
        subscriptions_max: u32,
    ) -> Result<EntityPage<EntitySubscription>, BusError> {
        let rows_max = self.rows_max(subscriptions_max);
        let rows = self.store().subscriptions_of(entity, node, after, rows_max + 1).await;
        Ok(page(rows.map_err(|error| self.unavailable(&error))?, rows_max))
    }

    async fn affiliations_page(
        &self,
        entity: &BareJid,
        node: Option<NodeId>,
        after: Option<NodeId>,
        affiliations_max: u32,
    ) -> Result<EntityPage<EntityAffiliation>, BusError> {
        let rows_max = self.rows_max(affiliations_max);
        let rows = self.store().affiliations_of(entity, node, after, rows_max + 1).await;
        Ok(page(rows.map_err(|error| self.unavailable(&error))?, rows_max))
    }

    async fn id_of(&self, node: Option<&NodeName>) -> Result<Option<NodeId>, BusError> {
        match node {
            Some(node) => Ok(Some(self.facts(node).await?.id)),
            None => Ok(None),
        }
    }

    pub(crate) fn rows_max(&self, asked: u32) -> u32 {
        asked.clamp(1, self.settings().limits.page_items_max)
    }
}

pub(crate) fn page<Row>(mut rows: Vec<Row>, rows_max: u32) -> EntityPage<Row> {
    let has_more = rows.len() > rows_max as usize;
    rows.truncate(rows_max as usize);
    EntityPage { rows, has_more }
}
