//! What the log holds, and what it must never hold.

use std::fs;

use crate::peers::{GrpcCaller, SECRET, TO_US, XmppPeer, impatient, init, ping, prosody};

/// Stands in payloads, and nowhere else.
const MARKER: &str = "payload-marker-5d41402a";
/// A secret that no other word of the log contains.
const LONG_SECRET: &str = "component-secret-7d793037";

#[tokio::test]
async fn the_log_is_json_and_holds_no_payload_and_no_secret_at_any_level() {
    let mut prosody = prosody().component(crate::peers::DOMAIN, LONG_SECRET);
    prosody.start().await.unwrap();
    let mut daemon = init(prosody.component_port()).await;
    impatient(&mut daemon);
    daemon.set_env("STANZABUS_LOG__LEVEL", "trace");
    fs::write(daemon.folder().join("stanzabus.secret"), SECRET).unwrap();
    daemon.start().unwrap();
    crate::peers::wait_not_ready(&daemon, "not-authorized").await;
    daemon.kill9().await.unwrap();
    fs::write(daemon.folder().join("stanzabus.secret"), LONG_SECRET).unwrap();
    daemon.start().unwrap();
    daemon.wait_ready().await.unwrap();

    let grpc = GrpcCaller::new(&daemon);
    grpc.create_node("n").await.unwrap();
    let mut alice = XmppPeer::user(&prosody, "alice").await;
    alice.send("<presence/>").await;
    alice.subscribe("n", "alice@localhost").await;
    grpc.publish("n", "a", &format!("<e xmlns='urn:x'>{MARKER}</e>")).await.unwrap();
    grpc.publish("n", "a", &format!("<e>{MARKER}")).await.unwrap_err();
    let item = format!("<item><e xmlns='urn:x'>{MARKER}</e></item>");
    let publish = format!(
        "<iq type='set' {TO_US} id='p'><pubsub xmlns='http://jabber.org/protocol/pubsub'>\
         <publish node='n'>{item}</publish></pubsub></iq><message {TO_US}><body>{MARKER}</body></message>"
    );
    alice.ask(&publish, TO_US).await;
    alice.ask(&ping(TO_US, "again"), TO_US).await;
    let token = fs::read_to_string(daemon.folder().join("stanzabus.token")).unwrap();
    assert!(daemon.terminate().await.unwrap().success());

    let log = fs::read_to_string(daemon.log_path()).unwrap();
    assert!(
        log.contains("\"TRACE\"") && log.contains("the XMPP link is up"),
        "there is something to look at"
    );
    for secret in [MARKER, LONG_SECRET, token.trim()] {
        let found: Vec<_> = log.lines().filter(|line| line.contains(secret)).take(3).collect();
        assert!(found.is_empty(), "{secret} stands in {found:#?}");
    }
    for line in log.lines() {
        let entry: serde_json::Value =
            serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        let has_all = ["timestamp", "level", "target"].iter().all(|field| entry[field].is_string());
        assert!(has_all, "{line}");
    }
}
