//! Nodes that promise less than disk: what they cost, how they go out, and when their logs begin a new epoch.

use bridge_grpc::v1;
use harness::{Daemon, XmppServer};
use v1::tail_response::Frame;

use crate::peers::{GrpcCaller, Notification, XmppPeer, metric, on_prosody};

const XML: &str = "<e xmlns='urn:example:event'/>";

#[tokio::test]
async fn a_node_in_memory_goes_out_on_every_leg_and_ends_with_the_process() {
    let (prosody, mut daemon) = on_prosody().await;
    let caller = node(&daemon, "game", v1::Durability::Memory).await;
    let mut alice = subscriber(&prosody, "game").await;
    let mut frames = caller.tail("game").await.expect("it may read");
    for seq in 1..=3 {
        assert_eq!(caller.publish("game", &format!("item-{seq}"), XML).await.expect("it may publish"), seq);
    }
    let received =
        alice.receive_until(|stanzas| stanzas.iter().filter_map(Notification::of).count() == 3).await;
    let messages: Vec<_> = received.iter().filter(|stanza| stanza.name() == "message").collect();
    let kinds: Vec<_> = messages.iter().map(|message| message.attr("type")).collect();
    assert_eq!(kinds, [Some("headline"); 3], "nothing for a server to keep");
    let positions: Vec<_> = messages.into_iter().filter_map(Notification::of).collect();
    assert_eq!(positions.iter().map(|it| (it.seq, it.after)).collect::<Vec<_>>(), [(1, 0), (2, 1), (3, 2)]);
    let mut read = Vec::new();
    while read.len() < 3 {
        let frame = frames.message().await.expect("readable").and_then(|response| response.frame);
        read.extend(
            frame.and_then(|frame| if let Frame::Event(event) = frame { Some(event.seq) } else { None }),
        );
    }
    assert_eq!(read, [1, 2, 3]);
    assert_eq!(metric(&daemon, "stanzabus_published_events_total{durability=\"memory\"}").await, 3);
    assert_eq!(metric(&daemon, "stanzabus_published_events_total{durability=\"fsync\"}").await, 0);

    let before = caller.node("game").await.expect("it may read");
    assert_eq!(before.head_seq, 3);
    daemon.restart().await.expect("an orderly end");
    let after = caller.node("game").await.expect("it may read");
    assert_eq!(after.head_seq, 0);
    assert_ne!(after.epoch, before.epoch);
    caller.publish("game", "again", XML).await.expect("it may publish");
    let again = alice.receive_until(|stanzas| stanzas.iter().any(|it| Notification::of(it).is_some())).await;
    let again = again.iter().find_map(Notification::of).expect("it was just seen");
    assert_eq!((again.seq, again.item_id.as_str()), (1, "again"));
}

#[tokio::test]
async fn a_relaxed_log_goes_on_after_an_orderly_end_and_begins_anew_after_a_kill() {
    let (prosody, mut daemon) = on_prosody().await;
    let relaxed = node(&daemon, "relaxed", v1::Durability::Relaxed).await;
    let caller = node(&daemon, "fsync", v1::Durability::Fsync).await;
    let mut alice = subscriber(&prosody, "relaxed").await;
    for node in ["relaxed", "fsync"] {
        caller.publish(node, "1", XML).await.expect("it may publish");
    }
    let epochs = async || {
        let relaxed = relaxed.node("relaxed").await.expect("it may read");
        let fsync = caller.node("fsync").await.expect("it may read");
        assert_eq!((relaxed.head_seq, fsync.head_seq), (1, 1), "the process's end loses nothing");
        (relaxed.epoch, fsync.epoch)
    };
    let (relaxed_first, fsync_first) = epochs().await;
    daemon.restart().await.expect("an orderly end");
    assert_eq!(epochs().await, (relaxed_first, fsync_first));
    daemon.kill9().await.expect("it runs");
    daemon.start().expect("it starts again");
    daemon.wait_ready().await.expect("it attaches again");
    let (relaxed_then, fsync_then) = epochs().await;
    assert_ne!(relaxed_then, relaxed_first);
    assert_eq!(fsync_then, fsync_first);
    let seq = caller.publish("relaxed", "2", XML).await.expect("it may publish");
    let received = alice
        .receive_until(|stanzas| stanzas.iter().filter_map(Notification::of).any(|it| it.seq == seq))
        .await;
    let last = received.iter().filter_map(Notification::of).next_back().expect("it was just seen");
    assert_eq!((last.seq, last.after), (2, 1));
}

/// Makes a node of this durability, and its owner.
async fn node(daemon: &Daemon, name: &str, durability: v1::Durability) -> GrpcCaller {
    let caller = GrpcCaller::new(daemon);
    let config = v1::NodeConfig { durability: durability.into(), ..v1::NodeConfig::default() };
    caller.create_node_with(name, config).await.expect("it may create");
    caller
}

/// Alice, available and subscribed.
async fn subscriber(prosody: &XmppServer, node: &str) -> XmppPeer {
    let mut alice = XmppPeer::user(prosody, "alice").await;
    alice.send("<presence/>").await;
    alice.subscribe(node, "alice@localhost").await;
    alice
}
