//! Subscribe: may the actor, and is there a subscription already.

use jid::{BareJid, Jid};

use crate::access::{Action, may};
use crate::bounce::Failures;
use crate::{
    Actor, BusError, Feature, LimitKind, Limits, NodeFacts, OptionSetting, Subscription, SubscriptionId,
    SubscriptionOptions, SubscriptionState,
};

/// A request to subscribe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Where notifications are to go.
    pub jid: Jid,
    /// Options that are not to be the defaults.
    pub options: Vec<OptionSetting>,
}

impl From<Jid> for Request {
    fn from(jid: Jid) -> Self {
        Self { jid, options: Vec::new() }
    }
}

/// A subscription that the node's rules allow; whether there is one already is settled in the transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subscribing {
    /// What is wanted.
    pub request: Request,
    /// Whether an owner is asked first.
    pub state: SubscriptionState,
    /// Whether the node takes new subscriptions (`pubsub#subscribe`); those that there are stay, and may be revived.
    pub may_begin: bool,
    /// Whether the address may have several, told apart by SubIDs.
    pub multi_subscribe: bool,
    /// Whether the node is a collection, of which one address needs each type of subscription once.
    pub is_collection: bool,
    /// The operator's bounds.
    pub limits: Limits,
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
    New(SubscriptionOptions),
    /// The address is subscribed; its state is the answer (XEP-0060 §6.1.6).
    Already(Subscription),
    /// As before, or with the options of the request, and its failures are forgotten: whoever asks is alive. A parked one
    /// gets events again.
    Continued(Subscription),
    /// A new one takes its place, which begins now: it was pending and nobody has to be asked any more, its lease was
    /// over, or it was silent.
    Replaced {
        /// What ends.
        ended: Subscription,
        /// How far the new one has come.
        state: SubscriptionState,
        /// The options of the new one.
        options: SubscriptionOptions,
    },
}

/// Decides on the node's rules (XEP-0060 §6.1).
pub fn decide(
    facts: &NodeFacts,
    actor: &Actor,
    request: Request,
    limits: &Limits,
) -> Result<Subscribing, BusError> {
    if !is_own(actor, &request.jid.to_bare()) {
        return Err(BusError::ForeignJid);
    }
    may(facts, actor, Action::Subscribe)?;
    let state = match may(facts, actor, Action::SubscribeAtOnce) {
        Ok(()) => SubscriptionState::Subscribed,
        Err(_) => SubscriptionState::Pending,
    };
    Ok(Subscribing {
        request,
        state,
        may_begin: facts.config.allow_subscriptions,
        multi_subscribe: facts.config.multi_subscribe,
        is_collection: facts.config.is_collection(),
        limits: limits.clone(),
    })
}

/// Decides on the subscriptions that exist.
pub fn settle(subscribing: &Subscribing, existing: &Existing, now_ms: i64) -> Result<Settled, BusError> {
    let Subscribing { request, limits, .. } = subscribing;
    let options = |before: SubscriptionOptions| before.with(&request.options, limits, now_ms);
    if let Some(already) = standing_for(subscribing, existing) {
        let replaced = |state, options| Settled::Replaced { ended: already.clone(), state, options };
        if already.options.has_expired(now_ms) {
            let options = options(SubscriptionOptions::default())?;
            let may_begin = subscribing.may_begin;
            let refused = BusError::Unsupported(Feature::Subscribe);
            return if may_begin { Ok(replaced(subscribing.state, options)) } else { Err(refused) };
        }
        let options = options(already.options)?;
        return match (already.state, subscribing.state) {
            (SubscriptionState::Subscribed, _) => Ok(went_on(already, options, existing)),
            (SubscriptionState::Pending, SubscriptionState::Pending) => Err(BusError::SubscriptionPending),
            (SubscriptionState::Pending, state @ SubscriptionState::Subscribed) => {
                Ok(replaced(state, options))
            }
        };
    }
    if !subscribing.may_begin {
        return Err(BusError::Unsupported(Feature::Subscribe));
    }
    let of_bare = existing.of_bare.iter().filter(|it| !it.options.has_expired(now_ms)).count();
    if of_bare >= limits.node_subscriptions_per_jid_max || existing.in_all >= limits.node_subscriptions_max {
        return Err(BusError::LimitReached(LimitKind::Subscriptions));
    }
    let options = options(SubscriptionOptions::default())?;
    // XEP-0248 §6.1: one of them would include the other.
    let is_the_same = |it: &Subscription| {
        it.jid == request.jid && it.options.subscription_type == options.subscription_type
    };
    let mut there = existing.of_bare.iter().filter(|it| !it.options.has_expired(now_ms));
    if subscribing.is_collection && there.any(is_the_same) {
        return Err(BusError::SubscriptionExists);
    }
    Ok(Settled::New(options))
}

/// The subscription that the request would repeat. Where an address may have several, only one that waits for approval,
/// because nobody is asked twice, or one that is parked: whoever comes back has it again.
fn standing_for<'a>(subscribing: &Subscribing, existing: &'a Existing) -> Option<&'a Subscription> {
    let is_meant = |it: &&Subscription| {
        let is_pending = it.state == SubscriptionState::Pending;
        let is_parked = || existing.health_of(it.id).is_parked;
        it.jid == subscribing.request.jid && (!subscribing.multi_subscribe || is_pending || is_parked())
    };
    existing.of_bare.iter().find(is_meant)
}

fn went_on(already: &Subscription, options: SubscriptionOptions, existing: &Existing) -> Settled {
    if options.deliver && !already.options.deliver {
        return Settled::Replaced { ended: already.clone(), state: already.state, options };
    }
    let is_well = existing.health_of(already.id) == Health::default();
    if is_well && options == already.options {
        return Settled::Already(already.clone());
    }
    Settled::Continued(Subscription { options, ..already.clone() })
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
