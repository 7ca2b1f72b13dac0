use bus_domain::{Actor, BusError, NodeId, NodeName, Role, Subscription, SubscriptionId, SubscriptionState};

use crate::entities::page;
use crate::{Engine, EntityPage, Notice, NoticeAbout};

/// Those who wait for an owner's approval (XEP-0060 §8.7).
impl Engine {
    /// Requests for approval that one call of [`Self::ask_for_approval`] sends.
    pub const APPROVALS_AT_ONCE: u32 = 100;

    /// Whether the actor may decide on subscriptions somewhere: it owns a node, or is an operator's admin.
    pub async fn approves_somewhere(&self, actor: &Actor) -> Result<bool, BusError> {
        if actor.role() == Role::Admin {
            return Ok(true);
        }
        self.store().owns_a_node(actor.bare()).await.map_err(|error| self.unavailable(&error))
    }

    /// A page of the nodes on which somebody waits for this actor, in the order of their ids: at most `nodes_max`, and at
    /// most a page of items.
    pub async fn pending_nodes(
        &self,
        actor: &Actor,
        after: Option<NodeId>,
        nodes_max: u32,
    ) -> Result<EntityPage<(NodeId, NodeName)>, BusError> {
        let rows_max = self.rows_max(nodes_max);
        let owner = if actor.role() == Role::Admin { None } else { Some(actor.bare()) };
        let rows = self.store().pending_nodes(owner, after, rows_max + 1).await;
        Ok(page(rows.map_err(|error| self.unavailable(&error))?, rows_max))
    }

    /// Has the actor asked about those who wait on a node, behind `after`, the oldest first, as whoever owns it is asked
    /// when somebody subscribes. Sends [`Self::APPROVALS_AT_ONCE`] requests at most, and returns those whom they are about;
    /// there may be more behind them. Is busy while too many notices wait.
    pub async fn ask_for_approval(
        &self,
        actor: &Actor,
        node: &NodeName,
        after: Option<SubscriptionId>,
    ) -> Result<EntityPage<Subscription>, BusError> {
        let pending = SubscriptionState::Pending;
        let found = self.node_subscriptions(actor, node, pending, after, Self::APPROVALS_AT_ONCE).await?;
        let notices = found.rows.iter().map(|waiting| Notice {
            node: node.clone(),
            to: actor.jid().clone(),
            about: NoticeAbout::Approval(waiting.clone()),
        });
        if self.notices().put_asked_for(notices.collect()) { Ok(found) } else { Err(BusError::Busy) }
    }
}
