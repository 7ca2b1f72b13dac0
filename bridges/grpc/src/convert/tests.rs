use std::sync::Arc;

use bus_domain::retention::{History, WhenUndeliveredFull};
use bus_domain::{
    About, AccessModel, Epoch, Jid, MessageType, NodeConfig, NodeId, Payload, ProcessingHint, PublishModel,
    SendLastItem, WhenItemsFull,
};
use tonic_types::StatusExt as _;

use super::*;

fn field_of<Value: std::fmt::Debug>(result: Result<Value, Status>) -> String {
    let details = result.unwrap_err().get_error_details();
    details.bad_request().unwrap().field_violations[0].field.clone()
}

#[test]
fn every_affiliation_comes_back_as_it_went() {
    for affiliation in Affiliation::ALL {
        let number = affiliation_to_message(affiliation).into();
        assert_eq!(affiliation_from_message("a", number).unwrap(), affiliation);
    }
    for number in [0, 7, -1] {
        assert_eq!(
            field_of(affiliation_from_message("entries[0].affiliation", number)),
            "entries[0].affiliation"
        );
    }
}

#[test]
fn a_configuration_comes_back_as_it_went_and_keeps_defaults_where_it_is_silent() {
    let config = NodeConfig {
        access_model: AccessModel::Whitelist,
        publish_model: PublishModel::Open,
        items_max: 7,
        deliver_payloads: false,
        notify_retract: true,
        item_expire_seconds: Some(60),
        history: History { events_max: Some(1), age_seconds_max: None, bytes_max: Some(3) },
        when_undelivered_full: WhenUndeliveredFull::Gap,
        allow_subscriptions: false,
        payload_bytes_max: Some(9),
        deliver_notifications: false,
        notify_config: true,
        notify_delete: false,
        multi_subscribe: true,
        notify_sub: true,
        send_last_item: SendLastItem::OnSubscribeAndPresence,
        temporary_subscriptions: true,
        purge_when_publisher_goes: true,
        expose_publisher: true,
        when_items_full: WhenItemsFull::Reject,
        message_type: MessageType::Headline,
        processing_hint: ProcessingHint::NoStore,
        about: About {
            title: Some("t".into()),
            description: Some("d".into()),
            language: Some("de".into()),
            payload_type: Some("urn:a".into()),
            contacts: vec![Jid::new("a@example.org/r").unwrap()],
        },
        ..NodeConfig::default()
    };
    assert_eq!(config_from_message("config", &config_to_message(&config)).unwrap(), config);
    let silent = v1::NodeConfig::default();
    assert_eq!(config_from_message("config", &silent).unwrap(), NodeConfig::default());
}

#[test]
fn unknown_values_are_refused_by_field() {
    let check = |message: v1::NodeConfig| field_of(config_from_message("config", &message));
    let config = v1::NodeConfig::default;
    assert_eq!(check(v1::NodeConfig { access_model: 99, ..config() }), "config.access_model");
    assert_eq!(check(v1::NodeConfig { publish_model: -1, ..config() }), "config.publish_model");
    assert_eq!(check(v1::NodeConfig { durability: 99, ..config() }), "config.durability");
    assert_eq!(check(v1::NodeConfig { when_items_full: 4, ..config() }), "config.when_items_full");
    assert_eq!(
        check(v1::NodeConfig { when_undelivered_full: 3, ..config() }),
        "config.when_undelivered_full"
    );
}

#[test]
fn times_keep_their_milliseconds() {
    assert_eq!(timestamp(1_700_000_000_123), Timestamp { seconds: 1_700_000_000, nanos: 123_000_000 });
    assert_eq!(timestamp(-1), Timestamp { seconds: -1, nanos: 999_000_000 });
}

#[test]
fn events_say_what_has_happened() {
    let item_id = || ItemId::new("a").unwrap();
    let payload = Some(Payload::from_serialised("<a/>"));
    let check = |kind| {
        let event = message(&event(kind));
        (event.kind(), event.item_id, event.payload)
    };
    let xml = Some(v1::event::Payload::Xml("<a/>".into()));
    let published = check(EventKind::Published { item_id: item_id(), payload });
    assert_eq!(published, (v1::EventKind::Published, "a".into(), xml));
    let empty = check(EventKind::Published { item_id: item_id(), payload: None });
    assert_eq!(empty, (v1::EventKind::Published, "a".into(), None));
    let retracted = check(EventKind::Retracted { item_id: item_id() });
    assert_eq!(retracted, (v1::EventKind::Retracted, "a".into(), None));
    assert_eq!(check(EventKind::Purged), (v1::EventKind::NodePurged, String::new(), None));
    assert_eq!(check(EventKind::Configured), (v1::EventKind::NodeConfigured, String::new(), None));
    assert_eq!(
        check(EventKind::Deleted { redirect: None }),
        (v1::EventKind::NodeDeleted, String::new(), None)
    );
}

fn message(event: &Event) -> v1::Event {
    let facts = NodeFacts {
        id: NodeId(1),
        name: NodeName::new("news").unwrap(),
        epoch: Epoch(7),
        creator: BareJid::new("alice@example.org").unwrap(),
        created_at_ms: 0,
        config: NodeConfig::default(),
        affiliations: Arc::default(),
        rules_version: 1,
        above: None,
        is_orphan: false,
    };
    event_to_message(&EventIds::new([1; 16]), &facts, &PayloadForm::Xml, event)
}

fn event(kind: EventKind) -> Event {
    Event {
        seq: 1,
        kind,
        publisher: Jid::new("alice@example.org").unwrap(),
        published_at_ms: 0,
        recipients_version: 1,
        due_after_seq: None,
    }
}
