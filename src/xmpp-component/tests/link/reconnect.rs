use bytes::Bytes;
use tokio::io::AsyncWriteExt as _;
use xmpp_component::{DownReason, LinkEvent, LinkLimits, StreamCondition};

use crate::fake_server::{FakeServer, soon};

type IsExpected = fn(&DownReason) -> bool;

#[tokio::test]
async fn the_link_comes_back_after_each_kind_of_end() {
    let server = FakeServer::start().await;
    let mut client = server.connect(FakeServer::limits());
    let ends: [(&str, IsExpected); 4] = [
        ("", |reason| matches!(reason, DownReason::ConnectionClosed)),
        ("</stream:stream>", |reason| matches!(reason, DownReason::StreamClosed)),
        ("<iq></message>", |reason| matches!(reason, DownReason::NotWellFormed(_))),
        ("<stream:error><conflict xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error>", |reason| {
            matches!(reason, DownReason::StreamError { condition: StreamCondition::Conflict, .. })
        }),
    ];
    for (expected, (end, is_expected)) in (1..).zip(ends) {
        let mut connection = server.accept_stream().await;
        assert_eq!(client.up().await, expected);
        connection.write(end).await;
        connection.socket.shutdown().await.expect("an open connection");
        match client.event().await {
            LinkEvent::Down { generation, reason } => {
                assert_eq!(generation, expected);
                assert!(is_expected(&reason), "{end}: {reason:?}");
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(client.link.statistics().reconnects, 3);
}

#[tokio::test]
async fn stanzas_before_the_end_are_not_lost() {
    let server = FakeServer::start().await;
    let mut client = server.connect(FakeServer::limits());
    let mut connection = server.accept_stream().await;
    client.up().await;
    connection.write("<iq id='a'/><iq id='b'/></stream:stream>").await;
    assert_eq!(client.stanza_id().await, "a");
    assert_eq!(client.stanza_id().await, "b");
    assert!(matches!(client.event().await, LinkEvent::Down { .. }));
}

#[tokio::test]
async fn replies_given_during_an_outage_go_out_on_the_next_stream() {
    let server = FakeServer::start().await;
    let mut client = server.connect(FakeServer::limits());
    drop(server.accept_stream().await);
    client.up().await;
    assert!(matches!(client.event().await, LinkEvent::Down { .. }));
    for reply in ["<iq id='1'/>", "<iq id='2'/>"] {
        soon(client.link.reply(Bytes::from_static(reply.as_bytes()))).await.expect("a living link");
    }
    let mut connection = server.accept_stream().await;
    assert_eq!(connection.read_until("<iq id='2'/>").await, "<iq id='1'/><iq id='2'/>");
}

#[tokio::test]
async fn a_silent_server_is_pinged_and_then_left() {
    let server = FakeServer::start().await;
    let limits = LinkLimits { idle_ping_ms: 50, dead_after_ms: 2_000, ..FakeServer::limits() };
    let mut client = server.connect(limits);
    let mut connection = server.accept_stream().await;
    client.up().await;
    let (_, id) = connection.read_barrier().await;
    connection.answer(&id).await;
    let (_, id) = connection.read_barrier().await;
    connection.answer(&id).await;
    connection.read_barrier().await;
    match client.event().await {
        LinkEvent::Down { reason, .. } => assert!(matches!(*reason, DownReason::Silent), "{reason:?}"),
        other => panic!("{other:?}"),
    }
    server.accept_stream().await;
    client.up().await;
}

#[tokio::test]
async fn a_server_that_answers_no_ping_but_writes_something_is_alive() {
    let server = FakeServer::start().await;
    let limits = LinkLimits { idle_ping_ms: 100, dead_after_ms: 2_000, ..FakeServer::limits() };
    let mut client = server.connect(limits);
    let mut connection = server.accept_stream().await;
    client.up().await;
    // Forty pings take at least four seconds, twice as long as silence may last.
    for _ in 0..40 {
        connection.read_barrier().await;
        connection.write(" ").await;
    }
    connection.write("<iq id='alive'/>").await;
    assert_eq!(client.stanza_id().await, "alive");
    let overdue = client.link.proof_overdue().expect("no ping was answered for twice as long as it may take");
    assert!(overdue.as_millis() >= 2_000, "{overdue:?}");
    assert!(client.link.statistics().barriers_unanswered > 0);
    let (_, id) = connection.read_barrier().await;
    connection.answer(&id).await;
    connection.write("<iq id='answered'/>").await;
    assert_eq!(client.stanza_id().await, "answered");
    assert_eq!(client.link.proof_overdue(), None);
}
