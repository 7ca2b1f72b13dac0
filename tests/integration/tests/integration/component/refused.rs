use harness::{Daemon, ScriptedServer, ServerKind, XmppServer};

use crate::peers::{
    DOMAIN, SECRET, TO_US, XmppPeer, behind_each_server, impatient, init, server, wait_for_log,
    wait_not_ready,
};

behind_each_server! {
    a_wrong_secret_is_said_with_what_to_do_and_mended_at_the_server,
    a_domain_that_the_server_does_not_know_is_said_with_what_to_do_and_mended_there,
}

async fn a_wrong_secret_is_said_with_what_to_do_and_mended_at_the_server(kind: ServerKind) {
    let mut server = server(kind).component(DOMAIN, "not the secret");
    server.start().await.unwrap();
    let mut daemon = start(server.component_port()).await;
    let reason = wait_not_ready(&daemon, "not-authorized").await;
    assert!(reason.contains("component_secret"), "what can be done: {reason}");

    server.stop().await.unwrap();
    let mut server = server.component(DOMAIN, SECRET);
    server.start().await.unwrap();
    daemon.wait_ready().await.unwrap();
    let mut alice = XmppPeer::user(&server, "alice").await;
    assert_eq!(alice.ask("", TO_US).await, []);
}

async fn a_domain_that_the_server_does_not_know_is_said_with_what_to_do_and_mended_there(kind: ServerKind) {
    let (refusal, advice) = match kind {
        ServerKind::Prosody => ("host-unknown", "add the component's domain"),
        // It says the same as of a wrong secret.
        ServerKind::Ejabberd | ServerKind::Jabberd2 => ("not-authorized", "listener that lists the domain"),
    };
    let mut server = XmppServer::new(kind).unwrap().component("unrelated.localhost", "another secret");
    server.start().await.unwrap();
    let mut daemon = start(server.component_port()).await;
    let reason = wait_not_ready(&daemon, refusal).await;
    assert!(reason.contains(advice), "what can be done: {reason}");

    server.stop().await.unwrap();
    let mut server = server.component(DOMAIN, SECRET);
    server.start().await.unwrap();
    daemon.wait_ready().await.unwrap();
}

#[tokio::test]
async fn a_port_where_something_else_listens_is_said() {
    let server = ScriptedServer::start().await.unwrap();
    let daemon = start(server.port()).await;
    let mut connection = server.accept().await.unwrap();
    connection.send("HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
    wait_not_ready(&daemon, "this is not an XMPP server's component port").await;
}

#[tokio::test]
async fn refusals_are_tried_again_for_ever_and_reported_once() {
    const ATTEMPTS: usize = 5;
    let server = ScriptedServer::start().await.unwrap();
    let mut daemon = start(server.port()).await;
    for _ in 0..ATTEMPTS {
        let mut refused = server.accept_handshake().await.unwrap();
        refused.send(stream_error("not-authorized")).await.unwrap();
    }
    let mut refused = server.accept_handshake().await.unwrap();
    refused.send(stream_error("undefined-condition")).await.unwrap();
    let log = wait_for_log(&daemon, "undefined-condition", 1).await;
    assert_eq!(log.matches("no XMPP link: ").count(), 2, "one line for each reason:\n{log}");
    let _accepted = server.accept_daemon().await.unwrap();
    daemon.wait_ready().await.unwrap();
}

async fn start(port: u16) -> Daemon {
    let mut daemon = init(port).await;
    impatient(&mut daemon);
    daemon.start().expect("the daemon starts");
    daemon
}

fn stream_error(condition: &str) -> String {
    let namespace = "urn:ietf:params:xml:ns:xmpp-streams";
    format!("<stream:error><{condition} xmlns='{namespace}'/></stream:error></stream:stream>")
}
