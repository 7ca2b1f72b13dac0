//! What the rosters of a node's owners say of others: the access models `presence` and `roster` (XEP-0060 §4.5).

use std::collections::HashMap;

use jid::BareJid;

use crate::{AccessModel, NodeConfig, NodeFacts, NodeId};

/// Those in a user's roster (RFC 6121 §2) who see its presence or stand in a group. Nobody else matters here.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Roster {
    entries: HashMap<BareJid, RosterEntry>,
    weight_bytes: usize,
}

/// What a roster says of one contact.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RosterEntry {
    /// Whether it is subscribed to the presence of the roster's user: `from` or `both`.
    pub sees_presence: bool,
    /// The groups in which it stands.
    pub groups: Vec<String>,
}

/// What somebody is to the owners of a node, by what the node's access model asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Acquaintance {
    /// The rosters cannot be had at the moment, or nobody has looked.
    Unknown,
    /// No owner's roster lets it in.
    Stranger,
    /// An owner's roster lets it in.
    Known,
}

/// An acquaintance that was looked up for one node. It holds on the rules for which it was looked up, and on no others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LookedUp {
    node: NodeId,
    rules_version: u64,
    acquaintance: Acquaintance,
}

/// Owners of one node whose rosters are asked, the first by address.
pub const OWNERS_ASKED_MAX: usize = 16;

impl Roster {
    /// Takes note of a contact.
    pub fn add(&mut self, contact: BareJid, entry: RosterEntry) {
        const FIXED_BYTES: usize = 96;
        if entry == RosterEntry::default() {
            return;
        }
        let groups_bytes: usize = entry.groups.iter().map(|group| size_of::<String>() + group.len()).sum();
        self.weight_bytes += FIXED_BYTES + contact.as_str().len() + groups_bytes;
        self.entries.insert(contact, entry);
    }

    /// About how many bytes it takes; for bounds.
    pub fn weight_bytes(&self) -> usize {
        self.weight_bytes
    }

    /// Whether somebody may read a node of the roster's user.
    pub fn lets_in(&self, config: &NodeConfig, jid: &BareJid) -> bool {
        let Some(entry) = self.entries.get(jid) else { return false };
        match config.access_model {
            AccessModel::Presence => entry.sees_presence,
            AccessModel::Roster => {
                entry.groups.iter().any(|group| config.roster_groups_allowed.contains(group))
            }
            AccessModel::Open | AccessModel::Authorize | AccessModel::Whitelist => false,
        }
    }
}

impl LookedUp {
    /// What was found for these rules.
    pub fn new(facts: &NodeFacts, acquaintance: Acquaintance) -> Self {
        Self { node: facts.id, rules_version: facts.rules_version, acquaintance }
    }

    /// What it says of a node: nothing, if the rules have changed since.
    pub fn on(self, facts: &NodeFacts) -> Acquaintance {
        let holds = (self.node, self.rules_version) == (facts.id, facts.rules_version);
        if holds { self.acquaintance } else { Acquaintance::Unknown }
    }
}

/// What somebody is to owners: one roster that lets it in is enough. `None` stands for a roster that cannot be had; as
/// long as another may let it in, nobody is a stranger.
pub fn acquaintance<'a>(
    config: &NodeConfig,
    rosters: impl IntoIterator<Item = Option<&'a Roster>>,
    jid: &BareJid,
) -> Acquaintance {
    let mut found = Acquaintance::Stranger;
    for roster in rosters {
        match roster {
            Some(roster) if roster.lets_in(config, jid) => return Acquaintance::Known,
            Some(_) => {}
            None => found = Acquaintance::Unknown,
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts;

    fn jid(name: &str) -> BareJid {
        BareJid::new(&format!("{name}@example.org")).unwrap()
    }

    fn roster() -> Roster {
        let mut roster = Roster::default();
        let entry = |sees_presence, groups: &[&str]| RosterEntry {
            sees_presence,
            groups: groups.iter().map(ToString::to_string).collect(),
        };
        roster.add(jid("friend"), entry(true, &[]));
        roster.add(jid("colleague"), entry(false, &["Work", "Berlin"]));
        roster.add(jid("nobody"), entry(false, &[]));
        roster
    }

    fn config(access_model: AccessModel, groups: &[&str]) -> NodeConfig {
        let roster_groups_allowed = groups.iter().map(ToString::to_string).collect();
        NodeConfig { access_model, roster_groups_allowed, ..NodeConfig::default() }
    }

    #[test]
    fn each_model_asks_for_something_else() {
        let lets_in = |config: &NodeConfig| {
            ["friend", "colleague", "nobody", "stranger"].map(|name| roster().lets_in(config, &jid(name)))
        };
        assert_eq!(lets_in(&config(AccessModel::Presence, &["Work"])), [true, false, false, false]);
        assert_eq!(lets_in(&config(AccessModel::Roster, &["Work"])), [false, true, false, false]);
        assert_eq!(lets_in(&config(AccessModel::Roster, &["work"])), [false; 4], "groups differ by case");
        assert_eq!(lets_in(&config(AccessModel::Roster, &[])), [false; 4], "no group means nobody");
        assert_eq!(lets_in(&config(AccessModel::Whitelist, &["Work"])), [false; 4]);
    }

    #[test]
    fn one_owner_is_enough_and_a_roster_that_is_missing_may_be_the_one() {
        let (roster, empty) = (roster(), Roster::default());
        let presence = config(AccessModel::Presence, &[]);
        let found = |rosters: [Option<&Roster>; 2], name| acquaintance(&presence, rosters, &jid(name));
        assert_eq!(found([Some(&empty), Some(&roster)], "friend"), Acquaintance::Known);
        assert_eq!(found([None, Some(&roster)], "friend"), Acquaintance::Known);
        assert_eq!(found([None, Some(&roster)], "stranger"), Acquaintance::Unknown);
        assert_eq!(found([Some(&empty), Some(&roster)], "stranger"), Acquaintance::Stranger);
    }

    #[test]
    fn what_was_looked_up_holds_on_its_rules_only() {
        let mut facts = facts::sample();
        let looked_up = LookedUp::new(&facts, Acquaintance::Known);
        assert_eq!(looked_up.on(&facts), Acquaintance::Known);
        facts.rules_version += 1;
        assert_eq!(looked_up.on(&facts), Acquaintance::Unknown);
    }

    #[test]
    fn a_roster_weighs_what_it_keeps() {
        let mut empty = Roster::default();
        empty.add(jid("nobody"), RosterEntry::default());
        assert_eq!(empty.weight_bytes(), 0);
        assert!(roster().weight_bytes() > 2 * 96);
    }
}
