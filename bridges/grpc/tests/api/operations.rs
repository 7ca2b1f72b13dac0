//! What admins ask an instance.

use std::collections::BTreeMap;

use bridge_grpc::v1;
use bridge_grpc::v1::operations_client::OperationsClient;
use bridge_grpc::v1::stream_advisories_response::Frame;
use bridge_grpc::{GrpcSettings, ServerInfo, StoreKind};
use bus_engine::{AdvisoryAbout, Settings};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Channel;
use tonic::{Code, Status, Streaming};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use crate::rig::{
    ADMIN, ALICE, DOMAIN, Rig, SendToken, anonymous_event, expect_refusal, grpc_settings, jid_of, soon,
};

const PAYLOAD: &str = "<entry xmlns='urn:example'/>";

fn operations(
    rig: &Rig,
    principal: &'static str,
) -> OperationsClient<InterceptedService<Channel, SendToken>> {
    OperationsClient::with_interceptor(rig.channel(), SendToken(principal))
}

async fn info(rig: &Rig) -> v1::GetServerInfoResponse {
    operations(rig, ADMIN).get_server_info(v1::GetServerInfoRequest {}).await.unwrap().into_inner()
}

async fn drain(rig: &Rig) -> v1::DrainResponse {
    soon(operations(rig, ADMIN).drain(v1::DrainRequest {})).await.unwrap().into_inner()
}

async fn health(rig: &Rig) -> ServingStatus {
    let request = HealthCheckRequest { service: String::new() };
    HealthClient::new(rig.channel()).check(request).await.unwrap().into_inner().status()
}

#[tokio::test]
async fn an_instance_says_what_it_is() {
    let limits = BTreeMap::from([("payload_bytes_max".to_owned(), 7)]);
    let info_of_binary = ServerInfo {
        version: "1.2.3".into(),
        domain: DOMAIN.into(),
        store: StoreKind::Postgresql,
        started_at_ms: 1_700_000_000_123,
        limits: limits.clone(),
    };
    let grpc = GrpcSettings { info: info_of_binary, ..grpc_settings() };
    let rig = Rig::start_as(Settings::default(), grpc).await;
    let got = info(&rig).await;
    assert_eq!(
        (got.version.as_str(), got.domain.as_str(), got.store()),
        ("1.2.3", DOMAIN, v1::StoreKind::Postgresql)
    );
    assert_eq!(got.start_time.unwrap().seconds, 1_700_000_000);
    assert_eq!((got.is_draining, got.limits.into_iter().collect()), (false, limits));
}

#[tokio::test]
async fn operations_are_for_admins() {
    let rig = Rig::start().await;
    let mut alice = operations(&rig, ALICE);
    let expect = |refused: Result<(), Status>| {
        expect_refusal(refused, Code::PermissionDenied, "AFFILIATION_REQUIRED", None);
    };
    expect(alice.get_server_info(v1::GetServerInfoRequest {}).await.map(drop));
    expect(alice.drain(v1::DrainRequest {}).await.map(drop));
    expect(alice.stream_advisories(v1::StreamAdvisoriesRequest::default()).await.map(drop));
    assert_eq!(health(&rig).await, ServingStatus::Serving, "nothing is drained");
    let nobody = OperationsClient::new(rig.channel()).drain(v1::DrainRequest {}).await;
    expect_refusal(nobody, Code::Unauthenticated, "TOKEN_MISSING", None);
}

