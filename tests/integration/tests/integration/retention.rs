//! What a node need not keep goes by itself, and whoever misses it is told.

use harness::{Daemon, wait_until};
use serde_json::Value;

use crate::peers::{GrpcCaller, PATIENCE, XmppPeer, metric, on_prosody};

#[tokio::test]
async fn the_log_is_trimmed_to_its_history_and_a_late_reader_sees_the_gap() {
    let (_prosody, daemon) = on_prosody().await;
    daemon.cli(["node", "create", "orders", "--history-events-max", "3"]).await.expect("a node");
    let shown = lines(&daemon.cli(["node", "show", "orders"]).await.expect("the node"));
    assert_eq!(shown[0]["history_events_max"], 3);
    let caller = GrpcCaller::new(&daemon);
    for number in 1..=10 {
        let id = number.to_string();
        assert_eq!(
            caller.publish("orders", &id, "<order xmlns='urn:test'/>").await.expect("published"),
            number
        );
    }
    wait_for_metric(&daemon, "stanzabus_events_trimmed_total", 7).await;
    // A fresh process reads the log, not what is still in memory.
    let mut daemon = daemon;
    daemon.restart().await.expect("it comes back");
    let tail = ["tail", "orders", "--after-seq", "2", "--count", "3"].map(str::to_owned);
    let tail = daemon.cli_output(&tail).await.expect("it ends");
    let said = String::from_utf8_lossy(&tail.stderr);
    assert!(said.contains("a gap: everything before seq 8 is gone"), "{said}");
    let seqs: Vec<_> =
        lines(&String::from_utf8_lossy(&tail.stdout)).iter().map(|line| line["seq"].clone()).collect();
    assert_eq!(seqs, [8, 9, 10]);
    assert_eq!(caller.items("orders").await.expect("items").len(), 10, "items have bounds of their own");
}

#[tokio::test]
async fn items_expire_without_traffic() {
    let (_prosody, daemon) = on_prosody().await;
    daemon.cli(["node", "create", "readings", "--item-expire-seconds", "1"]).await.expect("a node");
    let caller = GrpcCaller::new(&daemon);
    caller.publish("readings", "a", "<reading xmlns='urn:test'/>").await.expect("published");
    wait_for_metric(&daemon, "stanzabus_items_expired_total", 1).await;
    assert_eq!(caller.items("readings").await.expect("items"), []);
}

#[tokio::test]
async fn a_purge_takes_all_items_and_subscribers_are_told_once() {
    let (prosody, daemon) = on_prosody().await;
    daemon.cli(["node", "create", "orders", "--notify-retract"]).await.expect("a node");
    let mut alice = XmppPeer::user(&prosody, "alice").await;
    alice.subscribe("orders", "alice@localhost/here").await;
    let caller = GrpcCaller::new(&daemon);
    for id in ["1", "2"] {
        caller.publish("orders", id, "<order xmlns='urn:test'/>").await.expect("published");
    }
    daemon.cli(["node", "purge", "orders"]).await.expect("a purge");
    assert_eq!(caller.items("orders").await.expect("items"), []);
    caller.publish("orders", "3", "<order xmlns='urn:test'/>").await.expect("published");
    let changes = |stanzas: &[bus_xml::Element]| -> Vec<String> {
        let event = |stanza: &bus_xml::Element| {
            let event = stanza.get_child("event", "http://jabber.org/protocol/pubsub#event")?;
            Some(event.children().next()?.name().to_owned())
        };
        stanzas.iter().filter_map(event).collect()
    };
    let heard = alice.receive_until(|stanzas| changes(stanzas).len() == 4).await;
    assert_eq!(changes(&heard), ["items", "items", "purge", "items"]);

    wait_for_metric(&daemon, "stanzabus_events_trimmed_total", 2).await;
    let tail = daemon.cli(["tail", "orders", "--earliest", "--count", "2"]).await.expect("the log");
    let kinds: Vec<_> = lines(&tail).iter().map(|line| line["kind"].clone()).collect();
    assert_eq!(kinds, ["purged", "published"], "what was purged has left the log too");
}

async fn wait_for_metric(daemon: &Daemon, name: &str, value: u64) {
    let reached = wait_until(name, PATIENCE, async || (metric(daemon, name).await == value).then_some(()));
    reached.await.expect("it gets there");
}

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).expect("a JSON object per line")).collect()
}
