use super::*;
use crate::{AccessModel, Expire, Role, SubscriptionId, SubscriptionState, SubscriptionType, facts};

const NOW_MS: i64 = 1_000_000;

fn jid(text: &str) -> Jid {
    Jid::new(text).unwrap()
}

fn check(actor: &str, subscriber: &str) -> Result<(), BusError> {
    let actor = Actor::new(jid(actor), Role::User);
    decide(&facts::sample(), &actor, request(subscriber), &Limits::default()).map(drop)
}

fn request(subscriber: &str) -> Request {
    jid(subscriber).into()
}

fn subscription(number: i64, at: &str) -> Subscription {
    Subscription::new(SubscriptionId(number), jid(at), SubscriptionState::Subscribed, 0)
}

/// What an address asks that nobody has to be asked about.
fn subscribing(subscriber: &str) -> Subscribing {
    Subscribing {
        request: request(subscriber),
        state: SubscriptionState::Subscribed,
        may_begin: true,
        is_collection: false,
        multi_subscribe: false,
        limits: Limits { node_subscriptions_per_jid_max: 2, node_subscriptions_max: 10, ..Limits::default() },
    }
}

fn new() -> Settled {
    Settled::New(SubscriptionOptions::default())
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
    let decision = decide(&facts, &stranger, request("a@example.org"), &Limits::default());
    assert_eq!(decision, Err(BusError::ClosedNode));
}

#[test]
fn asking_twice_answers_with_what_there_is() {
    let subscribing = subscribing("a@example.org");
    let own = subscription(4, "a@example.org");
    let other = subscription(5, "a@example.org/phone");
    let settled = |of_bare: &[&Subscription], in_all| {
        let of_bare = of_bare.iter().map(|&subscription| subscription.clone()).collect();
        settle(&subscribing, &Existing { of_bare, health: Vec::new(), in_all }, NOW_MS)
    };
    assert_eq!(settled(&[], 0), Ok(new()));
    assert_eq!(settled(&[&other], 1), Ok(new()), "another resource is another subscription");
    assert_eq!(settled(&[&other, &own], 2), Ok(Settled::Already(own.clone())));
    assert_eq!(settled(&[&other, &other], 2), Err(BusError::LimitReached(LimitKind::Subscriptions)));
    assert_eq!(settled(&[], 10), Err(BusError::LimitReached(LimitKind::Subscriptions)));
    assert_eq!(settled(&[&own], 10), Ok(Settled::Already(own.clone())), "no limit on what exists");
}

#[test]
fn who_subscribes_again_is_alive() {
    let subscribing = subscribing("a@example.org");
    let own = subscription(4, "a@example.org");
    let failing = Health { failures: Some(Failures { since_ms: 5, through_seq: 7 }), is_parked: false };
    let parked = Health { is_parked: true, ..failing };
    for (health, expected) in [
        (Health::default(), Settled::Already(own.clone())),
        (failing, Settled::Continued(own.clone())),
        (parked, Settled::Continued(own.clone())),
    ] {
        let existing = Existing { of_bare: vec![own.clone()], health: vec![(own.id, health)], in_all: 1 };
        assert_eq!(settle(&subscribing, &existing, NOW_MS), Ok(expected), "{health:?}");
    }
}

#[test]
fn where_an_owner_decides_one_waits_for_it() {
    let mut facts = facts::sample();
    facts.config.access_model = AccessModel::Authorize;
    facts.affiliations_mut().set(jid("member@example.org").to_bare(), crate::Affiliation::Member);
    let state = |facts: &NodeFacts, name: &str| {
        let actor = Actor::new(jid(name), Role::User);
        decide(facts, &actor, request(name), &Limits::default()).unwrap().state
    };
    assert_eq!(state(&facts, "a@example.org"), SubscriptionState::Pending);
    assert_eq!(state(&facts, "member@example.org"), SubscriptionState::Subscribed);

    let pending = Subscription { state: SubscriptionState::Pending, ..subscription(4, "a@example.org") };
    let existing = Existing { of_bare: vec![pending.clone()], health: Vec::new(), in_all: 1 };
    let settled = |state| {
        let asked = Subscribing { state, ..subscribing("a@example.org") };
        settle(&asked, &existing, NOW_MS)
    };
    assert_eq!(settled(SubscriptionState::Pending), Err(BusError::SubscriptionPending));
    assert_eq!(
        settled(SubscriptionState::Subscribed),
        Ok(Settled::Replaced {
            ended: pending.clone(),
            state: SubscriptionState::Subscribed,
            options: pending.options
        })
    );
}

#[test]
fn a_node_that_takes_no_new_subscriptions_keeps_those_that_there_are() {
    let mut facts = facts::sample();
    facts.config.allow_subscriptions = false;
    let actor = Actor::new(jid("a@example.org"), Role::User);
    let subscribing = decide(&facts, &actor, request("a@example.org"), &Limits::default()).unwrap();
    let existing = |of_bare| Existing { of_bare, health: Vec::new(), in_all: 1 };
    assert_eq!(
        settle(&subscribing, &existing(vec![]), NOW_MS),
        Err(BusError::Unsupported(Feature::Subscribe))
    );
    let there = subscription(4, "a@example.org");
    assert_eq!(settle(&subscribing, &existing(vec![there.clone()]), NOW_MS), Ok(Settled::Already(there)));
}

