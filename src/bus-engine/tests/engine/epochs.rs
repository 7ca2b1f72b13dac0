//! Logs that begin a new life, and those that do not.

use std::time::Duration;

use bus_domain::{BusError, Durability, Epoch, NodeConfig};
use bus_engine::{TailFrame, TailStart};
use sqlx::Connection as _;

use crate::fixture::{Bus, actor, name};

const NODES: [(&str, Durability); 2] = [("fsync", Durability::Fsync), ("relaxed", Durability::Relaxed)];

async fn started() -> Bus {
    let bus = Bus::start().await;
    for (node, durability) in NODES {
        bus.create_with(node, NodeConfig { durability, ..NodeConfig::default() }).await;
        assert_eq!(bus.publish(node, &["1", "2", "3"]).await.durability, durability);
    }
    bus
}

async fn epochs(bus: &Bus) -> [Epoch; 2] {
    let mut epochs = Vec::new();
    for (node, _) in NODES {
        epochs.push(bus.engine.node(&actor("owner"), &name(node)).await.expect("a node").facts.epoch);
    }
    [epochs[0], epochs[1]]
}

#[tokio::test]
async fn an_end_in_order_keeps_epochs_and_another_one_renews_those_of_relaxed_nodes() {
    let bus = started().await;
    let [fsync, relaxed] = epochs(&bus).await;
    let bus = bus.stop().await;
    assert_eq!(epochs(&bus).await, [fsync, relaxed]);
    let bus = bus.restart().await;
    let [fsync_then, relaxed_then] = epochs(&bus).await;
    assert_eq!(fsync_then, fsync);
    assert_ne!(relaxed_then, relaxed);
    let old = bus.engine.tail(actor("reader"), &name("relaxed"), TailStart::After(3), Some(relaxed)).await;
    assert_eq!(old.err(), Some(BusError::WrongEpoch));
    assert_eq!(bus.publish("relaxed", &["4"]).await.first_seq, 4, "what is there keeps its place");
}

#[tokio::test]
async fn what_is_undelivered_at_an_unclean_end_is_delivered_in_the_new_life() {
    let bus = started().await;
    bus.subscribe("relaxed", "a").await;
    bus.publish("relaxed", &["4"]).await;
    let bus = bus.restart().await;
    let mut leg = bus.attach();
    leg.up().await;
    assert_eq!(leg.take(1).await, [(4, 3, "a@example.org".to_owned())]);
}

#[tokio::test]
async fn a_log_that_has_lost_what_was_committed_begins_a_new_life_while_it_is_read_and_delivered() {
    let bus = started().await;
    bus.subscribe("relaxed", "a").await;
    let mut leg = bus.attach();
    leg.up().await;
    let start = TailStart::After(2);
    let mut reader = bus.engine.tail(actor("reader"), &name("relaxed"), start, None).await.unwrap();
    let first = bus.publish("relaxed", &["4", "5"]).await;
    leg.take(2).await;
    leg.prove().await;
    for seq in 3..=5 {
        let Ok(Some(TailFrame::Event(event))) = reader.next().await else { panic!("{seq}") };
        assert_eq!(event.seq, seq);
    }

    lose_events_behind(&bus, "relaxed", 3).await;
    let second = bus.publish("relaxed", &["again"]).await;
    assert_eq!(second.first_seq, 4);
    assert_ne!(second.epoch, first.epoch);
    assert_eq!(leg.take(1).await, [(4, 3, "a@example.org".to_owned())]);
    let next = tokio::time::timeout(Duration::from_mins(1), reader.next()).await;
    assert_eq!(next.expect("it does not wait").err(), Some(BusError::WrongEpoch), "and not another 4");
    let third = bus.publish("relaxed", &["5"]).await;
    assert_eq!((third.first_seq, third.epoch), (5, second.epoch), "once");
    assert_eq!(leg.take(1).await, [(5, 4, "a@example.org".to_owned())]);
    assert_eq!(bus.item_ids("relaxed").await, ["1", "2", "3", "again", "5"]);
    assert_eq!(bus.engine.statistics().snapshot().stale_decisions, 0);
}

/// What a database does that crashes and comes back without its newest commits.
pub(crate) async fn lose_events_behind(bus: &Bus, node: &str, seq: i64) {
    let path = bus.folder.path().join("bus.db");
    let mut connection =
        sqlx::SqliteConnection::connect(path.to_str().expect("UTF-8")).await.expect("a connection");
    for sql in [
        "UPDATE heads SET item_count = item_count - (seq - ?2), seq = ?2, last_due_seq = ?2
         WHERE node_id = (SELECT node_id FROM nodes WHERE name = ?1)",
        "DELETE FROM items WHERE seq > ?2 AND node_id = (SELECT node_id FROM nodes WHERE name = ?1)",
        "DELETE FROM events WHERE seq > ?2 AND node_id = (SELECT node_id FROM nodes WHERE name = ?1)",
    ] {
        sqlx::query(sql).bind(node).bind(seq).execute(&mut connection).await.expect("an update");
    }
}
