//! CloudEvents in and out.

use bridge_grpc::v1;
use bridge_grpc::v1::new_event::Payload;
use bridge_grpc::v1::tail_request::Start;
use bridge_grpc::v1::tail_response::Frame;
use bus_cloudevents::protobuf::v1::CloudEvent;
use bus_cloudevents::protobuf::v1::cloud_event::cloud_event_attribute_value::Attr;
use bus_cloudevents::protobuf::v1::cloud_event::{CloudEventAttributeValue, Data};
use prost_types::Timestamp;
use tonic::Code;

use crate::rig::{ALICE, BOB, DOMAIN, Rig, anonymous_event, event, expect_refusal, soon};

fn order() -> CloudEvent {
    let attribute =
        |(name, attr): (&str, Attr)| (name.to_owned(), CloudEventAttributeValue { attr: Some(attr) });
    CloudEvent {
        id: "o-1".into(),
        source: "/shops/7?a=<b>&c".replace(['<', '>'], "%3C"),
        spec_version: "1.0".into(),
        r#type: "com.example.order.placed".into(),
        attributes: [
            ("datacontenttype", Attr::CeString("application/json".into())),
            ("time", Attr::CeTimestamp(Timestamp { seconds: 1_700_000_000, nanos: 5_000 })),
            ("urgent", Attr::CeBoolean(true)),
            ("retries", Attr::CeInteger(-3)),
            ("note", Attr::CeString("  é & '<' ".into())),
            ("key", Attr::CeBytes(vec![0, 255])),
        ]
        .map(attribute)
        .into(),
        data: Some(Data::TextData("{\"total\": 12.50,\r\n\t\"paid\": false}".into())),
    }
}

fn new_event(event: CloudEvent) -> v1::NewEvent {
    v1::NewEvent { payload: Some(Payload::CloudEvent(Box::new(event))), ..v1::NewEvent::default() }
}

/// All events of a node so far, in a format, as bob's reader gets them.
async fn events(rig: &Rig, node: &str, count: usize, format: v1::PayloadFormat) -> Vec<v1::Event> {
    let start = Some(Start::Earliest(true));
    let payload_format = format.into();
    let request = v1::TailRequest { node: node.into(), start, payload_format, ..v1::TailRequest::default() };
    let mut frames = rig.subscriber(BOB).tail(request).await.unwrap().into_inner();
    let mut events = Vec::new();
    while events.len() < count {
        let frame = soon(frames.message()).await.unwrap().expect("the stream goes on").frame;
        if let Some(Frame::Event(event)) = frame {
            events.push(event);
        }
    }
    events
}

fn cloud_event(event: &v1::Event) -> &CloudEvent {
    match &event.payload {
        Some(v1::event::Payload::CloudEvent(event)) => event,
        other => panic!("a CloudEvent comes: {other:?}"),
    }
}

#[tokio::test]
async fn a_cloud_event_arrives_as_it_was_published() {
    let rig = Rig::start().await;
    rig.create("orders").await;
    let batch =
        [CloudEvent { id: "o-2".into(), data: Some(Data::BinaryData(vec![1, 0])), ..order() }, order()];
    rig.publish("orders", batch.clone().map(new_event).into()).await;
    let got = events(&rig, "orders", 2, v1::PayloadFormat::CloudEvent).await;
    assert_eq!([cloud_event(&got[0]), cloud_event(&got[1])], [&batch[0], &batch[1]]);
    assert_eq!((got[1].seq, got[1].kind()), (2, v1::EventKind::Published));

    let format = v1::PayloadFormat::CloudEvent.into();
    let request =
        v1::ListItemsRequest { node: "orders".into(), payload_format: format, ..Default::default() };
    let items = rig.nodes(BOB).list_items(request).await.unwrap().into_inner().items;
    assert_eq!(items, got);

    let as_xml = events(&rig, "orders", 2, v1::PayloadFormat::Unspecified).await;
    let Some(v1::event::Payload::Xml(xml)) = &as_xml[0].payload else { panic!("{as_xml:?}") };
    assert!(
        xml.starts_with("<event xmlns='http://cloudevents.io/xmlformat/V1' specversion='1.0'><id>o-2</id>"),
        "{xml}"
    );
}

