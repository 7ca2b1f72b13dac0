//! Create: may the actor, and is the name free.

use jid::BareJid;

use crate::{Actor, BusError, Limits, NodeConfig, NodeFacts, Role};

/// A node to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewNode {
    /// Its creator and first owner.
    pub owner: BareJid,
    /// Its configuration.
    pub config: NodeConfig,
}

/// Decides a creation (XEP-0060 §8.1). `existing` is the node that has the name now.
pub fn decide(
    existing: Option<&NodeFacts>,
    actor: &Actor,
    config: NodeConfig,
    limits: &Limits,
) -> Result<NewNode, BusError> {
    if actor.role() == Role::User {
        return Err(BusError::Forbidden);
    }
    if existing.is_some() {
        return Err(BusError::NodeExists);
    }
    config.check(&NodeConfig::default(), limits)?;
    Ok(NewNode { owner: actor.bare().clone(), config: config.settled() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Durability, facts};

    fn check(existing: bool, role: Role, items_max: u32) -> Result<(), BusError> {
        let sample = facts::sample();
        let actor = Actor::new(BareJid::new("a@example.org").unwrap(), role);
        let config = NodeConfig { items_max, ..NodeConfig::default() };
        decide(existing.then_some(&sample), &actor, config, &Limits::default()).map(drop)
    }

    #[test]
    fn creators_and_admins_make_nodes_with_free_names() {
        assert_eq!(check(false, Role::Creator, 1), Ok(()));
        assert_eq!(check(false, Role::Admin, 1_000_000), Ok(()));
        assert_eq!(check(false, Role::User, 1), Err(BusError::Forbidden));
        assert_eq!(check(true, Role::Creator, 1), Err(BusError::NodeExists));
    }

    #[test]
    fn a_bound_of_retention_allows_something() {
        let config = NodeConfig { item_expire_seconds: Some(0), ..NodeConfig::default() };
        let admin = Actor::new(BareJid::new("a@example.org").unwrap(), Role::Admin);
        let refused = decide(None, &admin, config, &Limits::default());
        assert!(matches!(refused, Err(BusError::InvalidConfig { .. })), "{refused:?}");
    }

    #[test]
    fn a_node_keeps_at_least_one_item_and_at_most_what_the_operator_allows() {
        for items_max in [0, 1_000_001] {
            assert!(matches!(check(false, Role::Creator, items_max), Err(BusError::InvalidConfig { .. })));
        }
    }

    #[test]
    fn a_node_in_memory_keeps_no_items_whatever_is_asked() {
        let actor = Actor::new(BareJid::new("a@example.org").unwrap(), Role::Creator);
        let decided = |durability, persist_items| {
            let config = NodeConfig { persist_items, durability, ..NodeConfig::default() };
            decide(None, &actor, config, &Limits::default()).unwrap().config.persist_items
        };
        assert!(decided(Durability::Fsync, true) && decided(Durability::Relaxed, true));
        assert!(!decided(Durability::Memory, true) && !decided(Durability::Fsync, false));
    }
}
