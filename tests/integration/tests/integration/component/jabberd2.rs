//! The third server: what it does differently is in `src/README.md`; here is that the main job works behind it.

use harness::ServerKind;

use crate::peers::{
    DOMAIN, GrpcCaller, Notification, TO_US, XmppPeer, assert_in_order, attached, metric, on_server, server,
    wait_not_ready, wait_until_proven,
};

const EVENTS: u64 = 50;

#[tokio::test]
async fn jabberd2_passes_requests_on_and_takes_notifications_and_proves_it() {
    let (server, daemon) = on_server(ServerKind::Jabberd2).await;
    let grpc = GrpcCaller::new(&daemon);
    grpc.create_node("n").await.unwrap();
    let mut alice = XmppPeer::user(&server, "alice").await;
    alice.send("<presence/>").await;
    alice.subscribe("n", "alice@localhost").await;
    for number in 1..=EVENTS {
        grpc.publish("n", &format!("i{number}"), "<entry xmlns='urn:example'/>").await.unwrap();
    }
    let is_last = |it: Notification| it.seq == EVENTS;
    let received = alice.receive_until(|stanzas| stanzas.iter().filter_map(Notification::of).any(is_last));
    let notifications: Vec<_> = received.await.iter().filter_map(Notification::of).collect();
    assert_eq!(assert_in_order(&notifications, 1), EVENTS);
    wait_until_proven(&daemon).await;
    assert!(metric(&daemon, "stanzabus_link_barriers_answered_total").await > 0);

    let item = "<publish node='mine'><item id='x'><entry xmlns='urn:example'/></item></publish>";
    for request in ["<create node='mine'/>", item] {
        let pubsub = format!("<pubsub xmlns='http://jabber.org/protocol/pubsub'>{request}</pubsub>");
        assert_eq!(alice.request("set", &pubsub).await.attr("type"), Some("result"), "{request}");
    }
    assert_eq!(grpc.items("mine").await.unwrap().len(), 1);
}

#[tokio::test]
async fn behind_jabberd2_an_absent_user_and_a_restart_of_the_server_lose_nothing() {
    let mut server = server(ServerKind::Jabberd2);
    server.start().await.unwrap();
    let mut daemon = attached(server.component_port()).await;
    let grpc = GrpcCaller::new(&daemon);
    grpc.create_node("n").await.unwrap();
    let mut bob = XmppPeer::user(&server, "bob").await;
    bob.subscribe("n", "bob@localhost").await;
    drop(bob);
    server.stop().await.unwrap();
    wait_not_ready(&daemon, "xmpp: ").await;
    for number in 1..=EVENTS {
        grpc.publish("n", &format!("i{number}"), "<entry xmlns='urn:example'/>").await.unwrap();
    }
    // jabberd2's router takes stanzas before its session manager is there, and returns them when it is too late to tell.
    daemon.signal("STOP").await.unwrap();
    server.start().await.unwrap();
    daemon.signal("CONT").await.unwrap();
    daemon.wait_ready().await.unwrap();
    wait_until_proven(&daemon).await;
    let mut bob = XmppPeer::user(&server, "bob").await;
    bob.send("<presence/>").await;
    let is_last = |it: Notification| it.seq == EVENTS;
    let received = bob.receive_until(|stanzas| stanzas.iter().filter_map(Notification::of).any(is_last));
    let notifications: Vec<_> = received.await.iter().filter_map(Notification::of).collect();
    assert_eq!(assert_in_order(&notifications, 1), EVENTS);
    assert_eq!(bob.ask("", TO_US).await, [], "{DOMAIN} is there");
}
