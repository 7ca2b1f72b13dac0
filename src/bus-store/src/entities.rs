use async_trait::async_trait;
use bus_domain::{Affiliation, BareJid, NodeId, NodeName, Subscription};

use crate::{Leg, StoreError, SubscriptionKey};

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

    /// A page of the subscriptions, of any entity, whose lease is over at this moment (milliseconds since 1970), in the
    /// order of their ends and keys.
    async fn leases_over(
        &self,
        leg: Leg,
        through_ms: i64,
        after: Option<(i64, SubscriptionKey)>,
        subscriptions_max: u32,
    ) -> Result<Vec<LeaseOver>, StoreError>;

    /// A page of the rows of affiliations of this address, in the order of the nodes' ids. With `node`, only the one
    /// there.
    async fn affiliations_of(
        &self,
        entity: &BareJid,
        node: Option<NodeId>,
        after: Option<NodeId>,
        affiliations_max: u32,
    ) -> Result<Vec<EntityAffiliation>, StoreError>;

    /// A page of the nodes on which somebody waits for an owner's approval, in the order of their ids: of those that
    /// this address owns, or of all.
    async fn pending_nodes(
        &self,
        owner: Option<&BareJid>,
        after: Option<NodeId>,
        nodes_max: u32,
    ) -> Result<Vec<(NodeId, NodeName)>, StoreError>;

    /// Whether this address owns any node.
    async fn owns_a_node(&self, entity: &BareJid) -> Result<bool, StoreError>;
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

/// A subscription whose lease is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaseOver {
    /// The subscription, with its node.
    pub entry: EntitySubscription,
    /// When its lease ended, in milliseconds since 1970.
    pub expired_at_ms: i64,
    /// Whether nothing from before that waits for its delivery on the leg: the event behind the cursor is from later, and
    /// the subscription does not lag.
    pub is_delivered: bool,
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

impl LeaseOver {
    /// Behind this one the next page starts.
    pub fn place(&self) -> (i64, SubscriptionKey) {
        (self.expired_at_ms, self.entry.key())
    }
}

impl EntitySubscription {
    /// Its name over all nodes.
    pub fn key(&self) -> SubscriptionKey {
        SubscriptionKey { node: self.node, subscription: self.subscription.id }
    }
}
