use std::collections::HashMap;
use std::sync::Arc;

use bus_domain::{BusError, NodeFacts, NodeId, NodeName};
use bus_store::{DeliveryTarget, Head, StoreError};

use super::super::below::{Below, Known, sources};
use super::Driver;
use crate::engine::EngineShared;

impl Driver {
    /// The rules of now of the nodes that the next events of a node need. The node itself has to be readable: what is due
    /// there waits for it. Of other nodes that cannot be read, nothing is shown.
    pub(super) async fn below(
        &mut self,
        node: NodeId,
        wanted: &[(NodeId, NodeName)],
    ) -> Result<Below, StoreError> {
        let mut nodes = HashMap::with_capacity(wanted.len());
        let mut cached: Vec<Arc<NodeFacts>> = Vec::new();
        for (id, name) in wanted {
            match self.shared.facts.get(name).filter(|facts| facts.id == *id) {
                Some(facts) => cached.push(facts),
                None => {
                    nodes.insert(*id, read(&self.shared, *id, name).await?);
                }
            }
        }
        if self.shared.store.is_shared() && !cached.is_empty() {
            let ids: Vec<NodeId> = cached.iter().map(|facts| facts.id).collect();
            let heads: HashMap<NodeId, Head> = self.shared.store.heads(&ids).await?.into_iter().collect();
            for facts in std::mem::take(&mut cached) {
                let is_of_now =
                    heads.get(&facts.id).is_some_and(|head| head.rules_version == facts.rules_version);
                if is_of_now {
                    cached.push(facts);
                } else {
                    nodes.insert(facts.id, read(&self.shared, facts.id, &facts.name).await?);
                }
            }
        }
        if let Some(Known::Unreadable) = nodes.get(&node) {
            let message = format!("node {} or what is above it cannot be read", node.0);
            return Err(StoreError::Inconsistent { table: "nodes", message });
        }
        nodes.extend(cached.into_iter().map(|facts| (facts.id, Known::Rules(facts))));
        Ok(Below::new(nodes, self.dispatcher.admins()))
    }

    /// The same, for events that one who lags is sent.
    pub(super) async fn below_events(
        &mut self,
        target: &DeliveryTarget,
        events: &[Arc<bus_domain::Event>],
    ) -> Result<Below, StoreError> {
        let DeliveryTarget { node, name, config, .. } = target;
        self.below(*node, &sources((*node, name, config), events.iter())).await
    }
}

/// Of a deleted node the rules are read that it has left, as long as something of it waits. One that cannot be read is told
/// of elsewhere, and holds up nobody.
async fn read(shared: &EngineShared, id: NodeId, name: &NodeName) -> Result<Known, StoreError> {
    let found = match shared.load_facts(name).await {
        Ok(Some(facts)) if facts.id == id => Ok(Some(facts)),
        Ok(_) => shared.load_deleted(id).await,
        Err(error) => Err(error),
    };
    match found {
        Ok(facts) => Ok(facts.map_or(Known::Gone, Known::Rules)),
        Err(BusError::Internal) => Ok(Known::Unreadable),
        Err(error) => Err(unavailable(&error)),
    }
}

fn unavailable(error: &BusError) -> StoreError {
    StoreError::Unavailable { message: error.to_string(), source: None }
}
