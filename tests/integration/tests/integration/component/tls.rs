use std::fs;

use harness::{Authority, Daemon, ServerKind, Validity, XmppServer};

use crate::peers::{DOMAIN, SECRET, TO_US, XmppPeer, impatient, init, metric, server, wait_not_ready};

/// The name that the certificate is for; the daemon connects to 127.0.0.1.
const NAME: &str = "xmpp.example.org";

#[tokio::test]
async fn a_link_over_tls_does_what_a_plain_one_does() {
    let authority = Authority::new().unwrap();
    let server = tls_server(&authority.key_and_certificate_pem(&[NAME], Validity::Current).unwrap()).await;
    let mut daemon = tls_daemon(&server, authority.certificate_pem()).await;
    daemon.start().unwrap();
    daemon.wait_ready().await.unwrap();
    let mut alice = XmppPeer::user(&server, "alice").await;
    assert_eq!(alice.ask("", TO_US).await, []);

    // Longer than what TLS keeps in one record, both ways.
    let text = "0123456789".repeat(10_000);
    let entry = format!("<entry xmlns='urn:example'>{text}</entry>");
    alice.send("<presence/>").await;
    alice.request("set", &pubsub("<create node='n'/>")).await;
    alice.subscribe("n", "alice@localhost").await;
    alice.send(format!("<iq type='set' {TO_US} id='p'>{}</iq>", pubsub(&publish(&entry)))).await;
    let is_notification =
        |stanza: &bus_xml::Element| stanza.name() == "message" && bus_xml::serialise(stanza).contains(&text);
    alice.receive_until(|stanzas| stanzas.iter().any(is_notification)).await;

    assert!(daemon.terminate().await.unwrap().success());
}

#[tokio::test]
async fn a_certificate_that_cannot_be_trusted_is_refused_with_what_to_do() {
    let (trusted, other) = (Authority::new().unwrap(), Authority::new().unwrap());
    let signed =
        |by: &Authority, names: &[&str], validity| by.key_and_certificate_pem(names, validity).unwrap();
    for (certificate, expected) in [
        (signed(&other, &[NAME], Validity::Current), "xmpp.ca_file"),
        (signed(&trusted, &["elsewhere.example"], Validity::Current), "xmpp.tls_name"),
        (signed(&trusted, &[NAME], Validity::Expired), "renew"),
    ] {
        let server = tls_server(&certificate).await;
        let mut daemon = tls_daemon(&server, trusted.certificate_pem()).await;
        daemon.start().unwrap();
        let reason = wait_not_ready(&daemon, "certificate is refused").await;
        assert!(reason.contains(expected), "what can be done: {reason}");
        let doctor = daemon.cli_output(&["doctor".to_owned()]).await.unwrap();
        let lines = String::from_utf8_lossy(&doctor.stdout).into_owned();
        assert!(!doctor.status.success() && lines.contains(expected), "{lines}");
        assert_eq!(metric(&daemon, "stanzabus_link_up").await, 0);
    }
}

#[tokio::test]
async fn tls_on_one_side_only_is_said() {
    let authority = Authority::new().unwrap();
    for kind in [ServerKind::Prosody, ServerKind::Ejabberd] {
        let mut plain = server(kind);
        plain.start().await.unwrap();
        let mut daemon = tls_daemon(&plain, authority.certificate_pem()).await;
        daemon.start().unwrap();
        let reason = wait_not_ready(&daemon, "TLS does not come about").await;
        assert!(reason.contains("without tls://"), "what can be done: {reason}");
    }

    let server = tls_server(&authority.key_and_certificate_pem(&[NAME], Validity::Current).unwrap()).await;
    let mut daemon = init(server.component_port()).await;
    impatient(&mut daemon);
    daemon.start().unwrap();
    let reason = wait_not_ready(&daemon, "hung up without a word").await;
    assert!(reason.contains("write tls://"), "what can be done: {reason}");
}

#[tokio::test]
async fn a_plain_link_leaves_this_machine_with_permission_only() {
    let mut daemon = init(1).await;
    daemon.set_env("STANZABUS_XMPP__SERVER", "192.0.2.1:5347");
    let refused = daemon.cli(["config", "check"]).await.unwrap_err().to_string();
    assert!(refused.contains("plaintext_beyond_loopback") && refused.contains("tls://"), "{refused}");
    daemon.set_env("STANZABUS_XMPP__SERVER", "tls://192.0.2.1:5347");
    daemon.cli(["config", "check"]).await.unwrap();
    daemon.set_env("STANZABUS_XMPP__SERVER", "192.0.2.1:5347");
    daemon.set_env("STANZABUS_XMPP__PLAINTEXT_BEYOND_LOOPBACK", "true");
    daemon.cli(["config", "check"]).await.unwrap();
}

/// An ejabberd whose port for components speaks TLS with this key and certificate.
async fn tls_server(key_and_certificate: &str) -> XmppServer {
    let mut server = server(ServerKind::Ejabberd).component_tls(key_and_certificate);
    server.start().await.expect("ejabberd starts");
    server
}

/// A daemon that wants TLS and trusts this authority; not started yet.
async fn tls_daemon(server: &XmppServer, authority: &str) -> Daemon {
    let address = format!("tls://127.0.0.1:{}", server.component_port());
    let mut daemon = Daemon::init(DOMAIN, &address, SECRET).await.expect("`init` knows tls://");
    impatient(&mut daemon);
    fs::write(daemon.folder().join("ca.pem"), authority).expect("the folder is ours");
    daemon.set_env("STANZABUS_XMPP__CA_FILE", "ca.pem");
    daemon.set_env("STANZABUS_XMPP__TLS_NAME", NAME);
    daemon
}

fn pubsub(request: &str) -> String {
    format!("<pubsub xmlns='http://jabber.org/protocol/pubsub'>{request}</pubsub>")
}

fn publish(entry: &str) -> String {
    format!("<publish node='n'><item id='i'>{entry}</item></publish>")
}
