//! Subscribe: may the actor, and is there a subscription already.

use jid::{BareJid, Jid};

use crate::access::{Action, may};
use crate::{Actor, BusError, LimitKind, Limits, NodeFacts, Subscription};

/// A subscription that the node's rules allow; whether there is one already is settled in the transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subscribing {
    /// Where notifications are to go.
    pub jid: Jid,
    /// Bound on subscriptions of one bare JID to the node.
    pub per_jid_max: usize,
    /// Bound on subscriptions to the node.
    pub node_max: u64,
}

/// What the store knows of the subscriber.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Existing {
    /// The subscriptions of all addresses with the same bare JID.
    pub of_bare: Vec<Subscription>,
    /// Subscriptions to the node in all.
    pub in_all: u64,
}

/// What a settled request leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Settled {
    /// A new subscription.
    New,
    /// The address is subscribed; its state is the answer (XEP-0060 §6.1.6).
    Already(Subscription),
}

/// Decides on the node's rules (XEP-0060 §6.1).
pub fn decide(facts: &NodeFacts, actor: &Actor, jid: Jid, limits: &Limits) -> Result<Subscribing, BusError> {
    if !is_own(actor, &jid.to_bare()) {
        return Err(BusError::ForeignJid);
    }
    may(facts, actor, Action::Subscribe)?;
    Ok(Subscribing {
        jid,
        per_jid_max: limits.node_subscriptions_per_jid_max,
        node_max: limits.node_subscriptions_max,
    })
}

/// Decides on the subscriptions that exist.
pub fn settle(subscribing: &Subscribing, existing: Existing) -> Result<Settled, BusError> {
    let Existing { of_bare, in_all } = existing;
    let of_bare_count = of_bare.len();
    if let Some(already) = of_bare.into_iter().find(|subscription| subscription.jid == subscribing.jid) {
        return Ok(Settled::Already(already));
    }
    if of_bare_count >= subscribing.per_jid_max || in_all >= subscribing.node_max {
        return Err(BusError::LimitReached(LimitKind::Subscriptions));
    }
    Ok(Settled::New)
}

/// Nobody is subscribed by somebody else: no amplification.
fn is_own(actor: &Actor, jid: &BareJid) -> bool {
    actor.bare() == jid
}

#[cfg(test)]
mod tests;
