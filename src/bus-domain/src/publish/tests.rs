use jid::BareJid;

use super::*;
use crate::{Affiliation, Role, facts};

fn actor(jid: &str) -> Actor {
    Actor::new(BareJid::new(jid).unwrap(), Role::User)
}

fn item(id: Option<&str>, payload: Option<&str>) -> NewItem {
    NewItem { id: id.map(|id| ItemId::new(id).unwrap()), payload: payload.map(Payload::from_serialised) }
}

fn check(items: Vec<NewItem>) -> Result<Vec<(String, bool)>, BusError> {
    let limits = Limits { payload_bytes_max: 8, request_items_max: 2, ..Limits::default() };
    let mut made = 0;
    let next_id = || {
        made += 1;
        ItemId::new(&format!("made-{made}")).unwrap()
    };
    let publication = decide(
        &facts::sample(),
        &actor("owner@example.org"),
        Request { items, ..Request::default() },
        &limits,
        next_id,
    )?;
    Ok(publication.items.into_iter().map(|item| (item.id.as_str().to_owned(), item.id_generated)).collect())
}

#[test]
fn ids_are_kept_or_made() {
    let items = vec![item(Some("mine"), Some("<a/>")), item(None, Some("<a/>"))];
    assert_eq!(check(items), Ok(vec![("mine".to_owned(), false), ("made-1".to_owned(), true)]));
}

#[test]
fn wrong_items_are_refused() {
    assert_eq!(check(vec![]), Err(BadRequest::ItemRequired.into()));
    assert_eq!(check(vec![item(None, None)]), Err(BadRequest::PayloadRequired.into()));
    assert_eq!(check(vec![item(None, Some("<longer/>"))]), Err(BusError::PayloadTooBig { bytes_max: 8 }));
    assert_eq!(check(vec![item(None, Some("<a/>")); 3]), Err(BusError::TooManyItems { items_max: 2 }));
}

#[test]
fn a_request_never_holds_more_than_the_node_keeps() {
    let mut facts = facts::sample();
    facts.config.items_max = 1;
    let request = Request { items: vec![item(None, Some("<a/>")); 2], ..Request::default() };
    let decision = decide(&facts, &actor("owner@example.org"), request, &Limits::default(), || {
        ItemId::new("made").unwrap()
    });
    assert_eq!(decision, Err(BusError::TooManyItems { items_max: 1 }));
    facts.config.persist_items = false;
    let request = Request { items: vec![item(None, Some("<a/>")); 2], ..Request::default() };
    let decision = decide(&facts, &actor("owner@example.org"), request, &Limits::default(), || {
        ItemId::new("made").unwrap()
    });
    assert!(decision.is_ok(), "what is not kept needs no room");
}

#[test]
fn only_who_may_publishes() {
    let mut facts = facts::sample();
    facts.affiliations_mut().set(BareJid::new("banned@example.org").unwrap(), Affiliation::Outcast);
    for (jid, expected) in [
        ("owner@example.org", Ok(())),
        ("stranger@example.org", Err(BusError::Forbidden)),
        ("banned@example.org", Err(BusError::Forbidden)),
    ] {
        let request = Request { items: vec![item(Some("a"), Some("<a/>"))], ..Request::default() };
        let decision = decide(&facts, &actor(jid), request, &Limits::default(), || unreachable!());
        assert_eq!(decision.map(drop), expected, "{jid}");
    }
}

#[test]
fn where_subscribers_publish_the_transaction_looks_for_a_subscription() {
    let mut facts = facts::sample();
    facts.config.publish_model = crate::PublishModel::Subscribers;
    facts.affiliations_mut().set(BareJid::new("banned@example.org").unwrap(), Affiliation::Outcast);
    let check = |name: &str| {
        let request = Request { items: vec![item(Some("a"), Some("<a/>"))], ..Request::default() };
        let next_id = || ItemId::new("made").unwrap();
        let decided = decide(&facts, &actor(name), request, &Limits::default(), next_id);
        decided.map(|publication| publication.only_if_subscribed.is_some())
    };
    assert_eq!(check("owner@example.org"), Ok(false));
    assert_eq!(check("a@example.org"), Ok(true));
    assert_eq!(check("banned@example.org"), Err(BusError::Forbidden));

    let address = Jid::new("a@example.org").unwrap();
    let of_state = |state| Subscription::new(crate::SubscriptionId(1), address.clone(), state, 0);
    assert_eq!(settle(&[of_state(SubscriptionState::Subscribed)], 0), Ok(()));
    assert_eq!(settle(&[of_state(SubscriptionState::Pending)], 0), Err(BusError::Forbidden));
    assert_eq!(settle(&[], 0), Err(BusError::Forbidden));
}

