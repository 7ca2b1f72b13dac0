//! Manage subscriptions: may the actor, and what becomes of the subscriptions of others.

use std::collections::{HashMap, HashSet};

use jid::Jid;

use crate::access::{Action, may};
use crate::{Actor, Affiliation, BusError, Limits, NodeFacts, Role, Subscription, SubscriptionState};

/// A request to change subscriptions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// What is wanted for which address.
    pub entries: Vec<(Jid, Wanted)>,
    /// Whether only subscriptions that wait for approval are meant: an answer to a request for one.
    pub is_approval: bool,
}

/// What is wanted for an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// Events are to be due.
    Subscribed,
    /// There is to be no subscription.
    Ended,
    /// Something that nobody can be given; the others are carried out all the same.
    Impossible,
}

/// A request that the node's rules allow; what it leads to is settled in the transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Managing {
    /// What is wanted for which address.
    pub entries: Vec<(Jid, Wanted)>,
    /// Addresses that may not be subscribed, whoever wants it.
    pub barred: HashSet<Jid>,
    /// Whether addresses may be subscribed that have not asked.
    pub may_add: bool,
    /// Whether only subscriptions that wait for approval are meant.
    pub is_approval: bool,
    /// Bound on subscriptions to the node.
    pub node_max: u64,
}

/// What a request leads to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Managed {
    /// These end.
    pub ended: Vec<Subscription>,
    /// These were pending; a new one takes the place of each, which begins now.
    pub approved: Vec<Subscription>,
    /// These addresses are subscribed although they have not asked.
    pub added: Vec<Jid>,
    /// These cannot be as wanted, and stay as they are (`None`: not subscribed).
    pub rejected: Vec<(Jid, Option<SubscriptionState>)>,
}

/// Decides on the node's rules (XEP-0060 §8.8). Nobody is subscribed without having asked, or anybody could have events
/// sent to anybody; an operator's admin knows what he does.
pub fn decide(
    facts: &NodeFacts,
    actor: &Actor,
    request: Request,
    limits: &Limits,
) -> Result<Managing, BusError> {
    may(facts, actor, Action::ManageSubscriptions)?;
    let Request { entries, is_approval } = request;
    if entries.len() > limits.request_items_max {
        return Err(BusError::TooManyItems { items_max: limits.request_items_max });
    }
    let mut named = HashSet::new();
    if let Some((twice, _)) = entries.iter().find(|(jid, _)| !named.insert(jid)) {
        return Err(BusError::bad_request(format!("{twice} is named twice")));
    }
    let is_barred = |jid: &&Jid| {
        let affiliation = facts.affiliations.of(&jid.to_bare());
        matches!(affiliation, Affiliation::Outcast | Affiliation::PublishOnly)
    };
    let barred = entries.iter().map(|(jid, _)| jid).filter(is_barred).cloned().collect();
    let may_add = actor.role() == Role::Admin && !is_approval;
    Ok(Managing { entries, barred, may_add, is_approval, node_max: limits.node_subscriptions_max })
}

/// Decides whether an actor may read the list of subscriptions (§8.8.1).
pub fn decide_reading(facts: &NodeFacts, actor: &Actor) -> Result<(), BusError> {
    may(facts, actor, Action::ManageSubscriptions)
}

/// Decides on the subscriptions that there are for these addresses, and on how many there are in all.
pub fn settle(managing: &Managing, existing: &[Subscription], in_all: u64) -> Managed {
    let existing: HashMap<&Jid, &Subscription> = existing.iter().map(|it| (&it.jid, it)).collect();
    let mut managed = Managed::default();
    for (jid, wanted) in &managing.entries {
        let there = existing.get(jid).copied();
        let state = there.map(|subscription| subscription.state);
        let is_barred = managing.barred.contains(jid);
        if managing.is_approval && state != Some(SubscriptionState::Pending) {
            continue;
        }
        match (wanted, there) {
            (Wanted::Ended, Some(there)) => managed.ended.push(there.clone()),
            (Wanted::Subscribed, Some(there)) if there.state == SubscriptionState::Pending => {
                if is_barred {
                    managed.rejected.push((jid.clone(), state));
                } else {
                    managed.approved.push(there.clone());
                }
            }
            (Wanted::Ended, None) | (Wanted::Subscribed, Some(_)) => {}
            (Wanted::Subscribed, None)
                if managing.may_add
                    && !is_barred
                    && in_all + (managed.added.len() as u64) < managing.node_max =>
            {
                managed.added.push(jid.clone());
            }
            (Wanted::Subscribed, None) | (Wanted::Impossible, _) => {
                managed.rejected.push((jid.clone(), state));
            }
        }
    }
    managed
}

#[cfg(test)]
mod tests;
