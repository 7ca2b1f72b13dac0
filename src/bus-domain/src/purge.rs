//! Purge: may the actor, and are subscribers told.

use jid::{BareJid, Jid};

use crate::access::{Action, may};
use crate::{Actor, BusError, Feature, NodeFacts};

/// All items go at once: one event, and one mark in the node's head.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Purge {
    /// Who purges, as authenticated.
    pub purger: Jid,
    /// Whether subscribers are told: as they are of single retractions (XEP-0060 §8.5.2).
    pub notify: bool,
    /// Only while the newest item is this account's.
    pub behind: Option<BareJid>,
}

/// Decides a purge (XEP-0060 §8.5). A node without items can be purged too, but not one that keeps none (§8.5.3.3).
pub fn decide(facts: &NodeFacts, actor: &Actor) -> Result<Purge, BusError> {
    may(facts, actor, Action::Purge)?;
    if !facts.config.persist_items {
        return Err(BusError::Unsupported(Feature::PersistentItems));
    }
    Ok(purge(facts, actor.jid().clone(), None))
}

/// Decides a purge behind a publisher who has gone (`pubsub#purge_offline`). The bus itself asks for it, in the publisher's
/// name; the node's owner has wanted it so.
pub fn decide_behind(facts: &NodeFacts, publisher: &BareJid) -> Result<Purge, BusError> {
    if facts.config.purge_when_publisher_goes && facts.config.persist_items {
        Ok(purge(facts, publisher.clone().into(), Some(publisher.clone())))
    } else {
        Err(BusError::Unsupported(Feature::PersistentItems))
    }
}

/// Whether the purge is still wanted, by who has published the newest item.
pub fn settle(purge: &Purge, newest_by: Option<&Jid>) -> bool {
    let is_his = |publisher: &BareJid| newest_by.is_some_and(|newest_by| newest_by.to_bare() == *publisher);
    purge.behind.as_ref().is_none_or(is_his)
}

fn purge(facts: &NodeFacts, purger: Jid, behind: Option<BareJid>) -> Purge {
    Purge { purger, notify: facts.config.notifies_of_retractions(), behind }
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
            let purge = Purge { purger: owner.jid().clone(), notify, behind: None };
            assert_eq!(decide(&facts, &owner), Ok(purge));
        }
        facts.config.persist_items = false;
        assert_eq!(decide(&facts, &owner), Err(BusError::Unsupported(Feature::PersistentItems)));
        let publisher = Actor::new(BareJid::new("p@example.org").unwrap(), Role::User);
        facts.affiliations_mut().set(publisher.bare().clone(), Affiliation::Publisher);
        assert_eq!(decide(&facts, &publisher), Err(BusError::Forbidden));
    }

    #[test]
    fn a_node_is_purged_behind_the_publisher_of_its_newest_item_if_its_owner_wants_it() {
        let mut facts = facts::sample();
        let publisher = BareJid::new("p@example.org").unwrap();
        assert!(decide_behind(&facts, &publisher).is_err());
        facts.config.purge_when_publisher_goes = true;
        let purge = decide_behind(&facts, &publisher).unwrap();
        assert_eq!(purge.purger, Jid::from(publisher));
        for (newest_by, expected) in
            [(Some("p@example.org/x"), true), (Some("other@example.org"), false), (None, false)]
        {
            let newest_by = newest_by.map(|jid| Jid::new(jid).unwrap());
            assert_eq!(settle(&purge, newest_by.as_ref()), expected, "{newest_by:?}");
        }
        assert!(settle(&Purge { behind: None, ..purge }, None), "anybody else's purge");
        facts.config.persist_items = false;
        assert!(decide_behind(&facts, &BareJid::new("p@example.org").unwrap()).is_err());
    }
}
