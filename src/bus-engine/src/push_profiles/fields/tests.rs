use std::sync::Arc;

use bus_domain::push::template::TemplateText;
use bus_domain::{Epoch, EventKind, ItemId, Jid, NodeConfig, NodeId, NodeName, Payload};

use super::*;

fn rendered(payload: Option<&str>, template: &str) -> Option<String> {
    let node = NodeFacts {
        id: NodeId(7),
        name: NodeName::new("orders").unwrap(),
        epoch: Epoch(3),
        creator: BareJid::new("owner@example.org").unwrap(),
        created_at_ms: 0,
        config: NodeConfig::default(),
        affiliations: Arc::default(),
        rules_version: 1,
        above: None,
        is_orphan: false,
    };
    let event = Event {
        seq: 9,
        kind: EventKind::Published {
            item_id: ItemId::new("i").unwrap(),
            payload: payload.map(Payload::from_serialised),
        },
        publisher: Jid::new("a@example.org/x").unwrap(),
        published_at_ms: 0,
        recipients_version: 1,
        due_after_seq: None,
    };
    let service = BareJid::new("events.example.org").unwrap();
    let template: TemplateText = template.parse().unwrap();
    template.render(&EventFields::new(&service, &node, &event)).ok()
}

#[test]
fn any_event_has_its_place_and_the_attributes_of_a_cloud_event() {
    for payload in [None, Some("<a xmlns='urn:a'/>")] {
        let text = rendered(payload, "{node} {item_id} {publisher} {seq} {event.subject} {event.type}");
        assert_eq!(text.as_deref(), Some("orders i a@example.org/x 9 i stanzabus.item.published"));
        assert_eq!(rendered(payload, "{event.id}").as_deref(), Some("0000000000000003-9"));
        let source = rendered(payload, "{event.source}");
        assert_eq!(source.as_deref(), Some("xmpp:events.example.org?;node=orders"));
    }
    assert_eq!(rendered(None, "{xml.a}"), None);
}

#[test]
fn xml_is_walked_by_local_names() {
    let payload = "<order xmlns='urn:o' id='7'><line><title>first</title></line><line><title>second</title></line></order>";
    for (template, expected) in [
        ("{xml.order.@id}", Some("7")),
        ("{xml.order.line.title}", Some("first")),
        ("{xml.order.line.@id}", None),
        ("{xml.line.title}", None),
        ("{xml.order.total}", None),
        ("{data.order}", None),
    ] {
        assert_eq!(rendered(Some(payload), template).as_deref(), expected, "{template}");
    }
}

#[test]
fn json_is_walked_by_members_and_indices() {
    let payload = r#"<json xmlns='urn:xmpp:json:0'>{"order":{"id":7,"paid":true,"lines":["a",{"b":"c"}],"none":null}}</json>"#;
    for (template, expected) in [
        ("{data.order.id} {data.order.paid} {data.order.lines.0} {data.order.lines.1.b}", Some("7 true a c")),
        ("{data.order}", None),
        ("{data.order.none}", None),
        ("{data.order.lines.2}", None),
        ("{data.order.lines.b}", None),
        ("{xml.json}", None),
    ] {
        assert_eq!(rendered(Some(payload), template).as_deref(), expected, "{template}");
    }
}

#[test]
fn what_was_published_as_a_cloud_event_is_read_as_one() {
    let json = r#"{"specversion":"1.0","id":"1","source":"/s","type":"t","subject":"x","shop":"berlin","data":{"n":1}}"#;
    let payload = format!("<json xmlns='urn:xmpp:json:0'>{json}</json>");
    let text = rendered(Some(&payload), "{event.type} {event.subject} {event.shop} {data.n}");
    assert_eq!(text.as_deref(), Some("t x berlin 1"));
}
