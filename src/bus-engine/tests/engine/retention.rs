use bus_domain::retention::{History, WhenUndeliveredFull};
use bus_domain::retrieve::Selection;
use bus_domain::{BusError, Event, EventKind, ItemId, LimitKind, Limits, NodeConfig};
use bus_engine::{EngineLimits, Settings, TailFrame, TailStart, Verb};
use bus_store::{NodeStore as _, RetentionStore as _};
use sqlx::Connection as _;

use crate::fixture::{Bus, actor, name, publish_verb, retract_verb};

/// Nothing stays in memory, and whatever is periodic comes soon.
fn settings(node_undelivered_events_max: u64) -> Settings {
    let engine = EngineLimits {
        recent_bytes_max: 1,
        cursor_interval_ms: 1,
        retention_interval_ms: 1,
        ..EngineLimits::default()
    };
    let limits = Limits { node_undelivered_events_max, ..Limits::default() };
    Settings { limits, engine, ..Settings::default() }
}

fn newest(events_max: u64) -> NodeConfig {
    let history = History { events_max: Some(events_max), age_seconds_max: None, bytes_max: None };
    NodeConfig { history, ..NodeConfig::default() }
}

/// What a reader of the log gets until its end: `Ok` an event, `Err` the position behind a gap.
async fn log(bus: &Bus, start: TailStart) -> Vec<Result<Event, u64>> {
    let mut tail = bus.engine.tail(actor("owner"), &name("n"), start, None).await.expect("a tail");
    let mut seen = Vec::new();
    loop {
        match tail.next().await.expect("readable") {
            Some(TailFrame::Gap { first_seq }) => seen.push(Err(first_seq)),
            Some(TailFrame::Event(event)) => {
                seen.push(Ok(Event::clone(&event)));
                if event.seq == tail.opened_at_seq() {
                    return seen;
                }
            }
            None => return seen,
        }
    }
}

fn seqs(seen: &[Result<Event, u64>]) -> Vec<Result<u64, u64>> {
    seen.iter().map(|frame| frame.as_ref().map(|event| event.seq).map_err(|first_seq| *first_seq)).collect()
}

#[tokio::test]
async fn expired_items_are_hidden_at_once_and_go_without_traffic() {
    let mut bus = Bus::start_with(settings(100)).await;
    bus.create_with("n", NodeConfig { item_expire_seconds: Some(60), ..NodeConfig::default() }).await;
    bus.publish("n", &["a", "b"]).await;
    bus.clock.jump(30);
    bus.publish("n", &["c"]).await;
    bus.clock.jump(30);
    assert_eq!(bus.item_ids("n").await, ["c"]);
    let by_id = Selection::ById(["a", "c"].map(|id| ItemId::new(id).unwrap()).to_vec());
    let by_id = bus.engine.items(&actor("owner"), &name("n"), by_id).await.unwrap();
    assert_eq!(by_id.items.len(), 1, "nobody has removed a, and still it is not shown");
    assert_eq!(bus.engine.statistics().snapshot().items_expired, 0);

    bus.retain();
    bus.until("two are removed", |counts| counts.items_expired == 2).await;
    bus.clock.jump(-1_000_000);
    assert_eq!(bus.item_ids("n").await, ["c"], "a clock that goes back brings nothing back");
    bus.clock.jump(2_000_000);
    bus.until("the last one is removed", |counts| counts.items_expired == 3).await;
    assert_eq!(bus.item_ids("n").await, Vec::<String>::new());
}

#[tokio::test]
async fn the_log_keeps_its_history_and_readers_see_the_gap() {
    let mut bus = Bus::start_with(settings(100)).await;
    bus.create_with("n", newest(3)).await;
    for id in ["a", "b", "c", "d", "e", "f", "a", "b"] {
        bus.publish("n", &[id]).await;
    }
    bus.retain();
    bus.attach().up().await;
    bus.until("five leave the log", |counts| counts.events_trimmed == 5).await;
    assert_eq!(seqs(&log(&bus, TailStart::Earliest).await), [Ok(6), Ok(7), Ok(8)]);
    assert_eq!(seqs(&log(&bus, TailStart::After(2)).await), [Err(6), Ok(6), Ok(7), Ok(8)]);
    assert_eq!(seqs(&log(&bus, TailStart::After(5)).await), [Ok(6), Ok(7), Ok(8)]);
    assert_eq!(bus.item_ids("n").await, ["c", "d", "e", "f", "a", "b"], "items are another thing");
}

