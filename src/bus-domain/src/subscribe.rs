//! Subscribe: may the actor, and is there a subscription already.

use jid::{BareJid, Jid};

use crate::access::{Action, may};
use crate::bounce::Failures;
use crate::{
    Actor, BusError, Feature, LimitKind, Limits, NodeFacts, Subscription, SubscriptionId, SubscriptionState,
};

/// A subscription that the node's rules allow; whether there is one already is settled in the transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subscribing {
    /// Where notifications are to go.
    pub jid: Jid,
    /// Whether an owner is asked first.
    pub state: SubscriptionState,
    /// Whether the node takes new subscriptions (`pubsub#subscribe`); those that there are stay, and may be revived.
    pub may_begin: bool,
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
    /// How delivery to them goes, where it does not go well.
    pub health: Vec<(SubscriptionId, Health)>,
    /// Subscriptions to the node in all.
    pub in_all: u64,
}

/// How delivery to a subscription goes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Health {
    /// Notifications that came back, without a delivery in between.
    pub failures: Option<Failures>,
    /// Nothing is sent until the subscriber shows a sign of life.
    pub is_parked: bool,
}

/// What a settled request leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Settled {
    /// A new subscription.
    New,
    /// The address is subscribed; its state is the answer (XEP-0060 §6.1.6).
    Already(Subscription),
    /// As before, and its failures are forgotten: whoever asks is alive. A parked one gets events again.
    Revived(Subscription),
    /// It was pending, and nobody has to be asked any more: a new one takes its place, which begins now.
    Approved(Subscription),
}

/// Decides on the node's rules (XEP-0060 §6.1).
pub fn decide(facts: &NodeFacts, actor: &Actor, jid: Jid, limits: &Limits) -> Result<Subscribing, BusError> {
    if !is_own(actor, &jid.to_bare()) {
        return Err(BusError::ForeignJid);
    }
    may(facts, actor, Action::Subscribe)?;
    let state = match may(facts, actor, Action::SubscribeAtOnce) {
        Ok(()) => SubscriptionState::Subscribed,
        Err(_) => SubscriptionState::Pending,
    };
    Ok(Subscribing {
        jid,
        state,
        may_begin: facts.config.allow_subscriptions,
        per_jid_max: limits.node_subscriptions_per_jid_max,
        node_max: limits.node_subscriptions_max,
    })
}

/// Decides on the subscriptions that exist.
pub fn settle(subscribing: &Subscribing, existing: &Existing) -> Result<Settled, BusError> {
    if let Some(already) = existing.of_bare.iter().find(|subscription| subscription.jid == subscribing.jid) {
        match (already.state, subscribing.state) {
            (SubscriptionState::Subscribed, _) => {}
            (SubscriptionState::Pending, SubscriptionState::Pending) => {
                return Err(BusError::SubscriptionPending);
            }
            (SubscriptionState::Pending, SubscriptionState::Subscribed) => {
                return Ok(Settled::Approved(already.clone()));
            }
        }
        let is_well = existing.health_of(already.id) == Health::default();
        let settled = if is_well { Settled::Already } else { Settled::Revived };
        return Ok(settled(already.clone()));
    }
    if !subscribing.may_begin {
        return Err(BusError::Unsupported(Feature::Subscribe));
    }
    if existing.of_bare.len() >= subscribing.per_jid_max || existing.in_all >= subscribing.node_max {
        return Err(BusError::LimitReached(LimitKind::Subscriptions));
    }
    Ok(Settled::New)
}

impl Existing {
    /// How delivery to one of the subscriptions goes.
    pub fn health_of(&self, subscription: SubscriptionId) -> Health {
        let known = self.health.iter().find(|(id, _)| *id == subscription);
        known.map(|(_, health)| *health).unwrap_or_default()
    }
}

/// Nobody is subscribed by somebody else: no amplification.
fn is_own(actor: &Actor, jid: &BareJid) -> bool {
    actor.bare() == jid
}

#[cfg(test)]
mod tests;
