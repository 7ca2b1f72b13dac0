use bridge_grpc::v1::nodes_client::NodesClient;
use bridge_grpc::v1::publisher_client::PublisherClient;
use bridge_grpc::v1::subscriber_client::SubscriberClient;
use bridge_grpc::{GrpcSettings, Health, ServeError, SettingsError, serve, v1};
use bus_engine::{Engine, Settings, SystemClock, SystemIds};
use bus_store_sqlite::SqliteStore;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tonic::Code;

use crate::rig::{ADMIN, ALICE, BOB, Rig, SendToken, expect_refusal};

#[tokio::test]
async fn no_service_answers_without_a_token() {
    let rig = Rig::start().await;
    let channel = rig.channel();
    let (code, reason) = (Code::Unauthenticated, "TOKEN_MISSING");
    let publish = v1::PublishRequest::default();
    expect_refusal(PublisherClient::new(channel.clone()).publish(publish).await, code, reason, None);
    let tail = v1::TailRequest::default();
    expect_refusal(SubscriberClient::new(channel.clone()).tail(tail).await, code, reason, None);
    let list = v1::ListNodesRequest::default();
    expect_refusal(NodesClient::new(channel).list_nodes(list).await, code, reason, None);
}

#[tokio::test]
async fn an_unknown_token_is_refused() {
    let rig = Rig::start().await;
    let mut stranger = NodesClient::with_interceptor(rig.channel(), SendToken("mallory"));
    let result = stranger.list_nodes(v1::ListNodesRequest::default()).await;
    expect_refusal(result, Code::Unauthenticated, "TOKEN_INVALID", None);
}

#[tokio::test]
async fn an_admin_may_do_what_an_owner_may_and_others_may_not() {
    let rig = Rig::start().await;
    rig.create("news").await;
    let request = || v1::DeleteNodeRequest { name: "news".into() };
    let result = rig.nodes(BOB).delete_node(request()).await;
    expect_refusal(result, Code::PermissionDenied, "AFFILIATION_REQUIRED", None);
    rig.nodes(ADMIN).delete_node(request()).await.unwrap();
    let gone = rig.nodes(ALICE).delete_node(request()).await;
    expect_refusal(gone, Code::NotFound, "NODE_NOT_FOUND", None);
}

#[tokio::test]
async fn plaintext_beyond_loopback_is_refused_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(SqliteStore::open(&folder.path().join("bus.db")).await.unwrap());
    let stop = CancellationToken::new();
    let (clock, ids) = (Arc::new(SystemClock), Arc::new(SystemIds));
    let engine = Engine::start(store, Settings::default(), clock, ids, stop.clone()).await.unwrap().engine;
    let listener = TcpListener::bind("0.0.0.0:0").await.unwrap();
    let result = serve(engine, GrpcSettings::default(), Health::new().await, listener, stop).await;
    let Err(ServeError::Settings(SettingsError::PlaintextBeyondLoopback { .. })) = result else {
        panic!("{result:?}");
    };
}