#[tokio::test]
async fn a_reader_that_is_overtaken_by_retention_sees_the_gap() {
    let mut settings = settings(100);
    settings.engine.log_page_events_max = 2;
    let mut bus = Bus::start_with(settings).await;
    bus.create_with("n", newest(3)).await;
    bus.publish("n", &["a", "b", "c", "d", "e", "f", "g", "h"]).await;
    let mut tail = bus.engine.tail(actor("owner"), &name("n"), TailStart::Earliest, None).await.unwrap();
    let mut seen = Vec::new();
    while seen.len() < 6 {
        match tail.next().await.unwrap().unwrap() {
            TailFrame::Event(event) => seen.push(Ok(event.seq)),
            TailFrame::Gap { first_seq } => seen.push(Err(first_seq)),
        }
        if seen.len() == 2 {
            bus.retain();
            bus.attach().up().await;
            bus.until("five leave the log", |counts| counts.events_trimmed == 5).await;
        }
    }
    assert_eq!(seen, [Ok(1), Ok(2), Err(6), Ok(6), Ok(7), Ok(8)]);
}

#[tokio::test]
async fn what_is_not_handed_over_stays_in_the_log() {
    let mut bus = Bus::start_with(settings(100)).await;
    bus.create_with("n", newest(1)).await;
    bus.subscribe("n", "a").await;
    bus.publish("n", &["1", "2", "3"]).await;
    bus.retain();
    let mut leg = bus.attach();
    leg.up().await;
    leg.take(1).await;
    leg.prove().await;
    bus.until("one of two may go", |counts| counts.events_trimmed == 1).await;
    assert_eq!(seqs(&log(&bus, TailStart::After(0)).await), [Err(2), Ok(2), Ok(3)]);
    leg.take(2).await;
    leg.prove().await;
    bus.until("one more may go", |counts| counts.events_trimmed == 2).await;
    assert_eq!(seqs(&log(&bus, TailStart::After(0)).await), [Err(3), Ok(3)]);
}

#[tokio::test]
async fn a_purge_takes_all_items_at_once_and_its_history_once_it_is_delivered() {
    let mut bus = Bus::start_with(settings(100)).await;
    bus.create_with("n", NodeConfig { notify_retract: true, ..NodeConfig::default() }).await;
    bus.subscribe("n", "a").await;
    bus.publish("n", &["1", "2", "3"]).await;
    assert_eq!(bus.run("a", "n", Verb::Purge).await, Err(BusError::Forbidden));
    bus.run("owner", "n", Verb::Purge).await.unwrap();
    assert_eq!(bus.item_ids("n").await, Vec::<String>::new());
    let gone = bus.run("owner", "n", retract_verb(&["1"], None)).await;
    assert_eq!(gone, Err(BusError::ItemNotFound));
    bus.publish("n", &["2"]).await;
    assert_eq!(bus.item_ids("n").await, ["2"]);
    let seen = log(&bus, TailStart::Earliest).await;
    assert_eq!(seqs(&seen), [Ok(1), Ok(2), Ok(3), Ok(4), Ok(5)]);
    assert_eq!(seen[3].as_ref().unwrap().kind, EventKind::Purged);

    bus.retain();
    bus.until("1 and 3 are removed; 2 has made room", |counts| counts.purged_items_removed == 2).await;
    let mut leg = bus.attach();
    leg.up().await;
    let to = "a@example.org".to_owned();
    let expected = (1..=5).map(|seq| (seq, seq - 1, to.clone())).collect::<Vec<_>>();
    assert_eq!(leg.take(5).await, expected, "all that was acknowledged, the purge in its place");
    assert_eq!(bus.engine.statistics().snapshot().events_trimmed, 0);
    leg.prove().await;
    bus.until("what was purged leaves the log", |counts| counts.events_trimmed == 3).await;
    assert_eq!(seqs(&log(&bus, TailStart::After(0)).await), [Err(4), Ok(4), Ok(5)]);
}

#[tokio::test]
async fn a_purge_is_told_only_where_retractions_are() {
    let bus = Bus::start().await;
    bus.create("n").await;
    bus.subscribe("n", "a").await;
    let mut leg = bus.attach();
    leg.up().await;
    bus.publish("n", &["1"]).await;
    bus.run("owner", "n", Verb::Purge).await.unwrap();
    bus.publish("n", &["2"]).await;
    let to = "a@example.org".to_owned();
    assert_eq!(leg.take(2).await, [(1, 0, to.clone()), (3, 1, to)]);
    assert_eq!(leg.detach().await, []);
}

#[tokio::test]
async fn a_retracted_payload_is_blank_once_the_retraction_is_handed_over() {
    let mut bus = Bus::start_with(settings(100)).await;
    bus.create("n").await;
    bus.subscribe("n", "a").await;
    bus.publish("n", &["1", "2"]).await;
    bus.run("owner", "n", retract_verb(&["1"], Some(true))).await.unwrap();
    bus.retain();
    let mut leg = bus.attach();
    leg.up().await;
    leg.take(3).await;
    let payloads = async || {
        let seen = log(&bus, TailStart::Earliest).await;
        seen.iter().map(|event| event.as_ref().unwrap().kind.payload().is_some()).collect::<Vec<_>>()
    };
    assert_eq!(payloads().await, [true, true, false], "the subscriber may not have it yet");
    leg.prove().await;
    bus.until("the payload is blanked", |counts| counts.payloads_blanked == 1).await;
    assert_eq!(payloads().await, [false, true, false]);
}

