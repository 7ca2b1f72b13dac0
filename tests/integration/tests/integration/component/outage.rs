use harness::{Daemon, Prosody};
use tokio::sync::oneshot;

use crate::peers::{
    FROM_ALICE, GrpcCaller, Notification, TO_US, XmppPeer, assert_in_order, impatient, init, on_script, ping,
    prosody, wait_for_log, wait_not_ready,
};

const NODE: &str = "telemetry";
const BOB: &str = "bob@localhost";

#[tokio::test]
async fn what_is_published_while_the_server_is_away_arrives_in_order_when_it_is_back() {
    const EVENTS: u64 = 40;
    let (mut prosody, mut daemon) = with_subscriber().await;
    prosody.stop().await.unwrap();
    wait_not_ready(&daemon, "xmpp: ").await;

    let grpc = GrpcCaller::new(&daemon);
    for number in 1..=EVENTS {
        assert_eq!(publish(&grpc, number).await, number, "acknowledged although the server is away");
    }
    let log = wait_for_log(&daemon, "still no XMPP link", 3).await;
    assert_eq!(log.matches("\"no XMPP link: ").count(), 1, "an outage is reported once: {log}");

    prosody.start().await.unwrap();
    daemon.wait_ready().await.unwrap();
    let notifications = receive_as_bob(&prosody, EVENTS).await;
    assert_eq!(assert_in_order(&notifications, 1), EVENTS);
}

#[tokio::test]
async fn a_server_that_dies_while_events_are_published_loses_none_of_them() {
    const EVENTS: u64 = 300;
    let (mut prosody, mut daemon) = with_subscriber().await;
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
    prosody.kill9().await.unwrap();
    wait_not_ready(&daemon, "xmpp: ").await;
    publisher.await.expect("every publish is acknowledged");

    prosody.start().await.unwrap();
    daemon.wait_ready().await.unwrap();
    let notifications = receive_as_bob(&prosody, EVENTS).await;
    assert_eq!(assert_in_order(&notifications, 1), EVENTS);
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

    let mut second = XmppPeer::new(server.accept_component().await.unwrap());
    second.ask("", FROM_ALICE).await;
    let items = GrpcCaller::new(&daemon).items("n").await.unwrap();
    let found: Vec<_> = items.iter().map(|event| (event.item_id.as_str(), event.seq)).collect();
    assert_eq!(found, [("i", 1)]);
}

/// Bob is subscribed and away: Prosody keeps for him what it takes from the daemon.
async fn with_subscriber() -> (Prosody, Daemon) {
    let mut prosody = prosody();
    prosody.start().await.expect("Prosody starts");
    let mut daemon = init(prosody.component_port()).await;
    impatient(&mut daemon);
    daemon.set_env("STANZABUS_LOG__LEVEL", "debug");
    daemon.start().expect("the daemon starts");
    daemon.wait_ready().await.expect("the daemon attaches");
    GrpcCaller::new(&daemon).create_node(NODE).await.expect("no node yet");
    XmppPeer::user(&prosody, "bob").await.subscribe(NODE, BOB).await;
    (prosody, daemon)
}

async fn publish(grpc: &GrpcCaller, number: u64) -> u64 {
    let xml = format!("<reading xmlns='urn:example'>{number}</reading>");
    grpc.publish(NODE, &format!("item-{number}"), &xml).await.expect("acknowledged")
}

/// All notifications up to `last_seq`, as bob hears them when he comes back.
async fn receive_as_bob(prosody: &Prosody, last_seq: u64) -> Vec<Notification> {
    let mut bob = XmppPeer::user(prosody, "bob").await;
    bob.send(format!("<presence/>{}", ping(TO_US, "hello"))).await;
    let is_last = |notification: Notification| notification.seq == last_seq;
    let received = bob.receive_until(|stanzas| stanzas.iter().filter_map(Notification::of).any(is_last));
    received.await.iter().filter_map(Notification::of).collect()
}
