use harness::{Daemon, RawStream, ServerKind, XmppServer};

use crate::peers::{
    FROM_ALICE, GrpcCaller, Notification, StanzaKind, TO_US, XmppPeer, attached, behind_each_server, kind_of,
    metric, on_script, on_server, ping, server,
};

behind_each_server! {
    nobody_is_at_other_addresses_of_the_domain,
    a_component_on_the_same_server_asks_and_gets_answers,
    a_component_subscribes_and_is_notified,
}

const PEER: &str = "peer.localhost";
const PEER_SECRET: &str = "peer secret";
const PEER_ADDRESSES: &str = "from='peer.localhost' to='events.localhost'";

async fn nobody_is_at_other_addresses_of_the_domain(kind: ServerKind) {
    let (server, daemon) = on_server(kind).await;
    let mut alice = XmppPeer::user(&server, "alice").await;
    for address in ["somebody@events.localhost", "somebody@events.localhost/here", "events.localhost/here"] {
        let to_them = format!("to='{address}'");
        for child in [
            "<ping xmlns='urn:xmpp:ping'/>",
            "<query xmlns='http://jabber.org/protocol/disco#info'/>",
            "<pubsub xmlns='http://jabber.org/protocol/pubsub'><items node='news'/></pubsub>",
        ] {
            let answers = alice.ask(&format!("<iq type='get' {to_them} id='a'>{child}</iq>"), TO_US).await;
            assert_eq!(kinds(&answers), [error("a", "item-not-found")], "{child} at {address}");
            assert_eq!(answers[0].attr("from"), Some(address));
        }
        let answers = alice.ask(&format!("<message {to_them}><body>hi</body></message>"), TO_US).await;
        assert_eq!(kinds(&answers), [], "a message to {address}");
    }
    assert_eq!(metric(&daemon, "stanzabus_link_reconnects_total").await, 0);
}

async fn a_component_on_the_same_server_asks_and_gets_answers(kind: ServerKind) {
    let (server, _daemon) = with_peer(kind).await;
    let mut peer = peer(&server).await;
    let query = "<query xmlns='http://jabber.org/protocol/disco#info'/>";
    let answers =
        peer.ask(&format!("<iq type='get' {PEER_ADDRESSES} id='d'>{query}</iq>"), PEER_ADDRESSES).await;
    assert_eq!(kinds(&answers), [StanzaKind::Result(Some("d".to_owned()))]);

    let message = format!("<message {PEER_ADDRESSES}><body>hi</body></message>");
    assert_eq!(peer.ask(&message, PEER_ADDRESSES).await, []);

    for (presence, expected) in [
        ("subscribe", &[Some("subscribed"), None][..]),
        ("probe", &[None]),
        ("unsubscribe", &[Some("unsubscribed")]),
    ] {
        let answers =
            peer.ask(&format!("<presence type='{presence}' {PEER_ADDRESSES}/>"), PEER_ADDRESSES).await;
        assert!(answers.iter().all(|answer| answer.name() == "presence"), "{presence}");
        let types: Vec<_> = answers.iter().map(|answer| answer.attr("type")).collect();
        assert_eq!(types, expected, "{presence}");
    }
    let available = format!("<presence {PEER_ADDRESSES}/><presence type='unavailable' {PEER_ADDRESSES}/>");
    assert_eq!(peer.ask(&available, PEER_ADDRESSES).await, []);
}

async fn a_component_subscribes_and_is_notified(kind: ServerKind) {
    let (server, daemon) = with_peer(kind).await;
    let grpc = GrpcCaller::new(&daemon);
    grpc.create_node("news").await.unwrap();
    let mut peer = peer(&server).await;
    let subscribe = format!(
        "<pubsub xmlns='http://jabber.org/protocol/pubsub'><subscribe node='news' jid='{PEER}'/></pubsub>"
    );
    let answers =
        peer.ask(&format!("<iq type='set' {PEER_ADDRESSES} id='s'>{subscribe}</iq>"), PEER_ADDRESSES).await;
    assert_eq!(kinds(&answers), [StanzaKind::Result(Some("s".to_owned()))]);
    grpc.publish("news", "first", "<entry xmlns='urn:example'/>").await.unwrap();
    let received =
        peer.receive_until(|stanzas| stanzas.iter().any(|stanza| stanza.name() == "message")).await;
    let notification = received.iter().find_map(Notification::of).expect("a notification");
    assert_eq!((notification.node.as_str(), notification.item_id.as_str()), ("news", "first"));
}

