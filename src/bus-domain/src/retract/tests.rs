use super::*;
use crate::{Affiliation, PublishModel, Role, facts};

fn id(text: &str) -> ItemId {
    ItemId::new(text).unwrap()
}

fn actor(jid: &str) -> Actor {
    Actor::new(Jid::new(jid).unwrap(), Role::User)
}

fn stored(name: &str, publisher: &str) -> StoredItem {
    StoredItem { id: id(name), seq: 1, publisher: Jid::new(publisher).unwrap(), published_at_ms: 0 }
}

fn request(names: &[&str], notify: Option<bool>) -> Request {
    Request { item_ids: names.iter().map(|name| id(name)).collect(), notify }
}

fn check(jid: &str, names: &[&str], items: &[StoredItem]) -> Result<(), BusError> {
    let mut facts = facts::sample();
    facts.config.publish_model = PublishModel::Open;
    facts.affiliations_mut().set(BareJid::new("device@example.org").unwrap(), Affiliation::PublishOnly);
    facts.affiliations_mut().set(BareJid::new("banned@example.org").unwrap(), Affiliation::Outcast);
    let retraction = decide(&facts, &actor(jid), request(names, None), &Limits::default())?;
    settle(&retraction, items)
}

#[test]
fn owners_retract_anything_and_others_their_own() {
    let items = [stored("a", "device@example.org/x"), stored("b", "other@example.org")];
    assert_eq!(check("owner@example.org/phone", &["a", "b", "a"], &items), Ok(()));
    assert_eq!(check("device@example.org/y", &["a"], &items), Ok(()), "the resource does not matter");
    assert_eq!(check("device@example.org", &["a", "b"], &items), Err(BusError::Forbidden));
    assert_eq!(check("banned@example.org", &["a"], &items), Err(BusError::Forbidden));
}

#[test]
fn every_item_must_be_there() {
    let items = [stored("a", "owner@example.org")];
    assert_eq!(check("owner@example.org", &["a", "b"], &items), Err(BusError::ItemNotFound));
    assert_eq!(check("owner@example.org", &[], &items), Err(BadRequest::ItemRequired.into()));
}

#[test]
fn where_no_items_are_kept_there_is_nothing_to_take_back() {
    let mut facts = facts::sample();
    facts.config.persist_items = false;
    for (jid, expected) in [
        ("owner@example.org", BusError::Unsupported(Feature::PersistentItems)),
        ("stranger@example.org", BusError::Forbidden),
    ] {
        let decision = decide(&facts, &actor(jid), request(&["a"], None), &Limits::default());
        assert_eq!(decision, Err(expected), "{jid}");
    }
}

#[test]
fn who_is_told_is_up_to_the_request_and_else_to_the_node() {
    let mut facts = facts::sample();
    for (node, asked, expected) in
        [(false, None, false), (true, None, true), (false, Some(true), true), (true, Some(false), false)]
    {
        facts.config.notify_retract = node;
        let decision =
            decide(&facts, &actor("owner@example.org"), request(&["a"], asked), &Limits::default()).unwrap();
        assert_eq!(decision.notify, expected, "{node} {asked:?}");
    }
}
