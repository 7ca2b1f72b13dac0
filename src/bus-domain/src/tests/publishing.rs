//! What a node takes, by how it is configured.

use crate::idempotency::{IdempotencyKey, Once};
use crate::publish::{self, ExpectedHead, NewItem, Overflow, Request};
use crate::{
    AccessModel, Actor, BusError, Durability, Feature, ItemId, Limits, NodeConfig, NodeType, Payload, Role,
    SendLastItem, Setting, Show, ShowValues, WhenItemsFull,
};

use super::sample::{actor, node, owner};

fn request() -> Request {
    let payload = Some(Payload::from_serialised("<a xmlns='urn:a'/>"));
    Request { items: vec![NewItem { id: None, payload }], ..Request::default() }
}

fn made() -> ItemId {
    ItemId::new("made").unwrap()
}

fn publish(config: NodeConfig, request: Request) -> Result<publish::Publication, BusError> {
    publish::decide(&node(config), &owner(), request, &Limits::default(), made)
}

fn publish_new(actor: &Actor, request: Request) -> Result<NodeConfig, BusError> {
    publish::decide_new(actor, request, &Limits::default(), made).map(|(new, _)| new.config)
}

#[test]
fn a_collection_takes_no_items() {
    let collection = NodeConfig { node_type: NodeType::Collection, ..NodeConfig::default() };
    let unsupported = Err(BusError::Unsupported(Feature::Publish));
    assert_eq!(publish(collection, request()).map(drop), unsupported);
    let preconditions = vec![Setting::NodeType(NodeType::Collection)];
    let new = publish_new(&owner_of_new(), Request { preconditions, creates_node: true, ..request() });
    assert_eq!(new.map(drop), unsupported);
}

#[test]
fn each_condition_of_a_publish_has_to_hold() {
    let with = |preconditions| Request { preconditions, ..request() };
    let open = vec![Setting::AccessModel(AccessModel::Open)];
    let closed = vec![Setting::AccessModel(AccessModel::Whitelist)];
    assert!(publish(NodeConfig::default(), with(open.clone())).is_ok());
    let unmet = Err(BusError::PreconditionNotMet);
    assert_eq!(publish(NodeConfig::default(), with(closed)).map(drop), unmet);
    let unmeetable = Request { unmeetable: Some(BusError::Internal), ..with(open) };
    assert_eq!(publish(NodeConfig::default(), unmeetable).map(drop), unmet);
}

#[test]
fn a_node_is_made_by_a_publish_that_asks_for_it() {
    let asking = || Request { creates_node: true, ..request() };
    assert_eq!(publish_new(&owner_of_new(), request()), Err(BusError::NodeNotFound));
    assert!(publish_new(&owner_of_new(), asking()).is_ok());
    let unmeetable = Request { unmeetable: Some(BusError::Internal), ..asking() };
    assert_eq!(publish_new(&owner_of_new(), unmeetable), Err(BusError::Internal));
}

#[test]
fn a_node_that_is_made_has_an_empty_log() {
    let expecting = |seq| {
        let expected_head = Some(ExpectedHead { seq, epoch: None });
        publish_new(&owner_of_new(), Request { creates_node: true, expected_head, ..request() })
    };
    assert!(expecting(0).is_ok());
    assert_eq!(expecting(5), Err(BusError::NodeNotFound));
}

#[test]
fn a_repeat_is_known_on_disk_and_not_in_memory() {
    let once = Once { key: IdempotencyKey::new("order-7").unwrap(), content_hash: [0; 32] };
    let with = |durability, once| {
        let config = NodeConfig { durability, ..NodeConfig::default() };
        publish(config, Request { once, ..request() }).map(drop)
    };
    assert_eq!(with(Durability::Fsync, Some(once.clone())), Ok(()));
    assert_eq!(with(Durability::Memory, None), Ok(()));
    assert_eq!(with(Durability::Memory, Some(once)), Err(BusError::RequestIdNotKept));
}

#[test]
fn the_ids_are_shown_of_what_is_there_to_be_shown() {
    let publication = publish(NodeConfig::default(), request()).unwrap();
    assert_eq!(publication.shown_ids(&NodeConfig::default()), [made()]);
    let telling = NodeConfig { deliver_payloads: false, persist_items: false, ..NodeConfig::default() };
    assert_eq!(publication.shown_ids(&telling), []);
}

#[test]
fn a_full_node_minds_by_its_choice_and_only_where_items_are_kept() {
    let with = |when_items_full, persist_items| {
        let config = NodeConfig { when_items_full, persist_items, ..NodeConfig::default() };
        assert_eq!(config.minds_when_full(), publish(config.clone(), request()).unwrap().overflow.is_some());
        publish(config, request()).unwrap().overflow
    };
    assert_eq!(with(WhenItemsFull::DiscardOldest, true), None);
    assert!(matches!(
        with(WhenItemsFull::RetractOldest, true),
        Some(Overflow::Retracted { notify: true, .. })
    ));
    assert!(matches!(with(WhenItemsFull::Reject, true), Some(Overflow::Refused { .. })));
    assert_eq!(with(WhenItemsFull::Reject, false), None);
}

#[test]
fn who_comes_is_sent_the_newest_item_where_the_node_says_so() {
    let with = |send_last_item| NodeConfig { send_last_item, ..NodeConfig::default() };
    let sends = [SendLastItem::Never, SendLastItem::OnSubscribe, SendLastItem::OnSubscribeAndPresence]
        .map(|when| with(when).sends_last_item_on_presence());
    assert_eq!(sends, [false, false, true]);
    let in_memory =
        NodeConfig { durability: Durability::Memory, ..with(SendLastItem::OnSubscribeAndPresence) }.settled();
    assert!(!in_memory.sends_last_item_on_presence());
}

#[test]
fn a_collection_keeps_no_more_than_its_delivery_needs() {
    let collection = NodeConfig { node_type: NodeType::Collection, ..NodeConfig::default() }.settled();
    assert_eq!((collection.history.events_max, collection.persist_items), (Some(1), false));
}

#[test]
fn what_is_listed_twice_counts_once() {
    let groups = vec!["a".to_owned(), "b".to_owned(), "a".to_owned()];
    let config = NodeConfig::default().with(&[Setting::RosterGroupsAllowed(groups)]);
    assert_eq!(config.roster_groups_allowed, ["a", "b"]);
    let shows: ShowValues = vec![Show::Away, Show::Chat, Show::Away].into();
    assert_eq!(
        (shows.allow(Show::Away), shows.allow(Show::Chat), shows.allow(Show::ExtendedAway)),
        (true, true, false)
    );
}

fn owner_of_new() -> Actor {
    actor("owner", Role::Creator)
}
