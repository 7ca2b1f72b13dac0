//! Filters of subscriptions.

use bridge_grpc::v1;
use bridge_grpc::v1::event_filter::Dialect;
use bridge_grpc::v1::new_event::Payload;
use bus_cloudevents::protobuf::v1::CloudEvent;
use bus_cloudevents::protobuf::v1::cloud_event::CloudEventAttributeValue;
use bus_cloudevents::protobuf::v1::cloud_event::cloud_event_attribute_value::Attr;
use prost_types::Duration;
use tonic::Code;

use crate::rig::{ALICE, Rig, event, expect_refusal, soon};
use crate::subscriptions::{create, queue, request, stream};

type Values<'a> = &'a [(&'a str, &'a str)];

fn values(values: Values<'_>) -> v1::AttributeValues {
    let attributes = values.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    v1::AttributeValues { attributes: attributes.collect() }
}

fn filter(dialect: Dialect) -> v1::EventFilter {
    v1::EventFilter { dialect: Some(dialect) }
}

fn exact(wanted: Values<'_>) -> v1::EventFilter {
    filter(Dialect::Exact(values(wanted)))
}

fn all(filters: Vec<v1::EventFilter>) -> v1::EventFilter {
    filter(Dialect::All(v1::EventFilters { filters }))
}

fn not(inner: v1::EventFilter) -> v1::EventFilter {
    filter(Dialect::NotMatching(Box::new(inner)))
}

fn filtered(config: v1::SubscriptionConfig, filter: v1::EventFilter) -> v1::SubscriptionConfig {
    v1::SubscriptionConfig { filter: Some(filter), ..config }
}

fn cloud_event(id: &str, event_type: &str, region: &str) -> v1::NewEvent {
    let region = CloudEventAttributeValue { attr: Some(Attr::CeString(region.to_owned())) };
    let event = CloudEvent {
        id: id.to_owned(),
        source: "/shop".to_owned(),
        spec_version: "1.0".to_owned(),
        r#type: event_type.to_owned(),
        attributes: [("region".to_owned(), region)].into(),
        data: None,
    };
    v1::NewEvent { item_id: Some(id.to_owned()), payload: Some(Payload::CloudEvent(Box::new(event))) }
}

#[tokio::test]
async fn attributes_of_cloud_events_and_of_the_bus_decide_what_is_handed_out() {
    let rig = Rig::start().await;
    rig.create("orders.eu").await;
    rig.create("orders.us").await;
    let placed = filter(Dialect::Prefix(values(&[("type", "com.example.order.")])));
    let north = filter(Dialect::Suffix(values(&[("region", "-north")])));
    let elsewhere = not(exact(&[("bus.node", "orders.us")]));
    let wanted = all(vec![placed, north, elsewhere]);
    let created = create(&rig, "north", filtered(queue(&["orders.>"]), wanted.clone())).await;
    assert_eq!(created.config.unwrap().filter, Some(wanted));
    for node in ["orders.eu", "orders.us"] {
        let events = vec![
            cloud_event("1", "com.example.order.placed", "eu-south"),
            cloud_event("2", "com.example.order.placed", "eu-north"),
            cloud_event("3", "com.example.bill", "eu-north"),
            event("4", "<entry xmlns='urn:example'/>"),
            cloud_event("5", "com.example.order.paid", "eu-north"),
        ];
        rig.publish(node, events).await;
    }
    let mut got = Vec::new();
    while got.len() < 2 {
        let wait = Some(Duration { seconds: 60, nanos: 0 });
        let request = v1::PullRequest { subscription: "north".into(), messages_max: 10, bytes_max: 0, wait };
        let pulled = soon(rig.subscriber(ALICE).pull(request)).await.unwrap().into_inner();
        let events = pulled.deliveries.into_iter().filter_map(|delivery| delivery.event);
        got.extend(events.map(|event| (event.node, event.item_id)));
    }
    assert_eq!(
        got,
        [("orders.eu", "2"), ("orders.eu", "5")].map(|(node, id)| (node.to_owned(), id.to_owned()))
    );
}

#[tokio::test]
async fn what_can_be_no_filter_is_refused_with_the_part_that_is_wrong() {
    let rig = Rig::start().await;
    rig.create("news").await;
    let long = "x".repeat(1_025);
    let deep = (0..8).fold(exact(&[("type", "a")]), |inner, _| not(inner));
    let many = all(vec![exact(&[("type", "a")]); 64]);
    for (filter, field) in [
        (v1::EventFilter { dialect: None }, "config.filter"),
        (exact(&[]), "config.filter"),
        (all(vec![]), "config.filter"),
        (
            all(vec![exact(&[("type", "a")]), not(v1::EventFilter { dialect: None })]),
            "config.filter.all[1].not_matching",
        ),
        (not(exact(&[("Type", "a")])), "config.filter.not_matching.exact"),
        (exact(&[("bus.seq", "1")]), "config.filter.exact"),
        (exact(&[("type", "")]), "config.filter.exact[type]"),
        (exact(&[("type", "a\u{1}")]), "config.filter.exact[type]"),
        (exact(&[("type", &long)]), "config.filter.exact[type]"),
        (many, "config.filter"),
    ] {
        let request = request("x", filtered(stream(&["news"]), filter));
        let refused = rig.subscriptions(ALICE).create_subscription(request).await;
        expect_refusal(refused, Code::InvalidArgument, "REQUEST_INVALID", Some(field));
    }
    let field = format!("config.filter{}", ".not_matching".repeat(8));
    let request = request("x", filtered(stream(&["news"]), deep));
    let refused = rig.subscriptions(ALICE).create_subscription(request).await;
    expect_refusal(refused, Code::InvalidArgument, "REQUEST_INVALID", Some(&field));
}
