use harness::{Daemon, ServerKind, XmppServer};
use tokio::sync::oneshot;

use crate::peers::{
    FROM_ALICE, GrpcCaller, Notification, TO_US, XmppPeer, assert_in_order, behind_each_server, impatient,
    init, on_script, ping, server, wait_for_log, wait_not_ready, wait_until_proven,
};

behind_each_server! {
    what_is_published_while_the_server_is_away_arrives_in_order_when_it_is_back,
    a_server_that_dies_while_events_are_published_loses_none_of_them,
}

const NODE: &str = "telemetry";
const BOB: &str = "bob@localhost";

async fn what_is_published_while_the_server_is_away_arrives_in_order_when_it_is_back(kind: ServerKind) {
    const EVENTS: u64 = 40;
    let (mut server, mut daemon) = with_subscriber(kind).await;
    server.stop().await.unwrap();
    wait_not_ready(&daemon, "xmpp: ").await;

    let grpc = GrpcCaller::new(&daemon);
    for number in 1..=EVENTS {
        assert_eq!(publish(&grpc, number).await, number, "acknowledged although the server is away");
    }
    let log = wait_for_log(&daemon, "still no XMPP link", 3).await;
    assert_eq!(log.matches("\"no XMPP link: ").count(), 1, "an outage is reported once: {log}");

    server.start().await.unwrap();
    daemon.wait_ready().await.unwrap();
    let notifications = receive_as_bob(&server, &daemon, EVENTS).await;
    assert_eq!(assert_in_order(&notifications, 1), EVENTS);
}

async fn a_server_that_dies_while_events_are_published_loses_none_of_them(kind: ServerKind) {
    const EVENTS: u64 = 300;
    let (mut server, mut daemon) = with_subscriber(kind).await;
    let (half, reached) = oneshot::channel();
    let grpc = GrpcCaller::new(&daemon);
    let publisher = tokio::spawn(async move {
        let mut half = Some(half);
        for number in 1..=EVENTS {
            assert_eq!(publish(&grpc, number).await, number, "acknowledged, server or not");
            if number == EVENTS / 2 {
                half.take().expect("once").send(()).expect("somebody waits");
            }
        }
    });
    reached.await.expect("the publisher comes to its half");
    server.kill9().await.unwrap();
    wait_not_ready(&daemon, "xmpp: ").await;
    publisher.await.expect("every publish is acknowledged");

    server.start().await.unwrap();
    daemon.wait_ready().await.unwrap();
    let mut notifications = receive_as_bob(&server, &daemon, EVENTS).await;
    let lost = match kind {
        // What it keeps for an absent user stays in memory for a while, whatever it has answered.
        ServerKind::Ejabberd => remove_hole(&mut notifications),
        ServerKind::Prosody | ServerKind::Jabberd2 => 0,
    };
    assert!(lost <= EVENTS / 2, "up to {lost} some are missing, and only the first half was on its way");
    assert_eq!(assert_in_order(&notifications, 1 + lost), EVENTS);
}

#[tokio::test]
async fn a_publish_whose_stream_breaks_before_its_answer_is_not_lost() {
    let pubsub =
        |request: &str| format!("<pubsub xmlns='http://jabber.org/protocol/pubsub'>{request}</pubsub>");
    let set =
        |id: &str, request: &str| format!("<iq type='set' {FROM_ALICE} id='{id}'>{}</iq>", pubsub(request));
    let (server, daemon, mut first) = on_script().await;
    first.ask(&set("create", "<create node='n'/>"), FROM_ALICE).await;
    let item = "<publish node='n'><item id='i'><entry xmlns='urn:example'/></item></publish>";
    first.send(format!("{}{}", set("publish", item), ping(FROM_ALICE, "unread"))).await;
    drop(first);

    let mut second = XmppPeer::new(server.accept_daemon().await.unwrap());
    second.ask("", FROM_ALICE).await;
    let items = GrpcCaller::new(&daemon).items("n").await.unwrap();
    let found: Vec<_> = items.iter().map(|event| (event.item_id.as_str(), event.seq)).collect();
    assert_eq!(found, [("i", 1)]);
}

/// Bob is subscribed and away: the server keeps for him what it takes from the daemon.
async fn with_subscriber(kind: ServerKind) -> (XmppServer, Daemon) {
    let mut server = server(kind);
    server.start().await.expect("the server starts");
    let mut daemon = init(server.component_port()).await;
    impatient(&mut daemon);
    daemon.set_env("STANZABUS_LOG__LEVEL", "debug");
    daemon.start().expect("the daemon starts");
    daemon.wait_ready().await.expect("the daemon attaches");
    GrpcCaller::new(&daemon).create_node(NODE).await.expect("no node yet");
    XmppPeer::user(&server, "bob").await.subscribe(NODE, BOB).await;
    (server, daemon)
}

async fn publish(grpc: &GrpcCaller, number: u64) -> u64 {
    let xml = format!("<reading xmlns='urn:example'>{number}</reading>");
    grpc.publish(NODE, &format!("item-{number}"), &xml).await.expect("acknowledged")
}

/// Removes what comes before the last hole among first sightings, and returns the last position of the hole.
fn remove_hole(notifications: &mut Vec<Notification>) -> u64 {
    let mut last_seq = 0;
    let mut behind_hole = (0, 0);
    for (index, Notification { seq, .. }) in notifications.iter().enumerate() {
        if *seq > last_seq + 1 {
            behind_hole = (index, seq - 1);
        }
        last_seq = last_seq.max(*seq);
    }
    notifications.drain(..behind_hole.0);
    behind_hole.1
}

/// All notifications up to `last_seq`, as bob hears them when he comes back. By then the server has all of them:
/// what still comes while a user logs in, ejabberd may deliver before what it has kept for him.
async fn receive_as_bob(server: &XmppServer, daemon: &Daemon, last_seq: u64) -> Vec<Notification> {
    wait_until_proven(daemon).await;
    let mut bob = XmppPeer::user(server, "bob").await;
    bob.send(format!("<presence/>{}", ping(TO_US, "hello"))).await;
    let is_last = |notification: Notification| notification.seq == last_seq;
    let received = bob.receive_until(|stanzas| stanzas.iter().filter_map(Notification::of).any(is_last));
    received.await.iter().filter_map(Notification::of).collect()
}
