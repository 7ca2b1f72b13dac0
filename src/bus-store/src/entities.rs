use async_trait::async_trait;
use bus_domain::{Affiliation, BareJid, NodeId, NodeName, Subscription};

use crate::{StoreError, SubscriptionKey};

/// Reading what one entity has on all nodes (XEP-0060 §5.6, §5.7). Deleted nodes are not seen here.
#[async_trait]
pub trait EntityStore {
    /// A page of the subscriptions of this address and of its resources, in the order of their keys; parked ones too.
    /// With `node`, only those there.
    async fn subscriptions_of(
        &self,
        entity: &BareJid,
        node: Option<NodeId>,
        after: Option<SubscriptionKey>,
        subscriptions_max: u32,
    ) -> Result<Vec<EntitySubscription>, StoreError>;

    /// Subscriptions, of any entity, whose lease is over at this moment (milliseconds since 1970), the oldest first.
    async fn leases_over(
        &self,
        through_ms: i64,
        subscriptions_max: u32,
    ) -> Result<Vec<EntitySubscription>, StoreError>;

    /// A page of the rows of affiliations of this address, in the order of the nodes' ids. With `node`, only the one
    /// there.
    async fn affiliations_of(
        &self,
        entity: &BareJid,
        node: Option<NodeId>,
        after: Option<NodeId>,
        affiliations_max: u32,
    ) -> Result<Vec<EntityAffiliation>, StoreError>;
}

/// A subscription with its node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntitySubscription {
    /// The node.
    pub node: NodeId,
    /// Its name.
    pub name: NodeName,
    /// The subscription.
    pub subscription: Subscription,
}

/// An affiliation with its node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntityAffiliation {
    /// The node.
    pub node: NodeId,
    /// Its name.
    pub name: NodeName,
    /// The affiliation.
    pub affiliation: Affiliation,
}

impl EntitySubscription {
    /// Its name over all nodes.
    pub fn key(&self) -> SubscriptionKey {
        SubscriptionKey { node: self.node, subscription: self.subscription.id }
    }
}
