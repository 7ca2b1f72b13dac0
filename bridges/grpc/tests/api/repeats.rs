//! Requests with a name, and with an expectation.

use bridge_grpc::v1;
use bridge_grpc::v1::batch_result::Outcome;
use bridge_grpc::v1::new_event::Payload;
use bus_cloudevents::protobuf::v1::CloudEvent;
use tokio_stream::{StreamExt as _, iter};
use tonic::{Code, Response, Status};
use tonic_types::StatusExt as _;

use crate::rig::{ALICE, BOB, Rig, anonymous_event, expect_refusal, soon};

const PAYLOAD: &str = "<entry xmlns='urn:example'>hello</entry>";

fn request(request_id: &str, expected_last_seq: Option<u64>) -> v1::PublishRequest {
    v1::PublishRequest {
        node: "news".into(),
        events: vec![anonymous_event(PAYLOAD)],
        request_id: request_id.into(),
        expected_last_seq,
        ..v1::PublishRequest::default()
    }
}

async fn publish(
    rig: &Rig,
    principal: &'static str,
    request: v1::PublishRequest,
) -> Result<v1::PublishResponse, Status> {
    rig.publisher(principal).publish(request).await.map(Response::into_inner)
}

#[tokio::test]
async fn a_repeat_gets_the_first_answer_marked_as_a_duplicate() {
    let rig = Rig::start().await;
    rig.create("news").await;
    let first = publish(&rig, ALICE, request("r", None)).await.unwrap();
    assert!(!first.duplicate);
    let again = publish(&rig, ALICE, request("r", None)).await.unwrap();
    assert_eq!(again, v1::PublishResponse { duplicate: true, ..first });
    assert_eq!(rig.publish("news", vec![anonymous_event(PAYLOAD)]).await, [2], "nothing was written");
    rig.affiliate("news", BOB, v1::Affiliation::Publisher).await;
    let of_bob = publish(&rig, BOB, request("r", None)).await.unwrap();
    assert_eq!((of_bob.results[0].seq, of_bob.duplicate), (3, false), "a name is its principal's");
}

#[tokio::test]
async fn each_condition_that_does_not_hold_is_refused_exactly() {
    let rig = Rig::start().await;
    let epoch = rig.create("news").await;
    publish(&rig, ALICE, request("r", None)).await.unwrap();
    let other = v1::PublishRequest {
        events: vec![anonymous_event("<other xmlns='urn:example'/>")],
        ..request("r", None)
    };
    expect_refusal(publish(&rig, ALICE, other).await, Code::AlreadyExists, "REQUEST_ID_REUSED", None);

    let moved = publish(&rig, ALICE, request("", Some(7))).await;
    let details = moved.as_ref().unwrap_err().get_error_details();
    let metadata = &details.error_info().unwrap().metadata;
    assert_eq!((metadata["head_seq"].as_str(), metadata["epoch"].clone()), ("1", epoch.to_string()));
    expect_refusal(moved, Code::Aborted, "SEQ_MISMATCH", None);
    let of_another_life = v1::PublishRequest { expected_epoch: Some(!epoch), ..request("", Some(1)) };
    expect_refusal(publish(&rig, ALICE, of_another_life).await, Code::Aborted, "SEQ_MISMATCH", None);
    let as_it_is = v1::PublishRequest { expected_epoch: Some(epoch), ..request("", Some(1)) };
    assert_eq!(publish(&rig, ALICE, as_it_is).await.unwrap().results[0].seq, 2);

    let alone = v1::PublishRequest { expected_epoch: Some(epoch), ..request("", None) };
    let refused = publish(&rig, ALICE, alone).await;
    expect_refusal(refused, Code::InvalidArgument, "REQUEST_INVALID", Some("expected_epoch"));
    for bad in ["x".repeat(256), "a\u{1}".to_owned()] {
        let refused = publish(&rig, ALICE, request(&bad, None)).await;
        expect_refusal(refused, Code::InvalidArgument, "REQUEST_INVALID", Some("request_id"));
    }
    let memory = v1::NodeConfig { durability: v1::Durability::Memory.into(), ..v1::NodeConfig::default() };
    rig.create_with("memory", memory).await;
    let in_memory = v1::PublishRequest { node: "memory".into(), ..request("r", None) };
    let refused = publish(&rig, ALICE, in_memory).await;
    expect_refusal(refused, Code::FailedPrecondition, "REQUEST_ID_NOT_KEPT", None);
}