/// What a server should never let through, from a server that does.
#[tokio::test]
async fn stanzas_with_impossible_addresses_cost_themselves_only() {
    let from_alice = "from='alice@localhost/a'";
    let cases = [
        ("a sender that is no JID", format!("from='@' {TO_US}"), Some("jid-malformed")),
        ("a sender with a space in its name", format!("from='a b@localhost' {TO_US}"), Some("jid-malformed")),
        (
            "a sender with markup for a name",
            format!("from='&lt;/iq&gt;&apos;' {TO_US}"),
            Some("jid-malformed"),
        ),
        ("an empty sender", format!("from='' {TO_US}"), Some("jid-malformed")),
        ("a subdomain of ours", format!("{from_alice} to='sub.events.localhost'"), Some("item-not-found")),
        ("another domain", format!("{from_alice} to='elsewhere.example'"), Some("item-not-found")),
        ("no sender", TO_US.to_owned(), None),
        ("our own domain as the sender", format!("from='events.localhost' {TO_US}"), None),
        ("a user of our own domain", format!("from='cli@events.localhost' {TO_US}"), None),
        ("our own domain in capitals", format!("from='cli@EVENTS.localhost/x' {TO_US}"), None),
    ];
    let (_server, daemon, mut server) = on_script().await;
    for (name, addresses, expected) in cases {
        let answers = server.ask(&ping(&addresses, "a"), FROM_ALICE).await;
        let expected: Vec<_> = expected.into_iter().map(|condition| error("a", condition)).collect();
        assert_eq!(kinds(&answers), expected, "{name}");
        assert_eq!(
            server.ask(&format!("<presence type='subscribed' {addresses}/>"), FROM_ALICE).await,
            [],
            "{name}"
        );
        assert_eq!(server.ask(&format!("<message {addresses}/>"), FROM_ALICE).await, [], "{name}");
    }
    assert_eq!(metric(&daemon, "stanzabus_link_reconnects_total").await, 0);
}

/// No server should send them; an answer is due all the same.
#[tokio::test]
async fn a_request_without_a_receiver_that_can_be_read_gets_one_answer() {
    let (_server, _daemon, mut server) = on_script().await;
    for to in ["", "to=''", "to='@'", "to='a b@events.localhost'", "to='a@b@c'"] {
        let asked = ping(&format!("from='alice@localhost/a' {to}"), "a");
        let answers = server.ask(&asked, FROM_ALICE).await;
        let ids: Vec<_> = answers.iter().map(|answer| (answer.name(), answer.attr("id"))).collect();
        assert_eq!(ids, [("iq", Some("a"))], "{to}");
    }
}

async fn with_peer(kind: ServerKind) -> (XmppServer, Daemon) {
    let mut server = server(kind).component(PEER, PEER_SECRET);
    server.start().await.expect("the server starts");
    let daemon = attached(server.component_port()).await;
    (server, daemon)
}

async fn peer(server: &XmppServer) -> XmppPeer {
    let attached = RawStream::attach(server.component_port(), PEER, PEER_SECRET).await;
    XmppPeer::new(attached.expect("the secret is right"))
}

fn kinds(stanzas: &[bus_xml::Element]) -> Vec<StanzaKind> {
    stanzas.iter().map(kind_of).collect()
}

fn error(id: &str, condition: &str) -> StanzaKind {
    StanzaKind::Error(Some(id.to_owned()), condition.to_owned())
}
