use std::sync::Arc;

use crate::{
    Actor, Affiliation, Affiliations, BareJid, Epoch, ItemId, NodeConfig, NodeFacts, NodeId, NodeName, Role,
};

pub(crate) fn bare(text: &str) -> BareJid {
    BareJid::new(text).unwrap()
}

pub(crate) fn actor(name: &str, role: Role) -> Actor {
    Actor::new(bare(&format!("{name}@example.org")), role)
}

pub(crate) fn owner() -> Actor {
    actor("owner", Role::User)
}

pub(crate) fn stranger() -> Actor {
    actor("stranger", Role::User)
}

/// A node of the owner's that behaves like this.
pub(crate) fn node(config: NodeConfig) -> NodeFacts {
    let affiliations: Affiliations = [(bare("owner@example.org"), Affiliation::Owner)].into_iter().collect();
    NodeFacts {
        id: NodeId(1),
        name: NodeName::new("news").unwrap(),
        epoch: Epoch(7),
        creator: bare("owner@example.org"),
        created_at_ms: 0,
        config,
        affiliations: Arc::new(affiliations),
        rules_version: 1,
        above: None,
        is_orphan: false,
    }
}

pub(crate) fn ids(count: usize) -> Vec<ItemId> {
    (0..count).map(|number| ItemId::new(&format!("item-{number}")).unwrap()).collect()
}
