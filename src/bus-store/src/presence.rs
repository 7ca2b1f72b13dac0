use async_trait::async_trait;
use bus_domain::{BareJid, NodeId, NodeName};

use crate::{EntitySubscription, StoreError, SubscriptionKey};

/// Reading what follows from somebody's coming and going (XEP-0060 §12.5, §16.4.4). Deleted nodes are not seen here.
#[async_trait]
pub trait PresenceStore {
    /// A page of the subscriptions, in the order of their keys, that are temporary, by their options or their node's, or whose
    /// node sends its newest item to who comes; those that are parked or pending too. With `entity`, only those of this
    /// address and of its resources.
    async fn subscriptions_on_presence(
        &self,
        entity: Option<&BareJid>,
        after: Option<SubscriptionKey>,
        subscriptions_max: u32,
    ) -> Result<Vec<EntitySubscription>, StoreError>;

    /// A page of the nodes, in the order of their ids, that are purged when their publisher goes, and on which this address
    /// has a standing that lets it publish.
    async fn nodes_purged_on_presence(
        &self,
        publisher: &BareJid,
        after: Option<NodeId>,
        nodes_max: u32,
    ) -> Result<Vec<(NodeId, NodeName)>, StoreError>;

    /// Whether anything hangs on presence.
    async fn presence_uses(&self) -> Result<PresenceUses, StoreError>;
}

/// What of the store hangs on presence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PresenceUses {
    /// There are such subscriptions, or nodes that make theirs so.
    pub by_subscriptions: bool,
    /// There are nodes that are purged when their publisher goes.
    pub by_purges: bool,
}
