use std::sync::Arc;

use bus_cloudevents::{CloudEvent, Data, Position, arrived, json, xml};
use bus_domain::{
    BareJid, Epoch, Event, EventKind, ItemId, Jid, NodeConfig, NodeFacts, NodeId, NodeName, Payload,
};

use crate::made::message;

fn node() -> NodeFacts {
    NodeFacts {
        id: NodeId(1),
        name: NodeName::new("a b/ü&c").unwrap(),
        epoch: Epoch(0xab),
        creator: BareJid::new("alice@example.org").unwrap(),
        created_at_ms: 0,
        config: NodeConfig::default(),
        affiliations: Arc::default(),
        above: None,
        is_orphan: false,
        rules_version: 1,
    }
}

fn arrive(kind: EventKind) -> CloudEvent {
    arrive_at("events.example.org", kind)
}

fn arrive_at(domain: &str, kind: EventKind) -> CloudEvent {
    let event = Event {
        seq: 7,
        kind,
        publisher: Jid::new("alice@example.org").unwrap(),
        published_at_ms: 1_500,
        recipients_version: 1,
        due_after_seq: None,
    };
    arrived(&BareJid::new(domain).unwrap(), &node(), &event)
}

fn published(payload: &str) -> CloudEvent {
    let payload = Some(Payload::from_serialised(payload));
    arrive(EventKind::Published { item_id: ItemId::new("item").unwrap(), payload })
}

#[test]
fn the_uri_of_a_node_is_one_whatever_its_domain_is_called() {
    for (domain, expected) in [("büro.example.org", "b%C3%BCro.example.org"), ("[::1]", "%5B%3A%3A1%5D")] {
        let arrived = arrive_at(domain, EventKind::Purged);
        assert_eq!(arrived.source(), format!("xmpp:{expected}?;node=a%20b%2F%C3%BC%26c"));
    }
}

#[test]
fn a_plain_payload_is_the_data_of_an_event_of_the_node() {
    let event = published("<a xmlns='urn:a'>x</a>");
    assert_eq!(event.data(), Some(&Data::Xml("<a xmlns='urn:a'>x</a>".into())));
    let expected = r#"{"specversion":"1.0","id":"00000000000000ab-7","source":"xmpp:events.example.org?;node=a%20b%2F%C3%BC%26c","type":"stanzabus.item.published","datacontenttype":"application/xml","sequence":"00000000000000000007","subject":"item","time":"1970-01-01T00:00:01.500Z","data":"<a xmlns='urn:a'>x</a>"}"#;
    assert_eq!(json::write(&event), expected);
}

#[test]
fn what_was_published_as_a_cloud_event_arrives_as_it_is() {
    let sent = bus_cloudevents::protobuf::from_message(message(3)).unwrap();
    let limits = bus_xml::XmlLimits { depth_max: 20, bytes_max: 100_000 };
    let kept = bus_xml::serialise(&bus_xml::parse_document(&xml::write(&sent), limits).unwrap());
    assert_eq!(published(&kept), sent);
    let written = json::write(&sent);
    let mut contained = String::from("<json xmlns='urn:xmpp:json:0'>");
    bus_xml::escape_text(&written, &mut contained);
    contained.push_str("</json>");
    assert_eq!(json::write(&published(&contained)), written);
}

#[test]
fn what_only_looks_like_one_is_a_plain_payload() {
    for payload in [
        "<event xmlns='http://cloudevents.io/xmlformat/V1'/>",
        "<event xmlns='http://cloudevents.io/xmlformat/V1' specversion='1.0'><id>a</id></event>",
        "<event xmlns='urn:other'/>",
        "<json xmlns='urn:xmpp:json:0'>{not JSON</json>",
        "<json xmlns='urn:xmpp:json:0'><a xmlns='urn:a'/></json>",
    ] {
        let event = published(payload);
        assert_eq!(event.event_type(), "stanzabus.item.published");
        assert_eq!(event.data(), Some(&Data::Xml(payload.into())));
    }
    let json = published("<json xmlns='urn:xmpp:json:0'>{\"a\":1}</json>");
    assert_eq!(
        (json.content_type(), json.data()),
        (Some("application/json"), Some(&Data::Text("{\"a\":1}".into())))
    );
}

#[test]
fn what_is_no_publish_says_what_it_is() {
    let item_id = ItemId::new("a\u{85}b").unwrap();
    let retracted = arrive(EventKind::Retracted { item_id });
    assert_eq!((retracted.event_type(), retracted.data()), ("stanzabus.item.retracted", None));
    assert_eq!(retracted.attribute("subject"), None, "no attribute can hold such an id");
    for (kind, event_type) in [
        (EventKind::Purged, "stanzabus.node.purged"),
        (EventKind::Configured, "stanzabus.node.configured"),
        (EventKind::Deleted { redirect: None }, "stanzabus.node.deleted"),
    ] {
        assert_eq!(arrive(kind).event_type(), event_type);
    }
}

#[test]
fn a_position_comes_back_from_its_text() {
    for (epoch, seq) in [(0, 0), (u64::MAX, u64::MAX), (0xab, 7)] {
        let position = Position { epoch: Epoch(epoch), seq };
        assert_eq!(position.to_string().parse(), Ok(position));
    }
    for text in [
        "",
        "-",
        "ab-7",
        "00000000000000ab",
        "00000000000000ab-",
        "00000000000000ab--7",
        "+0000000000000ab-7",
        "00000000000000ab-18446744073709551616",
    ] {
        assert!(text.parse::<Position>().is_err(), "{text}");
    }
}
