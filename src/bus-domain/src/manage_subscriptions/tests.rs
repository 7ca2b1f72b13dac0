use super::*;
use crate::{SubscriptionId, facts};

fn jid(text: &str) -> Jid {
    Jid::new(text).unwrap()
}

fn actor(text: &str, role: Role) -> Actor {
    Actor::new(jid(text), role)
}

fn managing(role: Role, is_approval: bool, entries: &[(&str, Wanted)]) -> Managing {
    let mut facts = facts::sample();
    facts.affiliations_mut().set(jid("banned@example.org").to_bare(), Affiliation::Outcast);
    let entries = entries.iter().map(|(address, wanted)| entry(address, *wanted)).collect();
    let limits = Limits { node_subscriptions_max: 3, ..Limits::default() };
    let request = Request { entries, is_approval };
    decide(&facts, &actor("owner@example.org", role), request, &limits).unwrap()
}

fn entry(address: &str, wanted: Wanted) -> Entry {
    Entry { jid: jid(address), sub_id: None, wanted }
}

fn there(address: &str, state: Option<SubscriptionState>) -> Vec<Subscription> {
    let jid = jid(address);
    let subscription = |state| Subscription::new(SubscriptionId(1), jid, state, 0);
    state.map(subscription).into_iter().collect()
}

#[test]
fn owners_manage_and_nobody_else() {
    let request = || Request { entries: Vec::new(), is_approval: false };
    let decided =
        |name, role| decide(&facts::sample(), &actor(name, role), request(), &Limits::default()).map(drop);
    assert_eq!(decided("owner@example.org", Role::User), Ok(()));
    assert_eq!(decided("a@example.org", Role::Creator), Err(BusError::Forbidden));
    assert_eq!(decided("a@example.org", Role::Admin), Ok(()));
}

#[test]
fn each_entry_leads_to_what_its_subscription_lets_it() {
    use SubscriptionState::{Pending, Subscribed};
    for (wanted, state, expected) in [
        (Wanted::Ended, Some(Subscribed), "ended"),
        (Wanted::Ended, Some(Pending), "ended"),
        (Wanted::Ended, None, ""),
        (Wanted::Subscribed, Some(Subscribed), ""),
        (Wanted::Subscribed, Some(Pending), "approved"),
        (Wanted::Subscribed, None, "rejected"),
        (Wanted::Impossible, Some(Subscribed), "rejected"),
        (Wanted::Impossible, None, "rejected"),
    ] {
        let managing = managing(Role::User, false, &[("a@example.org", wanted)]);
        let managed = settle(&managing, &there("a@example.org", state), 2);
        let led_to = [
            ("ended", managed.ended.len()),
            ("approved", managed.approved.len()),
            ("added", managed.added.len()),
            ("rejected", managed.rejected.len()),
        ];
        let led_to: String = led_to.iter().filter(|(_, count)| *count > 0).map(|(name, _)| *name).collect();
        assert_eq!(led_to, expected, "{wanted:?} {state:?}");
    }
}

#[test]
fn an_admin_subscribes_others_within_the_bound_unless_they_are_banned() {
    let wanted =
        ["a@example.org", "banned@example.org", "b@example.org"].map(|name| (name, Wanted::Subscribed));
    let managing = managing(Role::Admin, false, &wanted);
    let managed = settle(&managing, &[], 2);
    assert_eq!(managed.added, [jid("a@example.org")]);
    assert_eq!(managed.rejected, [(jid("banned@example.org"), None), (jid("b@example.org"), None)]);
}

#[test]
fn an_approval_is_about_what_is_pending() {
    let subscribed = there("a@example.org", Some(SubscriptionState::Subscribed));
    for wanted in [Wanted::Ended, Wanted::Subscribed] {
        let managing = managing(Role::Admin, true, &[("a@example.org", wanted)]);
        assert_eq!(settle(&managing, &subscribed, 2), Managed::default());
        assert_eq!(settle(&managing, &[], 2), Managed::default(), "answered late");
    }
}

#[test]
fn nobody_is_named_twice() {
    let named = |sub_id: Option<&str>| Entry {
        sub_id: sub_id.map(str::to_owned),
        ..entry("a@example.org", Wanted::Ended)
    };
    let is_refused = |one, other| {
        let request = Request { entries: vec![named(one), named(other)], is_approval: false };
        let owner = actor("owner@example.org", Role::User);
        matches!(decide(&facts::sample(), &owner, request, &Limits::default()), Err(BusError::BadRequest(_)))
    };
    assert!(is_refused(None, None));
    assert!(is_refused(Some("1"), Some("1")));
    assert!(is_refused(None, Some("1")), "the first one means all of them");
    assert!(is_refused(Some("1"), None));
    assert!(!is_refused(Some("1"), Some("2")));
}

#[test]
fn an_entry_is_about_one_subscription_or_about_all_of_its_address() {
    let numbered = |id| Subscription {
        sub_id: Some(SubscriptionId(id)),
        ..Subscription::new(SubscriptionId(id), jid("a@example.org"), SubscriptionState::Subscribed, 0)
    };
    let existing = [numbered(1), numbered(2)];
    let ended = |sub_id: Option<&str>| {
        let mut managing = managing(Role::User, false, &[("a@example.org", Wanted::Ended)]);
        managing.entries[0].sub_id = sub_id.map(str::to_owned);
        settle(&managing, &existing, 2).ended.iter().map(|it| it.id.0).collect::<Vec<_>>()
    };
    assert_eq!(ended(None), [1, 2]);
    assert_eq!(ended(Some("2")), [2]);
    assert_eq!(ended(Some("3")), [0; 0]);
}

#[test]
fn who_is_banned_is_not_approved() {
    let entries = [("banned@example.org", Wanted::Subscribed)];
    let pending = there("banned@example.org", Some(SubscriptionState::Pending));
    for is_approval in [false, true] {
        let managed = settle(&managing(Role::User, is_approval, &entries), &pending, 2);
        assert_eq!(managed.rejected, [(jid("banned@example.org"), Some(SubscriptionState::Pending))]);
        assert_eq!(managed.approved, []);
    }
}

#[test]
fn many_names_for_one_subscription_mean_it_once() {
    let named =
        |sub_id: &str| Entry { sub_id: Some(sub_id.to_owned()), ..entry("a@example.org", Wanted::Ended) };
    let mut managing = managing(Role::User, false, &[]);
    managing.entries = vec![named("1"), named("2"), named("3")];
    let managed = settle(&managing, &there("a@example.org", Some(SubscriptionState::Subscribed)), 1);
    assert_eq!(managed.ended.len(), 1);
    let plain = there("a@example.org", Some(SubscriptionState::Subscribed)).remove(0);
    let numbered = Subscription { id: SubscriptionId(2), sub_id: Some(SubscriptionId(2)), ..plain.clone() };
    let managed = settle(&managing, &[plain, numbered], 2);
    assert_eq!(managed.ended.iter().map(|it| it.id.0).collect::<Vec<_>>(), [2], "the other one has no SubID");
}
