use bus_domain::{Actor, BusError, NodeId, NodeName};
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

/// What an actor has on all nodes, or on one. Nobody asks for others.
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
        let rows_max = self.rows_max(subscriptions_max);
        let rows = self.store().subscriptions_of(actor.bare(), node, after, rows_max + 1).await;
        Ok(page(rows.map_err(|error| self.unavailable(&error))?, rows_max))
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
        let rows_max = self.rows_max(affiliations_max);
        let rows = self.store().affiliations_of(actor.bare(), node, after, rows_max + 1).await;
        Ok(page(rows.map_err(|error| self.unavailable(&error))?, rows_max))
    }

    async fn id_of(&self, node: Option<&NodeName>) -> Result<Option<NodeId>, BusError> {
        match node {
            Some(node) => Ok(Some(self.facts(node).await?.id)),
            None => Ok(None),
        }
    }

    fn rows_max(&self, asked: u32) -> u32 {
        asked.clamp(1, self.settings().limits.page_items_max)
    }
}

pub(crate) fn page<Row>(mut rows: Vec<Row>, rows_max: u32) -> EntityPage<Row> {
    let has_more = rows.len() > rows_max as usize;
    rows.truncate(rows_max as usize);
    EntityPage { rows, has_more }
}