/// Publishes until the answer is this one; the bound is a soft one.
async fn publish_until(bus: &Bus, answer: &Result<(), BusError>) {
    let mut poll = tokio::time::interval(std::time::Duration::from_millis(5));
    let publishing = async {
        while bus.run("owner", "n", publish_verb(&["x"])).await.map(drop) != *answer {
            poll.tick().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_mins(1), publishing).await.expect("the answer");
}

#[tokio::test]
async fn publishers_wait_while_too_much_is_undelivered_and_go_on_after() {
    let bus = Bus::start_with(settings(5)).await;
    bus.create("n").await;
    bus.create("other").await;
    bus.subscribe("n", "a").await;
    let mut leg = bus.attach();
    leg.up().await;
    let full = Err(BusError::LimitReached(LimitKind::Undelivered));
    publish_until(&bus, &full).await;
    bus.publish("other", &["x"]).await;
    bus.run("owner", "n", retract_verb(&["x"], None)).await.expect("only publishing has to wait");
    let refused = bus.run("b", "n", publish_verb(&["x"])).await;
    assert_eq!(refused, Err(BusError::Forbidden), "who may not publish has nothing to wait for");
    leg.take(5).await;
    leg.prove().await;
    publish_until(&bus, &Ok(())).await;
}

#[tokio::test]
async fn a_bus_that_starts_with_too_much_undelivered_lets_publishers_wait() {
    let bus = Bus::start_with(settings(100)).await;
    bus.create("n").await;
    bus.subscribe("n", "a").await;
    bus.publish("n", &["1", "2", "3", "4", "5"]).await;
    let bus = bus.restart_with(settings(5)).await;
    let _leg = bus.attach();
    publish_until(&bus, &Err(BusError::LimitReached(LimitKind::Undelivered))).await;
}

#[tokio::test]
async fn a_node_that_prefers_a_gap_takes_everything_and_its_subscribers_see_the_hole() {
    let mut bus = Bus::start_with(settings(5)).await;
    let config = NodeConfig { when_undelivered_full: WhenUndeliveredFull::Gap, ..newest(2) };
    bus.create_with("n", config).await;
    bus.subscribe("n", "a").await;
    let mut leg = bus.attach();
    leg.up().await;
    bus.publish("n", &["1"]).await;
    let to = "a@example.org".to_owned();
    assert_eq!(leg.take(1).await, [(1, 0, to.clone())]);
    leg.prove().await;
    bus.until("the cursor is stored", |counts| counts.cursor_moves == 1).await;
    leg.detach().await;
    for id in 2..=20 {
        bus.publish("n", &[&id.to_string()]).await;
    }
    bus.retain();
    bus.until("15 of 20 leave the log", |counts| counts.events_trimmed == 15).await;
    let mut leg = bus.attach();
    leg.up().await;
    let expected: Vec<_> = (16..=20).map(|seq| (seq, seq - 1, to.clone())).collect();
    assert_eq!(leg.take(5).await, expected, "the first one says that it follows 15, which nobody has seen");
}

#[tokio::test]
async fn a_node_that_cannot_be_read_does_not_keep_others_from_retention() {
    let mut bus = Bus::start_with(settings(100)).await;
    bus.create("damaged").await;
    bus.create_with("n", newest(1)).await;
    bus.publish("n", &["a", "a", "a"]).await;
    let path = bus.folder.path().join("bus.db");
    let mut connection =
        sqlx::SqliteConnection::connect(path.to_str().expect("UTF-8")).await.expect("a connection");
    let damage = "UPDATE nodes SET config = '{' WHERE name = 'damaged'";
    sqlx::query(damage).execute(&mut connection).await.expect("an update");
    bus.attach().up().await;
    bus.retain();
    bus.until("two leave the log", |counts| counts.events_trimmed == 2).await;
}

#[tokio::test]
async fn what_retention_has_taken_stays_gone_after_a_restart() {
    let mut bus = Bus::start_with(settings(100)).await;
    bus.create_with("n", newest(1)).await;
    bus.publish("n", &["a", "a", "a"]).await;
    bus.retain();
    let leg = bus.attach();
    leg.up().await;
    bus.until("two leave the log", |counts| counts.events_trimmed == 2).await;
    leg.detach().await;
    let bus = bus.restart().await;
    assert_eq!(seqs(&log(&bus, TailStart::After(0)).await), [Err(3), Ok(3)]);
    assert_eq!(bus.publish("n", &["b"]).await.first_seq, 4);
    let folder = bus.kill().await;
    let store = crate::fixture::open_store(folder.path()).await;
    let node = store.find_node(&name("n")).await.unwrap().unwrap().id;
    let oldest = store.oldest_events(node, 9).await.unwrap();
    assert_eq!(oldest.iter().map(|event| event.seq).collect::<Vec<_>>(), [3, 4]);
}