#[tokio::test]
async fn batches_of_a_stream_have_names_and_expectations_of_their_own() {
    let rig = Rig::start().await;
    rig.create("news").await;
    let batch = |batch_id, request_id: &str, expected_last_seq| v1::PublishStreamRequest {
        batch_id,
        node: "news".into(),
        events: vec![anonymous_event(PAYLOAD)],
        request_id: request_id.into(),
        expected_last_seq,
        ..v1::PublishStreamRequest::default()
    };
    let batches =
        [batch(1, "a", Some(0)), batch(2, "", Some(1)), batch(3, "a", Some(0)), batch(4, "", Some(1))];
    let stream = rig.publisher(ALICE).publish_stream(iter(batches)).await.unwrap().into_inner();
    let frames: Vec<v1::PublishStreamResponse> = soon(stream.map(Result::unwrap).collect()).await;
    let results = frames.into_iter().filter_map(|frame| match frame.frame {
        Some(v1::publish_stream_response::Frame::Results(results)) => Some(results.results),
        _ => None,
    });
    let answers: Vec<_> = results
        .flatten()
        .map(|result| match result.outcome.unwrap() {
            Outcome::Published(it) => Ok((it.results[0].seq, it.duplicate)),
            Outcome::Failure(failure) => Err((failure.reason(), failure.metadata["head_seq"].clone())),
        })
        .collect();
    let mismatch = Err((v1::ErrorReason::SeqMismatch, "2".to_owned()));
    assert_eq!(answers, [Ok((1, false)), Ok((2, false)), Ok((1, true)), mismatch]);
}

/// An event of this id and type, from one source.
fn cloud_event(id: &str, event_type: &str) -> v1::NewEvent {
    anonymous_event(&format!(
        "<event xmlns='http://cloudevents.io/xmlformat/V1' specversion='1.0'><id>{id}</id><source>/shop</source>\
         <type>{event_type}</type></event>"
    ))
}

fn once(event: v1::NewEvent) -> v1::PublishRequest {
    v1::PublishRequest { events: vec![event], once_per_cloud_event: true, ..request("", None) }
}

#[tokio::test]
async fn a_cloud_event_is_published_once_by_its_source_and_id() {
    let rig = Rig::start().await;
    rig.create("news").await;
    rig.create("other").await;
    let first = publish(&rig, ALICE, once(cloud_event("1", "made"))).await.unwrap();
    let again = publish(&rig, ALICE, once(cloud_event("1", "made again"))).await.unwrap();
    assert_eq!(again, v1::PublishResponse { duplicate: true, ..first });
    let typed = CloudEvent {
        id: "1".into(),
        source: "/shop".into(),
        spec_version: "1.0".into(),
        r#type: "made".into(),
        ..CloudEvent::default()
    };
    let typed =
        v1::NewEvent { item_id: Some("x".into()), payload: Some(Payload::CloudEvent(Box::new(typed))) };
    assert!(publish(&rig, ALICE, once(typed)).await.unwrap().duplicate, "in whichever form");
    assert!(!publish(&rig, ALICE, once(cloud_event("2", "made"))).await.unwrap().duplicate);
    rig.affiliate("news", BOB, v1::Affiliation::Publisher).await;
    assert!(!publish(&rig, BOB, once(cloud_event("1", "made"))).await.unwrap().duplicate, "bob's is another");
    let elsewhere = v1::PublishRequest { node: "other".into(), ..once(cloud_event("1", "made")) };
    assert!(!publish(&rig, ALICE, elsewhere).await.unwrap().duplicate);
    let plain = v1::PublishRequest { once_per_cloud_event: false, ..once(cloud_event("1", "made")) };
    assert!(!publish(&rig, ALICE, plain).await.unwrap().duplicate, "it must be asked for");

    let two = v1::PublishRequest {
        events: vec![cloud_event("3", "a"), cloud_event("4", "a")],
        ..once(cloud_event("3", "a"))
    };
    let named = v1::PublishRequest { request_id: "r".into(), ..once(cloud_event("3", "a")) };
    for wrong in [two, named, once(anonymous_event(PAYLOAD))] {
        let refused = publish(&rig, ALICE, wrong).await;
        expect_refusal(refused, Code::InvalidArgument, "REQUEST_INVALID", Some("once_per_cloud_event"));
    }
    let batch = |batch_id, id: &str| v1::PublishStreamRequest {
        batch_id,
        node: "news".into(),
        events: vec![cloud_event(id, "a")],
        once_per_cloud_event: true,
        ..v1::PublishStreamRequest::default()
    };
    let batches = [batch(1, "3"), batch(2, "1"), batch(3, "3")];
    let stream = rig.publisher(ALICE).publish_stream(iter(batches)).await.unwrap().into_inner();
    let frames: Vec<v1::PublishStreamResponse> = soon(stream.map(Result::unwrap).collect()).await;
    let results = frames.into_iter().filter_map(|frame| match frame.frame {
        Some(v1::publish_stream_response::Frame::Results(results)) => Some(results.results),
        _ => None,
    });
    let duplicates = results.flatten().map(|result| match result.outcome {
        Some(Outcome::Published(published)) => published.duplicate,
        other => panic!("{other:?}"),
    });
    assert_eq!(duplicates.collect::<Vec<_>>(), [false, true, true]);
}
