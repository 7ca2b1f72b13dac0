use harness::{Daemon, RawStream, ServerKind};

use crate::peers::{
    DOMAIN, GrpcCaller, Notification, SECRET, TO_US, XmppPeer, assert_in_order, attached, impatient, init,
    metric, on_prosody, on_server, prosody, wait_for_log, wait_not_ready, wait_until_proven,
};

#[tokio::test]
async fn a_second_daemon_of_the_domain_says_that_it_is_one_and_takes_over_when_the_first_leaves() {
    let (prosody, mut first) = on_prosody().await;
    let mut second = init(prosody.component_port()).await;
    impatient(&mut second);
    second.start().unwrap();
    let reason = wait_not_ready(&second, "conflict").await;
    assert!(reason.contains("another connection holds the domain"), "what can be done: {reason}");

    let mut alice = XmppPeer::user(&prosody, "alice").await;
    assert_eq!(alice.ask("", TO_US).await, []);
    assert_eq!(reconnects(&first).await, 0, "the first goes on");

    assert!(first.terminate().await.unwrap().success());
    second.wait_ready().await.unwrap();
    assert_eq!(alice.ask("", TO_US).await, []);
}

#[tokio::test]
async fn a_daemon_that_is_replaced_says_so_and_does_not_push_back_at_once() {
    let mut prosody = prosody().global_options("component_conflict_resolve = \"kick_old\"");
    prosody.start().await.unwrap();
    let mut first = init(prosody.component_port()).await;
    // Only the replaced one waits as long as this, or half as long: until the other one is killed.
    first.set_env("STANZABUS_LIMITS__LINK_BACKOFF_MS_MIN", "1");
    first.set_env("STANZABUS_LIMITS__LINK_BACKOFF_MS_MAX", "20000");
    first.start().unwrap();
    first.wait_ready().await.unwrap();

    let mut second = attached(prosody.component_port()).await;
    wait_for_log(&first, "Replaced by a new connection", 1).await;
    let mut alice = XmppPeer::user(&prosody, "alice").await;
    assert_eq!(alice.ask("", TO_US).await, []);

    second.kill9().await.unwrap();
    first.wait_ready().await.unwrap();
    assert_eq!(reconnects(&first).await, 1, "it has come back once");
    assert_eq!(alice.ask("", TO_US).await, []);
}

/// A silent rival: nothing of its own gives it away, only that answers go missing.
#[tokio::test]
async fn a_rival_that_the_server_accepts_is_noticed_and_nothing_is_lost() {
    const EVENTS: u64 = 200;
    for kind in [ServerKind::Ejabberd, ServerKind::Jabberd2] {
        let (server, mut daemon) = on_server(kind).await;
        let grpc = GrpcCaller::new(&daemon);
        grpc.create_node("n").await.unwrap();
        let mut bob = XmppPeer::user(&server, "bob").await;
        bob.send("<presence/>").await;
        bob.subscribe("n", "bob@localhost").await;

        let rival = RawStream::attach(server.component_port(), DOMAIN, SECRET).await.unwrap();
        let mut published = 0;
        while metric(&daemon, "stanzabus_link_contested").await == 0 {
            published += 1;
            assert!(published <= 10 * EVENTS, "{kind:?}: never noticed");
            publish(&grpc, published).await;
        }
        wait_for_log(&daemon, "another connection is attached", 1).await;
        wait_not_ready(&daemon, "stop the other one").await;
        for number in published + 1..=published + EVENTS {
            publish(&grpc, number).await;
        }
        let last_seq = published + EVENTS;
        let is_last = |it: Notification| it.seq == last_seq;
        let received = bob.receive_until(|stanzas| stanzas.iter().filter_map(Notification::of).any(is_last));
        let notifications: Vec<_> = received.await.iter().filter_map(Notification::of).collect();
        assert_eq!(assert_in_order(&notifications, 1), last_seq, "{kind:?}");
        wait_until_proven(&daemon).await;

        drop(rival);
        daemon.wait_ready().await.unwrap();
        wait_for_log(&daemon, "the only connection of the domain again", 1).await;
        assert_eq!(bob.ask("", TO_US).await, []);
        assert_eq!(reconnects(&daemon).await, 0);
    }
}

#[tokio::test]
async fn two_daemons_that_the_server_accepts_notice_each_other() {
    let (server, mut first) = on_server(ServerKind::Ejabberd).await;
    let grpc = GrpcCaller::new(&first);
    grpc.create_node("n").await.unwrap();
    let mut bob = XmppPeer::user(&server, "bob").await;
    bob.send("<presence/>").await;
    bob.subscribe("n", "bob@localhost").await;
    let mut second = init(server.component_port()).await;
    impatient(&mut second);
    for daemon in [&mut first, &mut second] {
        // An idle link asks seldom; here nobody publishes on the second.
        daemon.set_env("STANZABUS_LIMITS__LINK_IDLE_PING_MS", "200");
    }
    first.restart().await.unwrap();
    second.start().unwrap();
    for daemon in [&first, &second] {
        wait_for_log(daemon, "another connection is attached", 1).await;
    }
    assert!(metric(&first, "stanzabus_link_foreign_answers_total").await > 0);
    for number in 1..=50 {
        publish(&grpc, number).await;
    }
    wait_until_proven(&first).await;
    second.terminate().await.unwrap();
    first.wait_ready().await.unwrap();
    let is_last = |it: Notification| it.seq == 50;
    let received = bob.receive_until(|stanzas| stanzas.iter().filter_map(Notification::of).any(is_last));
    let notifications: Vec<_> = received.await.iter().filter_map(Notification::of).collect();
    assert_eq!(assert_in_order(&notifications, 1), 50);
}

async fn publish(grpc: &GrpcCaller, number: u64) {
    let seq = grpc.publish("n", &format!("i{number}"), "<entry xmlns='urn:example'/>").await;
    assert_eq!(seq.unwrap(), number);
}

async fn reconnects(daemon: &Daemon) -> u64 {
    metric(daemon, "stanzabus_link_reconnects_total").await
}
