//! Manage subscriptions: may the actor, and what becomes of the subscriptions of others.

use std::collections::{HashMap, HashSet};

use jid::Jid;

use crate::access::{Action, may};
use crate::unsubscribe::SubIdGiven;
use crate::{Actor, Affiliation, BusError, Limits, NodeFacts, Role, Subscription, SubscriptionState};

/// A request to change subscriptions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// What is wanted of which subscriptions.
    pub entries: Vec<Entry>,
    /// Whether only subscriptions that wait for approval are meant: an answer to a request for one.
    pub is_approval: bool,
}

/// What is wanted for an address, or for one of its subscriptions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The address.
    pub jid: Jid,
    /// Which of its subscriptions; `None` means all of them.
    pub sub_id: SubIdGiven,
    /// What is wanted.
    pub wanted: Wanted,
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
    /// What is wanted of which subscriptions.
    pub entries: Vec<Entry>,
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
    check_repeats(&entries)?;
    let is_barred = |jid: &&Jid| {
        let affiliation = facts.affiliations.of(&jid.to_bare());
        matches!(affiliation, Affiliation::Outcast | Affiliation::PublishOnly)
    };
    let barred = entries.iter().map(|entry| &entry.jid).filter(is_barred).cloned().collect();
    let may_add = actor.role() == Role::Admin && !is_approval;
    Ok(Managing { entries, barred, may_add, is_approval, node_max: limits.node_subscriptions_max })
}

/// Decides whether an actor may read the list of subscriptions (§8.8.1).
pub fn decide_reading(facts: &NodeFacts, actor: &Actor) -> Result<(), BusError> {
    may(facts, actor, Action::ManageSubscriptions)
}

/// Decides on the subscriptions that there are for these addresses, and on how many there are in all.
pub fn settle(managing: &Managing, existing: &[Subscription], in_all: u64) -> Managed {
    let mut of_address: HashMap<&Jid, Vec<&Subscription>> = HashMap::new();
    for subscription in existing {
        of_address.entry(&subscription.jid).or_default().push(subscription);
    }
    let mut managed = Managed::default();
    let mut settled = HashSet::new();
    for entry in &managing.entries {
        let there = of_address.get(&entry.jid).map(Vec::as_slice).unwrap_or_default();
        let has_sub_ids = there.iter().any(|it| it.sub_id.is_some());
        let meant: Vec<_> = there.iter().copied().filter(|it| entry.is_about(it, has_sub_ids)).collect();
        if meant.is_empty() {
            managed.settle_absent(managing, entry, in_all);
        }
        // Several SubIDs may be given for an address that has none: each subscription is dealt with once.
        for subscription in meant.into_iter().filter(|it| settled.insert(it.id)) {
            managed.settle_present(managing, entry, subscription);
        }
    }
    managed
}

impl Managed {
    fn settle_absent(&mut self, managing: &Managing, entry: &Entry, in_all: u64) {
        let may_add = managing.may_add
            && entry.sub_id.is_none()
            && !managing.barred.contains(&entry.jid)
            && in_all + (self.added.len() as u64) < managing.node_max;
        match entry.wanted {
            _ if managing.is_approval => {}
            Wanted::Ended => {}
            Wanted::Subscribed if may_add => self.added.push(entry.jid.clone()),
            Wanted::Subscribed | Wanted::Impossible => self.rejected.push((entry.jid.clone(), None)),
        }
    }

    fn settle_present(&mut self, managing: &Managing, entry: &Entry, there: &Subscription) {
        let is_pending = there.state == SubscriptionState::Pending;
        let is_barred = managing.barred.contains(&entry.jid);
        match entry.wanted {
            _ if managing.is_approval && !is_pending => {}
            Wanted::Ended => self.ended.push(there.clone()),
            Wanted::Subscribed if !is_pending => {}
            Wanted::Subscribed if !is_barred => self.approved.push(there.clone()),
            Wanted::Subscribed | Wanted::Impossible => {
                self.rejected.push((entry.jid.clone(), Some(there.state)));
            }
        }
    }
}

impl Entry {
    /// About how many bytes it takes while it waits.
    pub fn weight_bytes(&self) -> usize {
        self.jid.as_str().len() + self.sub_id.as_ref().map_or(0, String::len)
    }

    /// Whether it is about this subscription of its address. A SubID is looked at where the address has some.
    fn is_about(&self, subscription: &Subscription, has_sub_ids: bool) -> bool {
        match (&self.sub_id, subscription.sub_id) {
            (Some(given), Some(sub_id)) => *given == sub_id.0.to_string(),
            (Some(_), None) => !has_sub_ids,
            (None, _) => true,
        }
    }
}

/// Nothing is wanted twice of one subscription.
fn check_repeats(entries: &[Entry]) -> Result<(), BusError> {
    let mut named: HashMap<&Jid, HashSet<Option<&str>>> = HashMap::new();
    for Entry { jid, sub_id, .. } in entries {
        let before = named.entry(jid).or_default();
        let is_repeated = before.contains(&None) || (sub_id.is_none() && !before.is_empty());
        if is_repeated || !before.insert(sub_id.as_deref()) {
            return Err(BusError::bad_request(format!("{jid} is named twice")));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
