//! What something weighs is what is in it, so that a bound on bytes is one.

use crate::manage_subscriptions::{Entry, Wanted};
use crate::{
    About, AccessModel, BareJid, Epoch, Event, EventKind, ItemId, Jid, NodeId, NodeName, Payload,
    RedirectUri, Roster, RosterEntry, Setting, Source,
};

const LONG: &str = "0123456789";

/// What ten bytes more weigh.
fn more<T>(make: impl Fn(&str) -> T, weigh: impl Fn(&T) -> usize) -> usize {
    weigh(&make(&LONG.repeat(2))) - weigh(&make(LONG))
}

fn jid(local: &str) -> Jid {
    Jid::new(&format!("{local}@example.org")).unwrap()
}

fn event(item_id: &str, payload: &str, publisher: &str) -> Event {
    let kind = EventKind::Published {
        item_id: ItemId::new(item_id).unwrap(),
        payload: Some(Payload::from_serialised(payload.to_owned())),
    };
    Event {
        seq: 1,
        kind,
        publisher: jid(publisher),
        published_at_ms: 0,
        recipients_version: 1,
        due_after_seq: None,
    }
}

#[test]
fn ten_bytes_more_weigh_ten_bytes_more() {
    let text = |text: &str| Some(text.to_owned());
    let weights = [
        more(|long| event(long, "x", "a"), Event::weight_bytes),
        more(|long| event("i", long, "a"), Event::weight_bytes),
        more(|long| event("i", "x", long), Event::weight_bytes),
        more(|long| deletion(Some(&format!("urn:{long}"))), Event::weight_bytes),
        more(|long| About { title: text(long), ..About::default() }, About::weight_bytes),
        more(|long| About { description: text(long), ..About::default() }, About::weight_bytes),
        more(|long| About { contacts: vec![jid(long)], ..About::default() }, About::weight_bytes),
        more(|long| Setting::Title(text(long)), Setting::weight_bytes),
        more(|long| Setting::PayloadType(text(long)), Setting::weight_bytes),
        more(|long| Setting::RosterGroupsAllowed(vec![long.to_owned()]), Setting::weight_bytes),
        more(|long| Setting::Contacts(vec![jid(long)]), Setting::weight_bytes),
        more(|long| entry(long, None), Entry::weight_bytes),
        more(|long| entry("a", Some(long)), Entry::weight_bytes),
        more(|long| roster(long, &["g"]), Roster::weight_bytes),
        more(|long| roster("a", &[long, "g"]), Roster::weight_bytes),
    ];
    assert_eq!(weights, [LONG.len(); 15]);
}

#[test]
fn an_id_and_a_payload_weigh_the_sum_of_both() {
    let weight = |item_id: &str, payload: &str| event(item_id, payload, "a").weight_bytes();
    let fixed = weight("i", "") - 1;
    assert_eq!(weight(LONG, LONG), fixed + 2 * LONG.len());
}

#[test]
fn the_smallest_weighs_what_holds_it() {
    let smallest = event("i", "", "a").weight_bytes();
    assert!(smallest > 100 && smallest < 1_000, "{smallest}");
    // Lengths of different parts add up: a payload of ten bytes beside an address of so many.
    assert_eq!(event("i", LONG, "a").weight_bytes(), smallest + LONG.len());
    let (one, two) = (roster("a", &["g"]).weight_bytes(), roster("a", &["g", "h"]).weight_bytes());
    assert!(one > 50 && one < 500 && two > one + 1, "{one} {two}");
}

#[test]
fn what_is_said_of_an_event_is_what_is_in_it() {
    let published = event("i", "x", "a").kind;
    assert_eq!(published.item_id().map(ItemId::as_str), Some("i"));
    assert_eq!(published.payload().map(Payload::as_str), Some("x"));
    let retracted = EventKind::Retracted { item_id: ItemId::new("r").unwrap() };
    assert_eq!((retracted.item_id().map(ItemId::as_str), retracted.payload()), (Some("r"), None));
    assert_eq!((EventKind::Purged.item_id(), EventKind::Purged.payload()), (None, None));
    assert_eq!(deletion(Some("urn:a")).kind.redirect().map(RedirectUri::as_str), Some("urn:a"));
    assert_eq!((deletion(None).kind.redirect(), EventKind::Purged.redirect()), (None, None));
    let child = Source {
        node: NodeId(7),
        name: NodeName::new("leaf").unwrap(),
        distance: 1,
        epoch: Epoch(1),
        seq: 9,
        published_at_ms: 0,
        access_model: AccessModel::Open,
    };
    let associated = EventKind::Associated { child: Box::new(child) };
    assert!(
        associated.origin().is_some() && EventKind::Purged.origin().is_none(),
        "what a store keeps of it"
    );
}

fn deletion(uri: Option<&str>) -> Event {
    let redirect = uri.map(|uri| RedirectUri::new(uri).unwrap());
    Event { kind: EventKind::Deleted { redirect }, ..event("i", "x", "a") }
}

fn entry(local: &str, sub_id: Option<&str>) -> Entry {
    Entry { jid: jid(local), sub_id: sub_id.map(str::to_owned), wanted: Wanted::Ended }
}

fn roster(local: &str, groups: &[&str]) -> Roster {
    let mut roster = Roster::default();
    let groups = groups.iter().map(ToString::to_string).collect();
    let contact = BareJid::new(&format!("{local}@example.org")).unwrap();
    roster.add(contact, RosterEntry { groups, ..RosterEntry::default() });
    roster
}
