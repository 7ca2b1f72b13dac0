//! What one client can take is bounded.

use std::time::Duration;

use bridge_grpc::{GrpcSettings, v1};
use bus_domain::quota::Quotas;
use bus_engine::Settings;
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use crate::rig::{ADMIN, ALICE, BOB, Rig, anonymous_event, grpc_settings, soon};

#[tokio::test]
async fn a_request_that_is_too_long_is_refused_and_the_connection_lives() {
    let grpc = GrpcSettings { message_bytes_max: 10_000, ..grpc_settings() };
    let rig = Rig::start_as(Settings::default(), grpc).await;
    rig.create("news").await;
    let mut publisher = rig.publisher(ALICE);
    let mut publish = async |payload_bytes: usize| -> Result<(), Status> {
        let xml = format!("<a xmlns='urn:a'>{}</a>", "x".repeat(payload_bytes));
        let request = v1::PublishRequest {
            node: "news".into(),
            events: vec![anonymous_event(&xml)],
            ..v1::PublishRequest::default()
        };
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
async fn who_connects_and_says_nothing_gives_the_place_back() {
    let grpc = GrpcSettings { connections_max: 1, ..grpc_settings() };
    let rig = Rig::start_as(Settings::default(), grpc).await;
    let mut silent = TcpStream::connect(rig.address).await.unwrap();
    soon(rig.nodes(ALICE).list_nodes(v1::ListNodesRequest::default())).await.unwrap();
    let ended = soon(silent.read_to_end(&mut Vec::new())).await;
    ended.expect("the daemon has closed it");
}

#[tokio::test]
async fn a_stop_does_not_wait_for_a_client_that_reads_no_further() {
    let grpc = GrpcSettings { shutdown_grace: Duration::from_millis(100), ..grpc_settings() };
    let mut rig = Rig::start_as(Settings::default(), grpc).await;
    rig.create("news").await;
    let request = v1::TailRequest { node: "news".into(), ..v1::TailRequest::default() };
    let unread = rig.subscriber(ALICE).tail(request).await.unwrap();
    let large = format!("<a xmlns='urn:a'>{}</a>", "x".repeat(200_000));
    for _ in 0..60 {
        rig.publish("news", vec![anonymous_event(&large)]).await;
    }
    rig.shutdown.cancel();
    soon(&mut rig.server).await.unwrap().unwrap();
    drop(unread);
}

#[tokio::test]
async fn a_principal_is_held_to_its_quotas_and_another_has_its_own() {
    let quotas = Quotas {
        nodes_per_jid_max: 1,
        publishes_per_second_per_jid_max: 1,
        publish_burst_ms: 1_000,
        ..Quotas::default()
    };
    let rig = Rig::start_with(Settings { quotas, ..Settings::default() }).await;
    rig.create("news").await;
    let create = async |principal, name: &str| {
        let request =
            v1::CreateNodeRequest { name: name.to_owned(), config: None, ..v1::CreateNodeRequest::default() };
        rig.nodes(principal).create_node(request).await
    };
    let quota = |status: Status| {
        let details = status.get_error_details();
        let violation = details.quota_failure().expect("a QuotaFailure").violations[0].clone();
        let delay = details.retry_info().expect("a RetryInfo").retry_delay.expect("a delay");
        assert_eq!(
            (status.code(), status.message()),
            (Code::ResourceExhausted, violation.description.as_str())
        );
        (violation.subject, delay)
    };
    assert_eq!(quota(create(ALICE, "more").await.unwrap_err()).0, "nodes_per_jid");
    create(BOB, "of bob").await.unwrap();
    create(ADMIN, "one").await.unwrap();
    create(ADMIN, "two").await.unwrap();

    rig.publish("news", vec![anonymous_event("<a xmlns='urn:a'/>"); 60]).await;
    let request = v1::PublishRequest {
        node: "news".into(),
        events: vec![anonymous_event("<a xmlns='urn:a'/>")],
        ..v1::PublishRequest::default()
    };
    let (subject, delay) = quota(rig.publisher(ALICE).publish(request).await.unwrap_err());
    assert_eq!(subject, "publishes_per_jid");
    assert!(delay > Duration::ZERO && delay <= Duration::from_mins(1), "{delay:?}");
}
