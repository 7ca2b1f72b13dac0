use harness::{Daemon, ScriptedServer};

use crate::peers::{DOMAIN, SECRET, TO_US, XmppPeer, impatient, init, prosody, wait_for_log, wait_not_ready};

#[tokio::test]
async fn a_wrong_secret_is_said_with_what_to_do_and_mended_at_the_server() {
    let mut prosody = prosody().component(DOMAIN, "not the secret");
    prosody.start().await.unwrap();
    let mut daemon = start(prosody.component_port()).await;
    let reason = wait_not_ready(&daemon, "not-authorized").await;
    assert!(reason.contains("component_secret"), "what can be done: {reason}");

    prosody.stop().await.unwrap();
    let mut prosody = prosody.component(DOMAIN, SECRET);
    prosody.start().await.unwrap();
    daemon.wait_ready().await.unwrap();
    let mut alice = XmppPeer::user(&prosody, "alice").await;
    assert_eq!(alice.ask("", TO_US).await, []);
}

#[tokio::test]
async fn a_domain_that_the_server_does_not_know_is_said_with_what_to_do_and_mended_there() {
    let mut prosody = harness::Prosody::new().unwrap().component("unrelated.localhost", "another secret");
    prosody.start().await.unwrap();
    let mut daemon = start(prosody.component_port()).await;
    let reason = wait_not_ready(&daemon, "host-unknown").await;
    assert!(reason.contains("add the component's domain"), "what can be done: {reason}");

    prosody.stop().await.unwrap();
    let mut prosody = prosody.component(DOMAIN, SECRET);
    prosody.start().await.unwrap();
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
    let _accepted = server.accept_component().await.unwrap();
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
