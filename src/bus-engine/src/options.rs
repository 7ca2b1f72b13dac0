use std::sync::Arc;

use bus_domain::unsubscribe::SubIdGiven;
use bus_domain::{Actor, BareJid, BusError, Jid, NodeFacts, NodeName, Subscription, options};

use crate::Engine;

impl Engine {
    /// A node and a subscription to it with its options, as its subscriber may see it (XEP-0060 §6.3.2).
    pub async fn subscription(
        &self,
        actor: &Actor,
        node: &NodeName,
        jid: &Jid,
        sub_id: &SubIdGiven,
    ) -> Result<(Arc<NodeFacts>, Subscription), BusError> {
        let facts = self.facts(node).await?;
        options::decide_reading(actor, jid)?;
        let of_bare = self.subscriptions_there(&facts, &jid.to_bare()).await?;
        let found = options::find(&of_bare, jid, sub_id, self.now_ms())?.clone();
        Ok((facts, found))
    }

    /// Checks which of its subscriptions a reader's request is about (§6.5.9.1). Looked up only where there can be several.
    pub async fn check_sub_id(
        &self,
        actor: &Actor,
        node: &NodeName,
        sub_id: &SubIdGiven,
    ) -> Result<(), BusError> {
        let facts = self.facts(node).await?;
        if !facts.config.multi_subscribe && sub_id.is_none() {
            return Ok(());
        }
        let there = self.subscriptions_there(&facts, actor.bare()).await?;
        options::check_sub_id(&there, sub_id, self.now_ms())
    }

    /// The subscriptions to a node of an address and of its resources.
    pub(crate) async fn subscriptions_there(
        &self,
        facts: &NodeFacts,
        entity: &BareJid,
    ) -> Result<Vec<Subscription>, BusError> {
        let addresses_max = self.settings().limits.node_subscriptions_per_jid_max;
        let rows_max = u32::try_from(addresses_max).unwrap_or(u32::MAX);
        let found = self.store().subscriptions_of(entity, Some(facts.id), None, rows_max).await;
        let found = found.map_err(|error| self.unavailable(&error))?;
        Ok(found.into_iter().map(|entry| entry.subscription).collect())
    }
}
