use super::*;
use crate::{AccessModel, Role, SubscriptionId, SubscriptionState, facts};

fn jid(text: &str) -> Jid {
    Jid::new(text).unwrap()
}

fn check(actor: &str, subscriber: &str) -> Result<(), BusError> {
    let actor = Actor::new(jid(actor), Role::User);
    decide(&facts::sample(), &actor, jid(subscriber), &Limits::default()).map(drop)
}

fn subscription(number: i64, at: &str) -> Subscription {
    Subscription {
        id: SubscriptionId(number),
        jid: jid(at),
        state: SubscriptionState::Subscribed,
        since_seq: 0,
    }
}

#[test]
fn one_subscribes_ones_own_addresses_only() {
    assert_eq!(check("a@example.org/phone", "a@example.org"), Ok(()));
    assert_eq!(check("a@example.org/phone", "a@example.org/desktop"), Ok(()));
    assert_eq!(check("a@example.org/phone", "b@example.org"), Err(BusError::ForeignJid));
}

#[test]
fn a_closed_node_admits_listed_entities_only() {
    let mut facts = facts::sample();
    facts.config.access_model = AccessModel::Whitelist;
    let stranger = Actor::new(jid("a@example.org"), Role::User);
    let decision = decide(&facts, &stranger, jid("a@example.org"), &Limits::default());
    assert_eq!(decision, Err(BusError::ClosedNode));
}

#[test]
fn asking_twice_answers_with_what_there_is() {
    let subscribing = Subscribing {
        jid: jid("a@example.org"),
        state: SubscriptionState::Subscribed,
        may_begin: true,
        per_jid_max: 2,
        node_max: 10,
    };
    let own = subscription(4, "a@example.org");
    let other = subscription(5, "a@example.org/phone");
    let settled = |of_bare: &[&Subscription], in_all| {
        let of_bare = of_bare.iter().map(|&subscription| subscription.clone()).collect();
        settle(&subscribing, &Existing { of_bare, health: Vec::new(), in_all })
    };
    assert_eq!(settled(&[], 0), Ok(Settled::New));
    assert_eq!(settled(&[&other], 1), Ok(Settled::New), "another resource is another subscription");
    assert_eq!(settled(&[&other, &own], 2), Ok(Settled::Already(own.clone())));
    assert_eq!(settled(&[&other, &other], 2), Err(BusError::LimitReached(LimitKind::Subscriptions)));
    assert_eq!(settled(&[], 10), Err(BusError::LimitReached(LimitKind::Subscriptions)));
    assert_eq!(settled(&[&own], 10), Ok(Settled::Already(own.clone())), "no limit on what exists");
}

#[test]
fn who_subscribes_again_is_alive() {
    let subscribing = Subscribing {
        jid: jid("a@example.org"),
        state: SubscriptionState::Subscribed,
        may_begin: true,
        per_jid_max: 2,
        node_max: 10,
    };
    let own = subscription(4, "a@example.org");
    let failing = Health { failures: Some(Failures { since_ms: 5, through_seq: 7 }), is_parked: false };
    let parked = Health { is_parked: true, ..failing };
    for (health, expected) in [
        (Health::default(), Settled::Already(own.clone())),
        (failing, Settled::Revived(own.clone())),
        (parked, Settled::Revived(own.clone())),
    ] {
        let existing = Existing { of_bare: vec![own.clone()], health: vec![(own.id, health)], in_all: 1 };
        assert_eq!(settle(&subscribing, &existing), Ok(expected), "{health:?}");
    }
}

#[test]
fn where_an_owner_decides_one_waits_for_it() {
    let mut facts = facts::sample();
    facts.config.access_model = AccessModel::Authorize;
    facts.affiliations_mut().set(jid("member@example.org").to_bare(), crate::Affiliation::Member);
    let state = |facts: &NodeFacts, name: &str| {
        let actor = Actor::new(jid(name), Role::User);
        decide(facts, &actor, jid(name), &Limits::default()).unwrap().state
    };
    assert_eq!(state(&facts, "a@example.org"), SubscriptionState::Pending);
    assert_eq!(state(&facts, "member@example.org"), SubscriptionState::Subscribed);

    let pending = Subscription { state: SubscriptionState::Pending, ..subscription(4, "a@example.org") };
    let existing = Existing { of_bare: vec![pending.clone()], health: Vec::new(), in_all: 1 };
    let settled = |state| {
        let asked =
            Subscribing { jid: jid("a@example.org"), state, may_begin: true, per_jid_max: 2, node_max: 10 };
        settle(&asked, &existing)
    };
    assert_eq!(settled(SubscriptionState::Pending), Err(BusError::SubscriptionPending));
    assert_eq!(settled(SubscriptionState::Subscribed), Ok(Settled::Approved(pending.clone())));
}

#[test]
fn a_node_that_takes_no_new_subscriptions_keeps_those_that_there_are() {
    let mut facts = facts::sample();
    facts.config.allow_subscriptions = false;
    let actor = Actor::new(jid("a@example.org"), Role::User);
    let subscribing = decide(&facts, &actor, jid("a@example.org"), &Limits::default()).unwrap();
    let existing = |of_bare| Existing { of_bare, health: Vec::new(), in_all: 1 };
    assert_eq!(settle(&subscribing, &existing(vec![])), Err(BusError::Unsupported(Feature::Subscribe)));
    let there = subscription(4, "a@example.org");
    assert_eq!(settle(&subscribing, &existing(vec![there.clone()])), Ok(Settled::Already(there)));
}