#[test]
fn a_full_node_refuses_or_takes_back_its_oldest_items() {
    use crate::WhenItemsFull::{DiscardOldest, Reject, RetractOldest};
    let mut facts = facts::sample();
    facts.config.items_max = 3;
    let stored = |id: &str| StoredItem {
        id: ItemId::new(id).unwrap(),
        seq: 1,
        publisher: Jid::new("a@example.org").unwrap(),
        published_at_ms: 5,
    };
    let settled_with =
        |when_items_full, ids: &[&str], item_count, there: &[StoredItem], expired_through_ms| {
            let mut facts = facts.clone();
            facts.config.when_items_full = when_items_full;
            let item = |id: &&str| NewItem {
                id: Some(ItemId::new(id).unwrap()),
                payload: Some(Payload::from_serialised("<a xmlns='urn:a'/>")),
            };
            let request = Request { items: ids.iter().map(item).collect(), ..Request::default() };
            let next_id = || ItemId::new("x").unwrap();
            let owner = Actor::new(Jid::new("owner@example.org").unwrap(), crate::Role::User);
            let publication = decide(&facts, &owner, request, &Limits::default(), next_id).unwrap();
            let room = settle_room(&publication, item_count, there)?;
            let pushed_out = (0..room).map(|number| stored(&number.to_string())).collect();
            let taken_back = settle_pushed_out(&publication, pushed_out, expired_through_ms)?;
            Ok((room, taken_back.len()))
        };
    let settled = |when_items_full, ids: &[&str], item_count, there: &[StoredItem]| {
        settled_with(when_items_full, ids, item_count, there, None)
    };
    assert_eq!(settled(DiscardOldest, &["a"], 3, &[]), Ok((0, 0)));
    assert_eq!(settled(Reject, &["a"], 3, &[]), Err(BusError::NodeFull));
    assert_eq!(settled(Reject, &["a"], 3, &[stored("a")]), Ok((0, 0)), "overwritten");
    assert_eq!(settled(Reject, &["a", "a", "b"], 1, &[]), Ok((0, 0)), "one id is one item");
    assert_eq!(settled(Reject, &["a", "b"], 2, &[]), Err(BusError::NodeFull));
    assert_eq!(settled(Reject, &["a"], 9, &[stored("a")]), Ok((0, 0)), "over a bound that was lowered");
    assert_eq!(settled_with(Reject, &["a"], 3, &[], Some(5)), Ok((1, 0)), "what has expired makes room");
    assert_eq!(settled_with(Reject, &["a"], 3, &[], Some(4)), Err(BusError::NodeFull));
    assert_eq!(settled_with(Reject, &["a"], 4, &[], Some(5)), Err(BusError::NodeFull), "more must go");

    assert_eq!(settled(RetractOldest, &["a", "b"], 1, &[]), Ok((0, 0)));
    assert_eq!(settled(RetractOldest, &["a", "b"], 3, &[stored("a")]), Ok((1, 1)));
    assert_eq!(settled(RetractOldest, &["a"], 9, &[]), Ok((1, 1)), "one for each that comes");
    assert_eq!(settled_with(RetractOldest, &["a"], 3, &[], Some(5)), Ok((1, 0)), "it has gone by itself");
}

#[test]
fn a_node_that_only_tells_takes_a_publish_without_an_item() {
    let mut facts = facts::sample();
    (facts.config.persist_items, facts.config.deliver_payloads) = (false, false);
    let check = |items: Vec<NewItem>| {
        let request = Request { items, ..Request::default() };
        let next_id = || ItemId::new("x").unwrap();
        let decided = decide(&facts, &actor("owner@example.org"), request, &Limits::default(), next_id);
        decided.map(|publication| publication.items.len())
    };
    assert_eq!(check(Vec::new()), Ok(1), "an event");
    for forbidden in [item(None, None), item(Some("1"), Some("<a xmlns='urn:a'/>"))] {
        assert_eq!(check(vec![forbidden]), Err(BadRequest::ItemForbidden.into()));
    }
}