#[tokio::test]
async fn any_other_payload_arrives_as_the_data_of_an_event_of_the_node() {
    let rig = Rig::start().await;
    let epoch = rig.create("a news/1").await;
    rig.publish("a news/1", vec![event("i", "<x:a xmlns:x='urn:a'>b</x:a>")]).await;
    let got = &events(&rig, "a news/1", 1, v1::PayloadFormat::CloudEvent).await[0];
    let event = cloud_event(got);
    assert_eq!(event.id, format!("{epoch:016x}-1"));
    assert_eq!(event.source, format!("xmpp:{DOMAIN}?;node=a%20news%2F1"));
    assert_eq!(event.r#type, "stanzabus.item.published");
    assert_eq!(event.data, Some(Data::TextData("<a xmlns='urn:a'>b</a>".into())));
    let text = |name: &str| match &event.attributes[name].attr {
        Some(Attr::CeString(text)) => text.clone(),
        other => panic!("{name}: {other:?}"),
    };
    assert_eq!((text("datacontenttype").as_str(), text("subject").as_str()), ("application/xml", "i"));
    let time = Some(Attr::CeTimestamp(got.publish_time.unwrap()));
    assert_eq!(event.attributes["time"].attr, time);
}

#[tokio::test]
async fn what_is_no_publish_has_no_payload_in_either_format() {
    let rig = Rig::start().await;
    rig.create("orders").await;
    rig.publish("orders", vec![new_event(order())]).await;
    rig.nodes(ALICE).purge_node(v1::PurgeNodeRequest { name: "orders".into() }).await.unwrap();
    let got = events(&rig, "orders", 2, v1::PayloadFormat::CloudEvent).await;
    assert_eq!((got[1].kind(), &got[1].payload), (v1::EventKind::NodePurged, &None));
}

#[tokio::test]
async fn what_breaks_a_rule_is_refused_with_its_field_and_nothing_is_published() {
    let rig = Rig::start().await;
    rig.create("orders").await;
    let long = Data::TextData("x".repeat(300_000));
    let none = CloudEventAttributeValue::default();
    for (broken, field, reason) in [
        (CloudEvent { id: String::new(), ..order() }, "cloud_event.id", "PAYLOAD_INVALID"),
        (CloudEvent { source: "a b".into(), ..order() }, "cloud_event.source", "PAYLOAD_INVALID"),
        (CloudEvent { spec_version: "0.3".into(), ..order() }, "cloud_event.spec_version", "PAYLOAD_INVALID"),
        (CloudEvent { r#type: "\0".into(), ..order() }, "cloud_event.type", "PAYLOAD_INVALID"),
        (
            CloudEvent { attributes: [("No".into(), none)].into(), ..order() },
            "cloud_event.attributes[No]",
            "PAYLOAD_INVALID",
        ),
        (
            CloudEvent { data: Some(Data::ProtoData(prost_types::Any::default())), ..order() },
            "cloud_event.proto_data",
            "PAYLOAD_INVALID",
        ),
        (CloudEvent { data: Some(long), ..order() }, "cloud_event", "PAYLOAD_TOO_BIG"),
    ] {
        let events = vec![anonymous_event("<a xmlns=''/>"), new_event(broken)];
        let request = v1::PublishRequest { node: "orders".into(), events, ..v1::PublishRequest::default() };
        let refused = rig.publisher(ALICE).publish(request).await;
        expect_refusal(refused, Code::InvalidArgument, reason, Some(&format!("events[1].{field}")));
    }
    let request = v1::TailRequest { node: "orders".into(), payload_format: 9, ..v1::TailRequest::default() };
    let refused = rig.subscriber(BOB).tail(request).await;
    expect_refusal(refused, Code::InvalidArgument, "REQUEST_INVALID", Some("payload_format"));
    rig.publish("orders", vec![new_event(order())]).await;
    assert_eq!(events(&rig, "orders", 1, v1::PayloadFormat::Xml).await[0].seq, 1);
}
