//! Purge: may the actor, and are subscribers told.

use jid::Jid;

use crate::access::{Action, may};
use crate::{Actor, BusError, Feature, NodeFacts};

/// All items go at once: one event, and one mark in the node's head.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Purge {
    /// Who purges, as authenticated.
    pub purger: Jid,
    /// Whether subscribers are told: as they are of single retractions (XEP-0060 §8.5.2).
    pub notify: bool,
}

/// Decides a purge (XEP-0060 §8.5). A node without items can be purged too, but not one that keeps none (§8.5.3.3).
pub fn decide(facts: &NodeFacts, actor: &Actor) -> Result<Purge, BusError> {
    may(facts, actor, Action::Purge)?;
    if !facts.config.persist_items {
        return Err(BusError::Unsupported(Feature::PersistentItems));
    }
    Ok(Purge { purger: actor.jid().clone(), notify: facts.config.notifies_of_retractions() })
}

#[cfg(test)]
mod tests {
    use jid::BareJid;

    use super::*;
    use crate::{Affiliation, Role, facts};

    #[test]
    fn owners_purge_and_the_node_says_who_is_told() {
        let mut facts = facts::sample();
        let owner = Actor::new(BareJid::new("owner@example.org").unwrap(), Role::User);
        for notify in [false, true] {
            facts.config.notify_retract = notify;
            let purge = Purge { purger: owner.jid().clone(), notify };
            assert_eq!(decide(&facts, &owner), Ok(purge));
        }
        facts.config.persist_items = false;
        assert_eq!(decide(&facts, &owner), Err(BusError::Unsupported(Feature::PersistentItems)));
        let publisher = Actor::new(BareJid::new("p@example.org").unwrap(), Role::User);
        facts.affiliations_mut().set(publisher.bare().clone(), Affiliation::Publisher);
        assert_eq!(decide(&facts, &publisher), Err(BusError::Forbidden));
    }
}
