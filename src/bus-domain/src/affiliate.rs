//! Affiliate: change who has which standing on a node.

use std::collections::HashSet;

use jid::BareJid;

use crate::access::{Action, may};
use crate::{Actor, Affiliation, Affiliations, BusError, LimitKind, Limits, NodeFacts};

/// A request to change standings.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Request {
    /// The entries to set; [`Affiliation::None`] removes one.
    pub entries: Vec<(BareJid, Affiliation)>,
    /// Whether the others are set when some cannot be (XEP-0060 §8.9.2.4).
    pub is_partial: bool,
}

impl From<Vec<(BareJid, Affiliation)>> for Request {
    /// All of these or none.
    fn from(entries: Vec<(BareJid, Affiliation)>) -> Self {
        Self { entries, is_partial: false }
    }
}

/// New standings, as decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The entries to set; [`Affiliation::None`] removes one.
    pub entries: Vec<(BareJid, Affiliation)>,
    /// All affiliations after the change.
    pub result: Affiliations,
    /// The entries that cannot be, with the affiliations that stay.
    pub rejected: Vec<(BareJid, Affiliation)>,
}

/// Decides a change of affiliations (XEP-0060 §8.9), by what it leads to as a whole: owners may hand a node over.
pub fn decide(
    facts: &NodeFacts,
    actor: &Actor,
    request: Request,
    limits: &Limits,
) -> Result<Change, BusError> {
    may(facts, actor, Action::Affiliate)?;
    let Request { mut entries, is_partial } = request;
    if entries.is_empty() && !is_partial {
        return Err(BusError::bad_request("the request changes no affiliation"));
    }
    let mut named = HashSet::new();
    if let Some((twice, _)) = entries.iter().find(|(jid, _)| !named.insert(jid)) {
        return Err(BusError::bad_request(format!("{twice} is named twice")));
    }
    let mut rejected = Vec::new();
    let mut result = applied(&facts.affiliations, &entries);
    if !has_owner(&result) {
        if !is_partial {
            return Err(BusError::bad_request("a node keeps at least one owner"));
        }
        entries.retain(|(jid, _)| {
            let is_owner = facts.affiliations.of(jid) == Affiliation::Owner;
            if is_owner {
                rejected.push((jid.clone(), Affiliation::Owner));
            }
            !is_owner
        });
        result = applied(&facts.affiliations, &entries);
    }
    if result.len() > limits.node_affiliations_max {
        return Err(BusError::LimitReached(LimitKind::Affiliations));
    }
    Ok(Change { entries, result, rejected })
}

/// What becomes of a subscription that waits for approval when its address gets this affiliation (§8.7.4): `None` if it
/// goes on waiting.
pub fn settles_pending(affiliation: Affiliation) -> Option<Approval> {
    match affiliation {
        Affiliation::Owner | Affiliation::Publisher | Affiliation::Member => Some(Approval::Granted),
        Affiliation::Outcast => Some(Approval::Denied),
        Affiliation::PublishOnly | Affiliation::None => None,
    }
}

/// What becomes of a subscription that waits for an owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Approval {
    /// Events are due from now on.
    Granted,
    /// It ends.
    Denied,
}

/// Decides whether an actor may read the list of affiliations (§8.9.1).
pub fn decide_reading(facts: &NodeFacts, actor: &Actor) -> Result<(), BusError> {
    may(facts, actor, Action::Affiliate)
}

fn applied(affiliations: &Affiliations, entries: &[(BareJid, Affiliation)]) -> Affiliations {
    let mut result = affiliations.clone();
    for (jid, affiliation) in entries {
        result.set(jid.clone(), *affiliation);
    }
    result
}

fn has_owner(affiliations: &Affiliations) -> bool {
    affiliations.iter().any(|(_, affiliation)| affiliation == Affiliation::Owner)
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
        let request = Request { entries: entries.clone(), is_partial: false };
        let change = decide(&facts::sample(), &actor, request, &limits)?;
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
    fn the_last_owner_stays_while_others_change() {
        use Affiliation::{Member, Owner};
        let entries = [(bare("owner@example.org"), Member), (bare("a@example.org"), Member)];
        let owner = Actor::new(bare("owner@example.org"), Role::User);
        let request = Request { entries: entries.to_vec(), is_partial: true };
        let change = decide(&facts::sample(), &owner, request, &Limits::default()).unwrap();
        assert_eq!(change.rejected, [(bare("owner@example.org"), Owner)]);
        assert_eq!(change.entries, entries[1..]);
        assert_eq!(change.result.of(&bare("owner@example.org")), Owner);
        let nothing = Request { entries: Vec::new(), is_partial: true };
        assert!(decide(&facts::sample(), &owner, nothing, &Limits::default()).is_ok());
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
