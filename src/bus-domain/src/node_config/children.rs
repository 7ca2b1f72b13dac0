use serde::{Deserialize, Serialize};

use super::{AssociationPolicy, NodeConfig};
use crate::{BareJid, BusError, Jid, Limits};

/// What a collection takes as its children (XEP-0248). On a leaf it waits for the leaf to become a collection.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ChildrenConfig {
    /// How many (`pubsub#children_max`); at least 1. `None` leaves it to the operator, whose bound holds in any case.
    pub max: Option<u32>,
    /// Who may associate nodes of its own (`pubsub#children_association_policy`).
    pub association_policy: AssociationPolicy,
    /// Who may by [`AssociationPolicy::Whitelist`] (`pubsub#children_association_whitelist`); the resource does not count.
    pub association_whitelist: Vec<Jid>,
}

impl ChildrenConfig {
    /// Addresses that the list may have.
    pub const WHITELIST_MAX: usize = 64;

    /// Whether the list names an account.
    pub fn lists(&self, jid: &BareJid) -> bool {
        self.association_whitelist.iter().any(|listed| listed.to_bare() == *jid)
    }

    /// Children that the collection may have.
    pub fn max(&self, limits: &Limits) -> u32 {
        self.max.map_or(limits.collection_children_max, |max| max.min(limits.collection_children_max))
    }
}

impl NodeConfig {
    /// A collection stays one, and is on disk: its log takes what its children were answered for.
    pub(super) fn check_children(&self, before: &Self, limits: &Limits) -> Result<(), BusError> {
        if before.is_collection() && !self.is_collection() {
            return Err(BusError::InvalidAssociation { reason: "a collection stays one" });
        }
        if self.is_collection() && self.is_transient() {
            return Err(BusError::invalid_config("a collection is on disk"));
        }
        let ChildrenConfig { max, association_whitelist, .. } = &self.children;
        let highest = limits.collection_children_max;
        let stays = *max == before.children.max;
        if !stays && max.is_some_and(|max| !(1..=highest).contains(&max)) {
            return Err(BusError::invalid_config(format!("children_max must be from 1 to {highest}")));
        }
        if association_whitelist.len() > ChildrenConfig::WHITELIST_MAX {
            let max = ChildrenConfig::WHITELIST_MAX;
            return Err(BusError::invalid_config(format!(
                "the list of who may associate names at most {max}"
            )));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::NodeType;
    use super::*;
    use crate::Durability;

    fn check(before: NodeType, config: &NodeConfig) -> Result<(), BusError> {
        let before = NodeConfig { node_type: before, ..NodeConfig::default() };
        let limits = Limits { collection_children_max: 5, ..Limits::default() };
        config.check(&before.settled(), &limits)
    }

    #[test]
    fn a_collection_stays_one_and_is_on_disk() {
        let collection = NodeConfig { node_type: NodeType::Collection, ..NodeConfig::default() };
        assert_eq!(check(NodeType::Leaf, &collection), Ok(()));
        let refused = check(NodeType::Collection, &NodeConfig::default());
        assert!(matches!(refused, Err(BusError::InvalidAssociation { .. })), "{refused:?}");
        let in_memory = NodeConfig { durability: Durability::Memory, ..collection.clone() };
        assert!(matches!(check(NodeType::Leaf, &in_memory), Err(BusError::InvalidConfig { .. })));
        assert!(!collection.settled().persist_items);
    }

    #[test]
    fn children_are_bounded_by_the_node_and_by_the_operator() {
        let with = |max| {
            let children = ChildrenConfig { max, ..ChildrenConfig::default() };
            NodeConfig { children, ..NodeConfig::default() }
        };
        let limits = Limits { collection_children_max: 5, ..Limits::default() };
        for (max, allowed) in [(None, 5), (Some(1), 1), (Some(5), 5)] {
            assert_eq!(check(NodeType::Leaf, &with(max)), Ok(()));
            assert_eq!(with(max).children.max(&limits), allowed);
        }
        for wrong in [0, 6] {
            assert!(check(NodeType::Leaf, &with(Some(wrong))).is_err());
        }
    }

    #[test]
    fn as_many_may_associate_as_the_list_holds_and_no_more() {
        let with = |count: usize| {
            let listed = (0..count).map(|number| Jid::new(&format!("u{number}@example.org")).unwrap());
            let children =
                ChildrenConfig { association_whitelist: listed.collect(), ..ChildrenConfig::default() };
            check(NodeType::Leaf, &NodeConfig { children, ..NodeConfig::default() })
        };
        assert_eq!(with(64), Ok(()));
        let refused = with(65);
        assert!(matches!(&refused, Err(BusError::InvalidConfig { .. })), "{refused:?}");
    }
}
