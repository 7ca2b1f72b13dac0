use std::sync::Arc;

use xmpp_component::{DownReason, LinkEvent, LinkLimits, LinkState, StreamCondition};

use crate::fake_server::{Client, FakeServer, HEADER, soon};

async fn next_failure(client: &Client) -> Arc<DownReason> {
    let mut state = client.link.watch();
    let failed = |state: &LinkState| matches!(state, LinkState::Down { last_error: Some(_) });
    match soon(state.wait_for(failed)).await.expect("the link lives").clone() {
        LinkState::Down { last_error: Some(reason) } => reason,
        other => panic!("{other:?}"),
    }
}

/// Lets a handshake fail in `script`, checks how it is reported, and that the next attempt works.
async fn check(script: &[&str], expected: impl Fn(&DownReason) -> bool) {
    let server = FakeServer::start().await;
    let mut client = server.connect(FakeServer::limits());
    let mut connection = server.accept().await;
    connection.read_until("to='events.localhost'>").await;
    for text in script {
        connection.write(text).await;
    }
    let reason = next_failure(&client).await;
    assert!(expected(&reason), "{script:?}: {reason:?}");
    drop(connection);
    let _connection = server.accept_stream().await;
    assert_eq!(client.up().await, 1);
    assert!(matches!(client.link.state(), LinkState::Up { generation: 1, .. }));
}

#[tokio::test]
async fn the_handshake_follows_xep_0114() {
    let server = FakeServer::start().await;
    let mut client = server.connect(FakeServer::limits());
    let mut connection = server.accept().await;
    let header = connection.read_until("to='events.localhost'>").await;
    assert_eq!(
        header,
        "<?xml version='1.0'?><stream:stream xmlns='jabber:component:accept' \
         xmlns:stream='http://etherx.jabber.org/streams' to='events.localhost'>"
    );
    connection.write(HEADER).await;
    let handshake = connection.read_until("</handshake>").await;
    // SHA-1 of "3BF96D32test".
    assert_eq!(handshake, "<handshake>aaee83c26aeeafcbabeabfcbcd50df997e0a2a1e</handshake>");
    assert!(matches!(client.link.state(), LinkState::Down { last_error: None }));
    connection.write("<handshake/><message id='m' from='localhost' to='events.localhost'/>").await;
    assert_eq!(client.up().await, 1);
    assert_eq!(client.stanza_id().await, "m", "what came in the same read is not lost");
}

#[tokio::test]
async fn a_header_in_pieces_and_without_version_is_a_header() {
    let server = FakeServer::start().await;
    let mut client = server.connect(FakeServer::limits());
    let mut connection = server.accept().await;
    connection.read_until("to='events.localhost'>").await;
    for piece in
        ["<?xml version='1.0'?>", "<stream:stream xmlns='jabber:component:accept' ", "id='a' xmlns:str"]
    {
        connection.write(piece).await;
        tokio::task::yield_now().await;
    }
    connection.write("eam='http://etherx.jabber.org/streams'>").await;
    connection.read_until("</handshake>").await;
    connection.write("<handshake xmlns='jabber:component:accept'></handshake>").await;
    assert_eq!(client.up().await, 1);
}

#[tokio::test]
async fn each_stream_error_has_its_reason() {
    let conditions = [
        ("conflict", StreamCondition::Conflict),
        ("host-unknown", StreamCondition::HostUnknown),
        ("not-authorized", StreamCondition::NotAuthorized),
        ("invalid-namespace", StreamCondition::InvalidNamespace),
        ("policy-violation", StreamCondition::PolicyViolation),
        ("system-shutdown", StreamCondition::SystemShutdown),
        ("see-other-host", StreamCondition::Other("see-other-host".to_owned())),
    ];
    for (name, expected) in conditions {
        let error = format!(
            "<stream:error><{name} xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>\
             <text xmlns='urn:ietf:params:xml:ns:xmpp-streams'>Because</text></stream:error></stream:stream>"
        );
        check(&[HEADER, &error], |reason| match reason {
            DownReason::StreamError { condition, text } => {
                *condition == expected && text.as_deref() == Some("Because")
            }
            _ => false,
        })
        .await;
    }
}

#[tokio::test]
async fn other_ends_of_a_handshake_have_their_reasons_too() {
    check(&[HEADER, "</stream:stream>"], |reason| matches!(reason, DownReason::StreamClosed)).await;
    check(&[HEADER, "</handshake>"], |reason| matches!(reason, DownReason::NotWellFormed(_))).await;
    check(&[HEADER, "<handshake/></nope>"], |reason| matches!(reason, DownReason::NotWellFormed(_))).await;
    check(&["HTTP/1.1 400 Bad Request\r\n\r\n"], |reason| matches!(reason, DownReason::NotAStream)).await;
    check(&["<stream xmlns='jabber:client'>"], |reason| matches!(reason, DownReason::NotAStream)).await;
}

#[tokio::test]
async fn a_server_that_falls_silent_in_the_handshake_is_left() {
    let server = FakeServer::start().await;
    let client = server.connect(LinkLimits { handshake_timeout_ms: 100, ..FakeServer::limits() });
    let mut connection = server.accept().await;
    connection.write(HEADER).await;
    assert!(matches!(*next_failure(&client).await, DownReason::HandshakeTimeout));
    server.accept().await;
}

#[tokio::test]
async fn a_connection_closed_in_the_handshake_is_tried_again() {
    let server = FakeServer::start().await;
    let mut client = server.connect(FakeServer::limits());
    let mut connection = server.accept().await;
    connection.read_until("to='events.localhost'>").await;
    drop(connection);
    let reason = next_failure(&client).await;
    assert!(matches!(*reason, DownReason::HungUp) && reason.advice().is_some(), "{reason:?}");
    let mut connection = server.accept().await;
    connection.read_until("to='events.localhost'>").await;
    connection.write(HEADER).await;
    connection.read_until("</handshake>").await;
    drop(connection);
    let is_closed = |state: &LinkState| match state {
        LinkState::Down { last_error: Some(reason) } => matches!(**reason, DownReason::ConnectionClosed),
        _ => false,
    };
    soon(client.link.watch().wait_for(is_closed)).await.expect("the link lives");
    let _connection = server.accept_stream().await;
    assert_eq!(client.up().await, 1);
}

#[tokio::test]
async fn faults_of_the_configuration_come_with_advice() {
    for (condition, advised) in [
        (StreamCondition::NotAuthorized, true),
        (StreamCondition::HostUnknown, true),
        (StreamCondition::InvalidNamespace, true),
        (StreamCondition::SystemShutdown, false),
    ] {
        let reason = DownReason::StreamError { condition, text: None };
        assert_eq!(reason.advice().is_some(), advised, "{reason}");
    }
}

#[tokio::test]
async fn an_unreachable_server_is_tried_again() {
    let server = FakeServer::start().await;
    let mut client = server.connect(FakeServer::limits());
    drop(server.accept_stream().await);
    assert_eq!(client.up().await, 1);
    assert!(matches!(client.event().await, LinkEvent::Down { generation: 1, .. }));
    drop(server);
    let mut state = client.link.watch();
    let unreachable = |state: &LinkState| match state {
        LinkState::Down { last_error: Some(reason) } => matches!(**reason, DownReason::Unreachable(_)),
        _ => false,
    };
    soon(state.wait_for(unreachable)).await.expect("the link lives");
}
