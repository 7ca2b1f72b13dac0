//! A server that stops reading costs a bounded buffer, and nobody but itself.

use harness::{Daemon, wait_until};

use crate::peers::{
    FROM_ALICE, GrpcCaller, Notification, PATIENCE, TO_US, XmppPeer, assert_in_order, impatient, init,
    metric, ping, prosody, wait_not_ready,
};

const NODE: &str = "telemetry";
const LANE_BYTES_MAX: u64 = 1_000_000;
/// Events of 40 KiB: more than the lane and every socket buffer between hold, and what one peer of a test may read.
const MANY: u64 = 400;
const SOME: u64 = 30;

#[tokio::test]
async fn a_server_that_never_reads_costs_a_bounded_lane_and_loses_its_link() {
    let server = harness::ScriptedServer::start().await.unwrap();
    let mut daemon = hasty(server.port()).await;
    daemon.start().unwrap();
    let mut peer = XmppPeer::new(server.accept_daemon().await.unwrap());
    daemon.wait_ready().await.unwrap();
    let grpc = GrpcCaller::new(&daemon);
    grpc.create_node(NODE).await.unwrap();
    let pubsub = format!(
        "<iq type='set' {FROM_ALICE} id='s'><pubsub xmlns='http://jabber.org/protocol/pubsub'>\
         <subscribe node='{NODE}' jid='alice@localhost'/></pubsub></iq>"
    );
    peer.ask(&pubsub, FROM_ALICE).await;

    publish(&grpc, &daemon, MANY).await;
    wait_not_ready(&daemon, "xmpp: ").await;
    let mut second = server.accept_daemon().await.unwrap();
    // Nothing was proven, so all comes again, from the first on.
    let heard = second.read_until_contains(PATIENCE, " seq='").await.unwrap();
    assert!(heard.contains(" seq='1' after='0'"), "the first is another one");
    drop(peer);
}

#[tokio::test]
async fn events_for_a_stopped_prosody_wait_and_arrive_when_it_goes_on() {
    let mut prosody = prosody();
    prosody.start().await.unwrap();
    let mut daemon = hasty(prosody.component_port()).await;
    daemon.start().unwrap();
    daemon.wait_ready().await.unwrap();
    let grpc = GrpcCaller::new(&daemon);
    grpc.create_node(NODE).await.unwrap();
    let mut bob = XmppPeer::user(&prosody, "bob").await;
    bob.subscribe(NODE, "bob@localhost").await;

    prosody.suspend().await.unwrap();
    publish(&grpc, &daemon, SOME).await;
    wait_not_ready(&daemon, "xmpp: ").await;
    prosody.resume().await.unwrap();
    daemon.wait_ready().await.unwrap();

    bob.send(format!("<presence/>{}", ping(TO_US, "hello"))).await;
    let is_last = |notification: Notification| notification.seq == SOME;
    let heard = bob.receive_until(|stanzas| stanzas.iter().filter_map(Notification::of).any(is_last)).await;
    let heard: Vec<_> = heard.iter().filter_map(Notification::of).collect();
    assert_eq!(assert_in_order(&heard, 1), SOME);
    assert!(metric(&daemon, "stanzabus_link_reconnects_total ").await > 0);
}

/// A daemon that gives a silent server up soon, but not while a test still sets up, with a small lane.
async fn hasty(component_port: u16) -> Daemon {
    let mut daemon = init(component_port).await;
    impatient(&mut daemon);
    let lane = LANE_BYTES_MAX.to_string();
    for (key, value) in
        [("NOTIFICATION_LANE_BYTES_MAX", lane.as_str()), ("IDLE_PING_MS", "500"), ("DEAD_AFTER_MS", "10000")]
    {
        daemon.set_env(format!("STANZABUS_LIMITS__LINK_{key}"), value);
    }
    daemon
}

/// Publishes, each event acknowledged, while the lane keeps its bound.
async fn publish(grpc: &GrpcCaller, daemon: &Daemon, events: u64) {
    let payload = format!("<e xmlns='urn:x'>{}</e>", "x".repeat(40 * 1024));
    let mut most = 0;
    for number in 1..=events {
        let seq = grpc.publish(NODE, &format!("item-{number}"), &payload).await;
        assert_eq!(seq.expect("gRPC goes on"), number);
        if number % 20 == 0 {
            most = most.max(metric(daemon, "stanzabus_link_notification_lane_bytes ").await);
        }
    }
    assert!(most <= LANE_BYTES_MAX, "{most} bytes in the lane");
    let lags = async || (metric(daemon, "stanzabus_cursor_lag_events_max ").await > 0).then_some(());
    wait_until("a lag", PATIENCE, lags).await.expect("not all can have been handed over");
}
