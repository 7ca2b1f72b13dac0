//! Configure: may the actor, and what the node's configuration becomes.

use jid::Jid;

use crate::access::{Action, may};
use crate::collection::Placing;
use crate::{Actor, BusError, Limits, NodeConfig, NodeFacts, Relation, Setting};

/// A configuration that takes the place of another one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Configuration {
    /// Who configures, as authenticated.
    pub configurer: Jid,
    /// All of it, changed or not.
    pub config: NodeConfig,
    /// Whether subscribers are told.
    pub notify: bool,
}

impl Configuration {
    /// Whether it makes a collection of a leaf, which loses its items.
    pub fn makes_collection_of(&self, before: &NodeConfig) -> bool {
        self.config.is_collection() && !before.is_collection()
    }
}

/// Decides a change of a node's configuration (XEP-0060 §8.2): all of it or nothing. `None` if it is what the node has
/// already.
pub fn decide(
    facts: &NodeFacts,
    actor: &Actor,
    settings: &[Setting],
    limits: &Limits,
) -> Result<Option<Configuration>, BusError> {
    may(facts, actor, Action::Configure)?;
    let config = facts.config.with(settings).settled();
    if config == facts.config.clone().settled() {
        return Ok(None);
    }
    config.check(&facts.config, limits)?;
    check_memory(facts, &config)?;
    Ok(Some(Configuration { configurer: actor.jid().clone(), notify: config.notify_config, config }))
}

/// The configuration of a node that points at another one from now on (XEP-0496), or at none any more.
pub fn relate(placing: &Placing, relation: Option<Relation>) -> Configuration {
    let config = NodeConfig { relation, ..placing.config.clone() };
    Configuration { configurer: placing.actor.jid().clone(), notify: config.notify_config, config }
}

/// Decides whether an actor may read the configuration as its owner does (§8.2.1).
pub fn decide_reading(facts: &NodeFacts, actor: &Actor) -> Result<(), BusError> {
    may(facts, actor, Action::Configure)
}

/// A log is on disk or it is not: neither can take the other's positions over.
fn check_memory(facts: &NodeFacts, config: &NodeConfig) -> Result<(), BusError> {
    let was_transient = facts.is_transient();
    if was_transient == config.is_transient() {
        return Ok(());
    }
    let now = if was_transient { "in memory" } else { "on disk" };
    Err(BusError::invalid_config(format!("the log of this node is {now} for good; make another node")))
}

#[cfg(test)]
mod tests {
    use jid::BareJid;

    use super::*;
    use crate::collection::{Placement, Wish};
    use crate::{Affiliation, Durability, NodeId, NodeName, RelationKind, Role, facts};

    fn owner() -> Actor {
        Actor::new(BareJid::new("owner@example.org").unwrap(), Role::User)
    }

    fn check(facts: &NodeFacts, settings: &[Setting]) -> Result<Option<Configuration>, BusError> {
        decide(facts, &owner(), settings, &Limits { node_items_max: 50, ..Limits::default() })
    }

    #[test]
    fn owners_configure_and_nobody_else() {
        let mut facts = facts::sample();
        let publisher = Actor::new(BareJid::new("p@example.org").unwrap(), Role::Creator);
        facts.affiliations_mut().set(publisher.bare().clone(), Affiliation::Publisher);
        let decided = decide(&facts, &publisher, &[], &Limits::default());
        assert_eq!(decided, Err(BusError::Forbidden));
        assert_eq!(decide_reading(&facts, &publisher), Err(BusError::Forbidden));
        assert_eq!(decide_reading(&facts, &owner()), Ok(()));
    }

    #[test]
    fn what_is_so_already_is_no_change() {
        let facts = facts::sample();
        assert_eq!(check(&facts, &[]), Ok(None));
        assert_eq!(check(&facts, &[Setting::NotifyDelete(true)]), Ok(None));
    }

    #[test]
    fn the_new_configuration_says_who_is_told() {
        let facts = facts::sample();
        let told = |settings: &[Setting]| check(&facts, settings).unwrap().unwrap().notify;
        assert!(!told(&[Setting::NotifyRetract(true)]));
        assert!(told(&[Setting::NotifyRetract(true), Setting::NotifyConfig(true)]));
    }

    #[test]
    fn a_configuration_is_taken_whole_or_not_at_all() {
        let facts = facts::sample();
        for wrong in [Setting::ItemsMax(0), Setting::ItemsMax(51), Setting::PayloadBytesMax(Some(0))] {
            let decided = check(&facts, &[Setting::NotifyConfig(true), wrong.clone()]);
            assert!(matches!(decided, Err(BusError::InvalidConfig { .. })), "{wrong:?}");
        }
        let highest = check(&facts, &[Setting::ItemsMax(NodeConfig::ITEMS_MAX_HIGHEST)]);
        assert!(highest.unwrap().is_some(), "as many as the operator allows");
    }

    #[test]
    fn items_go_with_the_persistence() {
        let limits = Limits::default();
        let kept = |persist_items| NodeConfig { persist_items, ..NodeConfig::default() }.items_max(&limits);
        assert_eq!((kept(true), kept(false)), (NodeConfig::ITEMS_MAX_DEFAULT, 0));
    }

    #[test]
    fn a_node_points_at_what_it_was_settled_that_it_points_at() {
        let points_at = |id| {
            let name = NodeName::new("above").unwrap();
            Some(Relation { kind: RelationKind::Parent, node: NodeId(id), name })
        };
        for (before, after) in [(None, points_at(2)), (points_at(2), points_at(3)), (points_at(2), None)] {
            let config = NodeConfig { relation: before, notify_config: true, ..NodeConfig::default() };
            let wish = Wish::Placement(Placement::default());
            let placing = Placing { actor: owner(), wish, config: config.clone(), limits: Limits::default() };
            let expected = NodeConfig { relation: after.clone(), ..config };
            let configuration = relate(&placing, after);
            assert_eq!((configuration.config, configuration.notify), (expected, true));
        }
    }

    #[test]
    fn a_log_stays_where_it_is() {
        let mut facts = facts::sample();
        assert!(check(&facts, &[Setting::Durability(Durability::Relaxed)]).unwrap().is_some());
        let refused = check(&facts, &[Setting::Durability(Durability::Memory)]);
        assert!(matches!(refused, Err(BusError::InvalidConfig { .. })), "{refused:?}");
        facts.config =
            NodeConfig { durability: Durability::Memory, persist_items: false, ..NodeConfig::default() };
        assert_eq!(check(&facts, &[Setting::PersistItems(true)]), Ok(None), "there is nothing to keep");
        let refused = check(&facts, &[Setting::Durability(Durability::Fsync)]);
        assert!(matches!(refused, Err(BusError::InvalidConfig { .. })), "{refused:?}");
    }
}