#[test]
fn where_an_address_may_have_several_each_request_makes_one() {
    let multi = Subscribing { multi_subscribe: true, ..subscribing("a@example.org") };
    let own = subscription(4, "a@example.org");
    let settled = |of_bare: Vec<Subscription>, state| {
        let existing = Existing { of_bare, health: Vec::new(), in_all: 1 };
        settle(&Subscribing { state, ..multi.clone() }, &existing, NOW_MS)
    };
    assert_eq!(settled(vec![own.clone()], SubscriptionState::Subscribed), Ok(new()));
    let full = settled(vec![own.clone(), own.clone()], SubscriptionState::Subscribed);
    assert_eq!(full, Err(BusError::LimitReached(LimitKind::Subscriptions)));
    let pending = Subscription { state: SubscriptionState::Pending, ..own };
    let again = settled(vec![pending], SubscriptionState::Pending);
    assert_eq!(again, Err(BusError::SubscriptionPending), "nobody is asked twice");
}

#[test]
fn options_are_set_with_the_request_and_kept_without() {
    let silent = SubscriptionOptions { deliver: false, ..SubscriptionOptions::default() };
    let own = Subscription { options: silent, ..subscription(4, "a@example.org") };
    let settled = |there: &[Subscription], options: &[OptionSetting]| {
        let mut asked = subscribing("a@example.org");
        asked.request.options = options.to_vec();
        settle(&asked, &Existing { of_bare: there.to_vec(), health: Vec::new(), in_all: 1 }, NOW_MS).unwrap()
    };
    let deliver = |deliver| [OptionSetting::Deliver(deliver)];
    let there = std::slice::from_ref(&own);
    assert_eq!(settled(&[], &deliver(false)), Settled::New(silent));
    assert_eq!(settled(there, &[]), Settled::Already(own.clone()));
    assert_eq!(
        settled(there, &deliver(true)),
        Settled::Replaced {
            ended: own.clone(),
            state: SubscriptionState::Subscribed,
            options: SubscriptionOptions::default()
        },
        "what was not wanted is no gap"
    );
    let lease = [OptionSetting::Expire(Expire::AtMs(NOW_MS + 5))];
    let leased = SubscriptionOptions { expires_at_ms: Some(NOW_MS + 5), ..silent };
    assert_eq!(settled(there, &lease), Settled::Continued(Subscription { options: leased, ..own.clone() }));
}

#[test]
fn a_lease_that_is_over_gives_way_to_a_new_subscription() {
    let over = SubscriptionOptions { expires_at_ms: Some(NOW_MS), ..SubscriptionOptions::default() };
    let own = Subscription { options: over, ..subscription(4, "a@example.org") };
    let existing = Existing { of_bare: vec![own.clone()], health: Vec::new(), in_all: 1 };
    let settled = settle(&subscribing("a@example.org"), &existing, NOW_MS);
    let (state, options) = (SubscriptionState::Subscribed, SubscriptionOptions::default());
    assert_eq!(settled, Ok(Settled::Replaced { ended: own, state, options }));
    let closed = Subscribing { may_begin: false, ..subscribing("a@example.org") };
    assert_eq!(settle(&closed, &existing, NOW_MS), Err(BusError::Unsupported(Feature::Subscribe)));
}

#[test]
fn who_is_approved_stays_so_when_he_wants_events_again() {
    let silent = SubscriptionOptions { deliver: false, ..SubscriptionOptions::default() };
    let own = Subscription { options: silent, ..subscription(4, "a@example.org") };
    let existing = Existing { of_bare: vec![own], health: Vec::new(), in_all: 1 };
    let mut asked = Subscribing { state: SubscriptionState::Pending, ..subscribing("a@example.org") };
    asked.request.options = vec![OptionSetting::Deliver(true)];
    let settled = settle(&asked, &existing, NOW_MS).unwrap();
    assert!(matches!(settled, Settled::Replaced { state: SubscriptionState::Subscribed, .. }), "{settled:?}");
}

#[test]
fn who_comes_back_to_a_node_of_several_has_the_parked_one_again() {
    let multi = Subscribing { multi_subscribe: true, ..subscribing("a@example.org") };
    let own = subscription(4, "a@example.org");
    let parked = Health { is_parked: true, ..Health::default() };
    let existing = Existing { of_bare: vec![own.clone()], health: vec![(own.id, parked)], in_all: 1 };
    assert_eq!(settle(&multi, &existing, NOW_MS), Ok(Settled::Continued(own)));
}

#[test]
fn an_address_is_subscribed_to_a_collection_once_for_each_type() {
    let of_type = |wanted| {
        let mut there = Subscription::new(
            SubscriptionId(3),
            Jid::new("a@example.org").unwrap(),
            SubscriptionState::Subscribed,
            0,
        );
        there.sub_id = Some(SubscriptionId(3));
        there.options.subscription_type = wanted;
        Existing { of_bare: vec![there], health: Vec::new(), in_all: 1 }
    };
    let asked = Subscribing { multi_subscribe: true, is_collection: true, ..subscribing("a@example.org") };
    let settled = |wanted| settle(&asked, &of_type(wanted), NOW_MS);
    assert_eq!(settled(SubscriptionType::Nodes), Err(BusError::SubscriptionExists));
    assert!(matches!(settled(SubscriptionType::Items), Ok(Settled::New(_))));
}
