//! Queues that keep the events of one key in their order.

use std::collections::{HashMap, HashSet};

use bridge_grpc::v1;
use bridge_grpc::v1::new_event::Payload;
use bridge_grpc::v1::subscribe_request::Frame as Asked;
use bridge_grpc::v1::subscribe_response::Frame;
use bus_cloudevents::protobuf::v1::CloudEvent;
use bus_cloudevents::protobuf::v1::cloud_event::CloudEventAttributeValue;
use bus_cloudevents::protobuf::v1::cloud_event::cloud_event_attribute_value::Attr;
use tonic::Code;

use crate::rig::{ALICE, Rig, expect_refusal};
use crate::subscriptions::{Reader, create, queue, request, stream};

/// An event of one of three keys, each as an item of its own.
fn keyed(number: u64) -> v1::NewEvent {
    let key = CloudEventAttributeValue { attr: Some(Attr::CeString(format!("key-{}", number % 3))) };
    let event = CloudEvent {
        id: number.to_string(),
        source: "/shop".to_owned(),
        spec_version: "1.0".to_owned(),
        r#type: "com.example.step".to_owned(),
        attributes: [("partitionkey".to_owned(), key)].into(),
        data: None,
    };
    v1::NewEvent { item_id: Some(number.to_string()), payload: Some(Payload::CloudEvent(Box::new(event))) }
}

#[tokio::test]
async fn two_workers_share_the_keys_and_each_key_stays_in_order() {
    const EVENTS: u64 = 30;
    let rig = Rig::start().await;
    rig.create("steps").await;
    let config = v1::SubscriptionConfig { key_ordered: true, ..queue(&["steps"]) };
    let created = create(&rig, "workers", config).await;
    assert!(created.config.unwrap().key_ordered);
    rig.publish("steps", (0..EVENTS).map(keyed).collect()).await;
    let mut workers =
        [Reader::open(&rig, "workers", "one").await, Reader::open(&rig, "workers", "two").await];
    let mut done: HashMap<u64, Vec<u64>> = HashMap::new();
    let mut refused = false;
    while (done.values().map(Vec::len).sum::<usize>() as u64) < EVENTS {
        let [one, two] = &mut workers;
        let (frame, worker) = tokio::select! {
            frame = one.frame() => (frame.unwrap(), &*one),
            frame = two.frame() => (frame.unwrap(), &*two),
        };
        let Frame::Deliveries(some) = frame else { continue };
        let mut keys = HashSet::new();
        for delivery in some.deliveries {
            let number: u64 = delivery.event.unwrap().item_id.parse().unwrap();
            let key = number % 3;
            assert!(keys.insert(key), "one event of a key at a time");
            let lease_ids = vec![delivery.lease_id];
            if number == 4 && !std::mem::replace(&mut refused, true) {
                let delay = Some(prost_types::Duration { seconds: 0, nanos: 0 });
                worker.ask(Asked::Nack(v1::Refusal { lease_ids, delay, terminate: false })).await;
                continue;
            }
            done.entry(key).or_default().push(number);
            worker.ask(Asked::Ack(v1::Acknowledgement { lease_ids })).await;
        }
    }
    for key in 0..3 {
        assert_eq!(done[&key], (0..EVENTS).filter(|number| number % 3 == key).collect::<Vec<_>>());
    }
}

#[tokio::test]
async fn what_is_behind_an_event_of_its_key_waits_while_others_are_worked_off() {
    let rig = Rig::start().await;
    rig.create("steps").await;
    create(&rig, "workers", v1::SubscriptionConfig { key_ordered: true, ..queue(&["steps"]) }).await;
    rig.publish("steps", (0..6).map(keyed).collect()).await;
    let mut one = Reader::open(&rig, "workers", "one").await;
    let first = one.deliveries(3).await;
    let numbers = |deliveries: &[v1::Delivery]| {
        deliveries.iter().map(|it| it.event.as_ref().unwrap().item_id.clone()).collect::<Vec<_>>()
    };
    assert_eq!(numbers(&first), ["0", "1", "2"]);
    let mut two = Reader::open(&rig, "workers", "two").await;
    one.acknowledge(&[&first[1].lease_id]).await;
    let next = tokio::select! {
        next = one.deliveries(1) => next,
        next = two.deliveries(1) => next,
    };
    assert_eq!(numbers(&next), ["4"], "0 and 2 hold 3 and 5 back");
    let backlog = v1::GetBacklogRequest { name: "workers".to_owned() };
    let backlog = rig.subscriptions(ALICE).get_backlog(backlog).await.unwrap().into_inner();
    assert_eq!((backlog.nodes[0].leased, backlog.nodes[0].waiting), (3, 2));
    let config = v1::SubscriptionConfig { key_ordered: true, ..stream(&["steps"]) };
    let refused = rig.subscriptions(ALICE).create_subscription(request("x", config)).await;
    expect_refusal(refused, Code::InvalidArgument, "SUBSCRIPTION_INVALID", None);
}