#[tokio::test]
async fn who_is_drained_sends_everybody_away_and_answers_what_is_under_way() {
    let rig = Rig::start().await;
    rig.create("news").await;
    let request = v1::TailRequest { node: "news".into(), ..v1::TailRequest::default() };
    let mut reader = rig.subscriber(ALICE).tail(request.clone()).await.unwrap().into_inner();
    soon(reader.message()).await.unwrap();
    let (batches, receiver) = mpsc::channel(10);
    let stream = rig.publisher(ALICE).publish_stream(ReceiverStream::new(receiver)).await;
    let mut stream = stream.unwrap().into_inner();
    soon(stream.message()).await.unwrap();

    // Each of these is answered, one way or the other.
    let publishes = (0..50).map(|_| {
        let mut publisher = rig.publisher(ALICE);
        let events = vec![anonymous_event(PAYLOAD)];
        let request = v1::PublishRequest { node: "news".into(), events, ..v1::PublishRequest::default() };
        tokio::spawn(async move { publisher.publish(request).await.map(drop) })
    });
    let publishes: Vec<_> = publishes.collect();
    assert_eq!(drain(&rig).await, v1::DrainResponse { pending_publishes: 0 });
    let mut in_the_log = 0;
    for publish in publishes {
        match soon(publish).await.unwrap() {
            Ok(()) => in_the_log += 1,
            refused => expect_refusal(refused, Code::Unavailable, "SHUTTING_DOWN", None),
        }
    }
    let node = v1::GetNodeRequest { name: "news".into() };
    let node = rig.nodes(ALICE).get_node(node).await.unwrap().into_inner().node.unwrap();
    assert_eq!(node.head_seq, in_the_log, "whoever is refused has not in_the_log");

    let going_away = soon(stream.message()).await.unwrap().unwrap().frame;
    assert!(matches!(going_away, Some(v1::publish_stream_response::Frame::GoingAway(_))), "{going_away:?}");
    assert_eq!(soon(stream.message()).await.unwrap(), None, "the stream ends in order");
    drop(batches);
    let end = loop {
        match soon(reader.message()).await {
            Ok(Some(_)) => {}
            end => break end,
        }
    };
    expect_refusal(end, Code::Unavailable, "SHUTTING_DOWN", None);

    assert_eq!(health(&rig).await, ServingStatus::NotServing);
    assert!(info(&rig).await.is_draining);
    let mut late = rig.subscriber(ALICE).tail(request).await.unwrap().into_inner();
    soon(late.message()).await.unwrap();
    expect_refusal(soon(late.message()).await, Code::Unavailable, "SHUTTING_DOWN", None);
    assert_eq!(drain(&rig).await, v1::DrainResponse { pending_publishes: 0 }, "again is no error");
}

async fn advisories(rig: &Rig, include_recent: bool) -> (Streaming<v1::StreamAdvisoriesResponse>, u64) {
    let request = v1::StreamAdvisoriesRequest { include_recent };
    let mut frames = operations(rig, ADMIN).stream_advisories(request).await.unwrap().into_inner();
    match soon(frames.message()).await.unwrap().unwrap().frame {
        Some(Frame::Opened(opened)) => (frames, opened.newest_number),
        other => panic!("opened comes first: {other:?}"),
    }
}

async fn next(frames: &mut Streaming<v1::StreamAdvisoriesResponse>) -> v1::Advisory {
    match soon(frames.message()).await.unwrap().unwrap().frame {
        Some(Frame::Advisory(advisory)) => advisory,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn advisories_come_as_things_happen() {
    let mut rig = Rig::start().await;
    rig.engine.advise(AdvisoryAbout::LinkDown { cause: "gone".into() });
    let (mut from_now_on, newest) = advisories(&rig, false).await;
    assert_eq!(newest, 1);
    drain(&rig).await;
    let draining = next(&mut from_now_on).await;
    assert_eq!(
        (draining.number, draining.kind(), draining.jid),
        (2, v1::AdvisoryKind::Draining, jid_of(ADMIN))
    );
    assert!(draining.time.is_some_and(|time| time.seconds > 1_700_000_000));
    let (mut all, newest) = advisories(&rig, true).await;
    assert_eq!(newest, 2, "the stream goes on while the instance is drained");
    let first = next(&mut all).await;
    assert_eq!((first.number, first.kind()), (1, v1::AdvisoryKind::LinkDown));
    assert!(first.message.ends_with("is lost: gone"), "{}", first.message);
    assert_eq!(next(&mut all).await.number, 2);
    rig.shutdown.cancel();
    expect_refusal(soon(all.message()).await, Code::Unavailable, "SHUTTING_DOWN", None);
    drop((all, from_now_on));
    soon(&mut rig.server).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_reader_that_does_not_read_is_told_how_many_it_has_missed() {
    const ADVISORIES: u64 = 20_000;
    let rig = Rig::start().await;
    let (mut frames, _) = advisories(&rig, false).await;
    for _ in 0..ADVISORIES {
        rig.engine.advise(AdvisoryAbout::LinkUp);
    }
    let (mut seen, mut missed) = (0, 0);
    while seen + missed < ADVISORIES {
        match soon(frames.message()).await.unwrap().unwrap().frame {
            Some(Frame::Advisory(advisory)) => {
                seen += 1;
                assert_eq!(advisory.number, seen + missed, "in their order");
            }
            Some(Frame::Missed(gone)) => missed += gone.count,
            other => panic!("{other:?}"),
        }
    }
    assert!(missed > 0 && seen >= 1_000, "{seen} seen, {missed} missed");
}
