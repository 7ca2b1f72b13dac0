//! What one client can take is bounded.

use std::time::Duration;

use bridge_grpc::{GrpcSettings, v1};
use bus_engine::Settings;
use tonic::{Code, Status};

use crate::rig::{ALICE, Rig, anonymous_event, grpc_settings, soon};

#[tokio::test]
async fn a_request_that_is_too_long_is_refused_and_the_connection_lives() {
    let grpc = GrpcSettings { message_bytes_max: 10_000, ..grpc_settings() };
    let rig = Rig::start_as(Settings::default(), grpc).await;
    rig.create("news").await;
    let mut publisher = rig.publisher(ALICE);
    let mut publish = async |payload_bytes: usize| -> Result<(), Status> {
        let xml = format!("<a xmlns='urn:a'>{}</a>", "x".repeat(payload_bytes));
        let request = v1::PublishRequest { node: "news".into(), events: vec![anonymous_event(&xml)] };
        publisher.publish(request).await.map(drop)
    };
    assert_eq!(publish(10_000).await.unwrap_err().code(), Code::OutOfRange);
    publish(9_000).await.unwrap();
}

#[tokio::test]
async fn a_connection_too_many_waits_until_another_ends() {
    let grpc = GrpcSettings { connections_max: 1, ..grpc_settings() };
    let rig = Rig::start_as(Settings::default(), grpc).await;
    let request = || v1::ListNodesRequest::default();
    let (mut first, mut second) = (rig.nodes(ALICE), rig.nodes(ALICE));
    first.list_nodes(request()).await.unwrap();
    {
        let waiting = second.list_nodes(request());
        tokio::pin!(waiting);
        let early = tokio::time::timeout(Duration::from_millis(300), &mut waiting).await;
        assert!(early.is_err(), "there is no place: {early:?}");
        drop(first);
        soon(waiting).await.unwrap();
    }
}

#[tokio::test]
async fn a_stop_does_not_wait_for_a_client_that_reads_no_further() {
    let grpc = GrpcSettings { shutdown_grace: Duration::from_millis(100), ..grpc_settings() };
    let mut rig = Rig::start_as(Settings::default(), grpc).await;
    rig.create("news").await;
    let request = v1::TailRequest { node: "news".into(), start: None, expected_epoch: None };
    let unread = rig.subscriber(ALICE).tail(request).await.unwrap();
    let large = format!("<a xmlns='urn:a'>{}</a>", "x".repeat(200_000));
    for _ in 0..60 {
        rig.publish("news", vec![anonymous_event(&large)]).await;
    }
    rig.shutdown.cancel();
    soon(&mut rig.server).await.unwrap().unwrap();
    drop(unread);
}
