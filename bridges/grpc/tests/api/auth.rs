use bridge_grpc::v1::nodes_client::NodesClient;
use bridge_grpc::v1::publisher_client::PublisherClient;
use bridge_grpc::v1::subscriber_client::SubscriberClient;
use bridge_grpc::{
    AccessToken, Credentials, CredentialsInForce, GrpcSettings, Health, ServeError, serve, token_sha256_hex,
    v1,
};
use bus_domain::BareJid;
use bus_engine::{Clock as _, Engine, Settings, SystemClock, SystemIds};
use bus_store_sqlite::SqliteStore;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::{Code, Streaming};

use crate::rig::{
    ADMIN, ALICE, BOB, DOMAIN, Rig, SendToken, anonymous_event, credentials, expect_refusal, grpc_settings,
    jid_of, soon, token_of,
};
use crate::subscriptions::{create, queue};

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
    let request = || v1::DeleteNodeRequest { name: "news".into(), ..Default::default() };
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
    let Err(ServeError::Settings(_)) = result else {
        panic!("{result:?}");
    };
}

/// A server, what it goes by, and two streams of bob's, a reader's and a publisher's.
struct Streams {
    rig: Rig,
    in_force: CredentialsInForce,
    reader: Streaming<v1::TailResponse>,
    publisher: Streaming<v1::PublishStreamResponse>,
    _batches: mpsc::Sender<v1::PublishStreamRequest>,
}

impl Streams {
    async fn open(credentials: Credentials) -> Self {
        let in_force = CredentialsInForce::new(credentials);
        let grpc = GrpcSettings { credentials: in_force.clone(), ..grpc_settings() };
        let rig = Rig::start_as(Settings::default(), grpc).await;
        rig.create("news").await;
        let request = v1::TailRequest { node: "news".into(), ..v1::TailRequest::default() };
        let mut reader = rig.subscriber(BOB).tail(request).await.unwrap().into_inner();
        soon(reader.message()).await.unwrap().expect("it is opened");
        let (batches, receiver) = mpsc::channel(1);
        let stream = ReceiverStream::new(receiver);
        let mut publisher = rig.publisher(BOB).publish_stream(stream).await.unwrap().into_inner();
        soon(publisher.message()).await.unwrap().expect("the window");
        Self { rig, in_force, reader, publisher, _batches: batches }
    }

    async fn end_with(mut self, reason: &str) {
        expect_refusal(soon(self.reader.message()).await, Code::Unauthenticated, reason, None);
        expect_refusal(soon(self.publisher.message()).await, Code::Unauthenticated, reason, None);
        let next = self.rig.nodes(BOB).list_nodes(v1::ListNodesRequest::default()).await;
        expect_refusal(next, Code::Unauthenticated, reason, None);
    }
}

#[tokio::test]
async fn a_token_that_is_revoked_ends_the_streams_of_its_holder_and_of_nobody_else() {
    let mut streams = Streams::open(credentials()).await;
    let request = v1::TailRequest { node: "news".into(), ..v1::TailRequest::default() };
    let mut of_alice = streams.rig.subscriber(ALICE).tail(request).await.unwrap().into_inner();
    soon(of_alice.message()).await.unwrap().expect("it is opened");
    streams.in_force.replace(credentials());
    streams.rig.publish("news", vec![anonymous_event("<a xmlns='urn:a'/>")]).await;
    assert!(soon(streams.reader.message()).await.unwrap().is_some(), "the same again changes nothing");

    let mut without_bob = credentials();
    without_bob.tokens.retain(|token| token.principal().as_str() != jid_of(BOB));
    streams.in_force.replace(without_bob);
    streams.rig.publish("news", vec![anonymous_event("<a xmlns='urn:a'/>")]).await;
    for _ in 0..2 {
        assert!(soon(of_alice.message()).await.unwrap().is_some(), "alice reads on");
    }
    streams.end_with("TOKEN_INVALID").await;
}

#[tokio::test]
async fn a_pull_that_waits_ends_with_its_token() {
    let in_force = CredentialsInForce::new(credentials());
    let grpc = GrpcSettings { credentials: in_force.clone(), ..grpc_settings() };
    let rig = Rig::start_as(Settings::default(), grpc).await;
    rig.create("jobs").await;
    create(&rig, "workers", queue(&["jobs"])).await;
    let request = v1::PullRequest { subscription: "workers".into(), ..v1::PullRequest::default() };
    let mut subscriber = rig.subscriber(ALICE);
    let pulled = subscriber.pull(request);
    tokio::pin!(pulled);
    let early = tokio::time::timeout(Duration::from_millis(300), &mut pulled).await;
    assert!(early.is_err(), "there is nothing to pull: {early:?}");
    let mut without_alice = credentials();
    without_alice.tokens.retain(|token| token.principal().as_str() != jid_of(ALICE));
    in_force.replace(without_alice);
    expect_refusal(soon(pulled).await, Code::Unauthenticated, "TOKEN_INVALID", None);
}

#[tokio::test]
async fn a_token_that_expires_ends_the_streams_of_its_holder() {
    let soon_ms = SystemClock.now_ms() + 6_000;
    let mut expiring = credentials();
    let token = AccessToken::new(BOB, DOMAIN, &token_sha256_hex(&token_of(BOB))).unwrap();
    expiring.tokens.retain(|token| token.principal().as_str() != jid_of(BOB));
    expiring.tokens.push(token.expiring(soon_ms));
    Streams::open(expiring).await.end_with("TOKEN_EXPIRED").await;
}

#[tokio::test]
async fn a_token_expires_under_a_reader_who_always_has_something_to_read() {
    let mut expiring = credentials();
    let token = AccessToken::new(BOB, DOMAIN, &token_sha256_hex(&token_of(BOB))).unwrap();
    expiring.tokens.retain(|token| token.principal().as_str() != jid_of(BOB));
    expiring.tokens.push(token.expiring(SystemClock.now_ms() + 6_000));
    let Streams { rig, mut reader, .. } = Streams::open(expiring).await;
    let publishing = async {
        loop {
            rig.publish("news", vec![anonymous_event("<a xmlns='urn:a'/>"); 50]).await;
        }
    };
    let reading = async {
        loop {
            match reader.message().await {
                Ok(frame) => assert!(frame.is_some(), "an error is the last thing"),
                refused => return refused,
            }
        }
    };
    let refused = tokio::select! {
        refused = soon(reading) => refused,
        () = publishing => unreachable!("it goes on"),
    };
    expect_refusal(refused, Code::Unauthenticated, "TOKEN_EXPIRED", None);
}

#[tokio::test]
async fn what_a_token_stands_for_is_not_changed_under_a_stream() {
    let streams = Streams::open(credentials()).await;
    let mut promoted = credentials();
    promoted.admins.push(BareJid::new(&jid_of(BOB)).unwrap());
    streams.in_force.replace(promoted);
    let Streams { mut reader, .. } = streams;
    expect_refusal(soon(reader.message()).await, Code::Unauthenticated, "CREDENTIAL_CHANGED", None);
}
