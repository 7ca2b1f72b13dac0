//! Affiliate: change who has which standing on a node.

use std::collections::HashSet;

use jid::BareJid;

use crate::access::{Action, may};
use crate::{Actor, Affiliation, Affiliations, BusError, LimitKind, Limits, NodeFacts};

/// New standings, as decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The entries to set; [`Affiliation::None`] removes one.
    pub entries: Vec<(BareJid, Affiliation)>,
    /// All affiliations after the change.
    pub result: Affiliations,
}

/// Decides a change of affiliations (XEP-0060 §8.9); all entries or none.
pub fn decide(
    facts: &NodeFacts,
    actor: &Actor,
    entries: Vec<(BareJid, Affiliation)>,
    limits: &Limits,
) -> Result<Change, BusError> {
    may(facts, actor, Action::Affiliate)?;
    if entries.is_empty() {
        return Err(BusError::bad_request("the request changes no affiliation"));
    }
    let mut result = (*facts.affiliations).clone();
    let mut named = HashSet::new();
    for (jid, affiliation) in &entries {
        if !named.insert(jid) {
            return Err(BusError::bad_request(format!("{jid} is named twice")));
        }
        result.set(jid.clone(), *affiliation);
    }
    if !result.iter().any(|(_, affiliation)| affiliation == Affiliation::Owner) {
        return Err(BusError::bad_request("a node keeps at least one owner"));
    }
    if result.len() > limits.node_affiliations_max {
        return Err(BusError::LimitReached(LimitKind::Affiliations));
    }
    Ok(Change { entries, result })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Role, facts};

    fn bare(text: &str) -> BareJid {
        BareJid::new(text).unwrap()
    }

    fn check(actor: &str, entries: &[(&str, Affiliation)]) -> Result<Vec<Affiliation>, BusError> {
        let actor = Actor::new(bare(actor), Role::User);
        let limits = Limits { node_affiliations_max: 2, ..Limits::default() };
        let entries: Vec<_> = entries.iter().map(|(jid, affiliation)| (bare(jid), *affiliation)).collect();
        let change = decide(&facts::sample(), &actor, entries.clone(), &limits)?;
        Ok(entries.iter().map(|(jid, _)| change.result.of(jid)).collect())
    }

    #[test]
    fn owners_change_standings() {
        use Affiliation::{Member, None, Outcast};
        assert_eq!(check("owner@example.org", &[("a@example.org", Outcast)]), Ok(vec![Outcast]));
        assert_eq!(check("owner@example.org", &[("a@example.org", None)]), Ok(vec![None]));
        assert_eq!(check("a@example.org", &[("a@example.org", Member)]), Err(BusError::Forbidden));
    }

    #[test]
    fn the_last_owner_stays() {
        use Affiliation::{Member, Owner};
        let demoted = check("owner@example.org", &[("owner@example.org", Member)]);
        assert!(matches!(demoted, Err(BusError::BadRequest(_))), "{demoted:?}");
        let handed_over = [("a@example.org", Owner), ("owner@example.org", Member)];
        assert_eq!(check("owner@example.org", &handed_over), Ok(vec![Owner, Member]));
    }

    #[test]
    fn nobody_is_named_twice() {
        let entries = [("a@example.org", Affiliation::Member), ("a@example.org", Affiliation::Outcast)];
        assert!(matches!(check("owner@example.org", &entries), Err(BusError::BadRequest(_))));
    }

    #[test]
    fn the_list_is_bounded() {
        let entries = [("a@example.org", Affiliation::Member), ("b@example.org", Affiliation::Member)];
        assert_eq!(
            check("owner@example.org", &entries),
            Err(BusError::LimitReached(LimitKind::Affiliations))
        );
    }
}
