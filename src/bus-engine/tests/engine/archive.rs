//! Queries of archives.

use bus_domain::retention::History;
use bus_domain::retrieve::{Page, PageAt};
use bus_domain::{
    Affiliation, BusError, Durability, Epoch, EventKind, ItemId, Limits, NodeConfig, NodeId, WhenItemsFull,
};
use bus_engine::{ArchiveListing, ArchiveQuery, EngineLimits, EventRef, Settings, Verb};

use crate::fixture::{Bus, actor, name, retract_verb};

fn page(at: PageAt, items_max: u32) -> ArchiveQuery {
    ArchiveQuery {
        named: Vec::new(),
        start_ms: None,
        end_ms: None,
        after_seq: None,
        before_seq: None,
        listed: None,
        matches_none: false,
        page: Page { at, items_max },
    }
}

fn everything() -> ArchiveQuery {
    page(PageAt::First, 100)
}

async fn ask(bus: &Bus, query: &ArchiveQuery) -> Result<ArchiveListing, BusError> {
    bus.engine.archive(&actor("reader"), &name("n"), query).await
}

/// The positions, the number of the first one, how many match, and whether that is all.
async fn found(bus: &Bus, query: &ArchiveQuery) -> (Vec<u64>, Option<u64>, u64, bool) {
    let listing = ask(bus, query).await.expect("an archive");
    let seqs = listing.entries.iter().map(|event| event.seq).collect();
    (seqs, listing.ends.map(|[first, _]| first.index), listing.count, listing.is_complete)
}

/// An archive on disk, and one in memory.
async fn both() -> [Bus; 2] {
    let buses = [Durability::Fsync, Durability::Memory].map(async |durability| {
        let limits = Limits { page_items_max: 4, ..Limits::default() };
        let bus = Bus::start_with(Settings { limits, ..Settings::default() }).await;
        bus.create_with("n", NodeConfig { durability, ..NodeConfig::default() }).await;
        bus
    });
    let [disk, memory] = buses;
    [disk.await, memory.await]
}

#[tokio::test]
async fn pages_are_bounded_and_say_where_they_lie() {
    for bus in both().await {
        assert_eq!(found(&bus, &everything()).await, (vec![], None, 0, true));
        bus.publish("n", &["a", "b", "c", "d", "e", "f"]).await;
        for (at, items_max, expected) in [
            (PageAt::First, 100, (vec![1, 2, 3, 4], Some(0), 6, false)),
            (PageAt::After(4), 100, (vec![5, 6], Some(4), 6, true)),
            (PageAt::Last, 2, (vec![5, 6], Some(4), 6, false)),
            (PageAt::Before(3), 100, (vec![1, 2], Some(0), 6, true)),
            (PageAt::IndexFromEnd(1), 2, (vec![4, 5], Some(3), 6, false)),
            (PageAt::First, 0, (vec![], None, 6, false)),
            (PageAt::Last, 0, (vec![], None, 6, false)),
        ] {
            assert_eq!(found(&bus, &page(at, items_max)).await, expected, "{at:?}");
        }
        let listed = ArchiveQuery { listed: Some(vec![6, 1, 2]), ..everything() };
        assert_eq!(found(&bus, &listed).await, (vec![1, 2, 6], Some(0), 3, true));
        let between = ArchiveQuery { after_seq: Some(1), before_seq: Some(4), ..everything() };
        assert_eq!(found(&bus, &between).await, (vec![2, 3], Some(0), 2, true));
        let none = ArchiveQuery { matches_none: true, ..everything() };
        assert_eq!(found(&bus, &none).await, (vec![], None, 0, true));
    }
}

#[tokio::test]
async fn pages_are_bounded_in_bytes_next_to_where_they_lie() {
    for durability in [Durability::Fsync, Durability::Memory] {
        // Each payload has 25 bytes.
        let limits = Limits { page_bytes_max: 40, ..Limits::default() };
        let bus = Bus::start_with(Settings { limits, ..Settings::default() }).await;
        bus.create_with("n", NodeConfig { durability, ..NodeConfig::default() }).await;
        bus.publish("n", &["a", "b", "c", "d", "e"]).await;
        assert_eq!(found(&bus, &everything()).await, (vec![1, 2], Some(0), 5, false));
        assert_eq!(found(&bus, &page(PageAt::Last, 100)).await, (vec![4, 5], Some(3), 5, false));
        let listed = ArchiveQuery { listed: Some(vec![1, 3, 5]), ..everything() };
        assert_eq!(found(&bus, &listed).await, (vec![1, 3], Some(0), 3, false));
        let last = ArchiveQuery { page: Page { at: PageAt::Last, items_max: 100 }, ..listed };
        assert_eq!(found(&bus, &last).await, (vec![3, 5], Some(1), 3, false));
    }
}

#[tokio::test]
async fn times_select_a_part_of_an_archive() {
    for bus in both().await {
        let mut times = Vec::new();
        for id in ["a", "b", "c"] {
            times.push(bus.publish("n", &[id, "x"]).await);
            bus.clock.jump(10);
        }
        let listing = ask(&bus, &page(PageAt::First, 3)).await.expect("an archive");
        let time = |number: usize| listing.entries[number].published_at_ms;
        let (first, second) = (time(0), time(2));
        for (start_ms, end_ms, expected) in [
            (Some(first), Some(first), vec![1, 2]),
            (Some(first + 1), None, vec![3, 4, 5, 6]),
            (Some(first + 1), Some(second), vec![3, 4]),
            (Some(second), Some(first), vec![]),
            (None, Some(first - 1), vec![]),
            (Some(i64::MAX), None, vec![]),
            (Some(i64::MIN), Some(second - 1), vec![1, 2]),
        ] {
            let query = ArchiveQuery { start_ms, end_ms, ..everything() };
            assert_eq!(found(&bus, &query).await.0, expected, "{start_ms:?} {end_ms:?}");
        }
    }
}

#[tokio::test]
async fn a_clock_that_went_back_shows_nothing_of_other_times() {
    let [bus, _] = both().await;
    bus.publish("n", &["a"]).await;
    bus.clock.jump(-100);
    bus.publish("n", &["b"]).await;
    bus.clock.jump(200);
    bus.publish("n", &["c"]).await;
    let all = ask(&bus, &everything()).await.expect("an archive").entries;
    let query = ArchiveQuery { start_ms: Some(all[0].published_at_ms), ..everything() };
    let seen = ask(&bus, &query).await.expect("an archive");
    assert!(seen.entries.iter().all(|event| event.seq != 2), "it is from before");
    assert!(seen.entries.iter().any(|event| event.seq == 3));
}

#[tokio::test]
async fn what_is_named_has_to_be_in_the_archive() {
    let [bus, memory] = both().await;
    for bus in [&bus, &memory] {
        let node = bus.publish("n", &["a"]).await;
        let listing = ask(bus, &everything()).await.expect("an archive");
        let there = EventRef { node: listing.node.id, epoch: node.epoch, seq: 1 };
        for (named, expected) in [
            (there, Ok(1)),
            (EventRef { seq: 2, ..there }, Err(BusError::UnknownPosition)),
            (EventRef { seq: 0, ..there }, Err(BusError::UnknownPosition)),
            (EventRef { epoch: Epoch(node.epoch.0 ^ 1), ..there }, Err(BusError::UnknownPosition)),
            (EventRef { node: NodeId(i64::MAX), ..there }, Err(BusError::UnknownPosition)),
        ] {
            let query = ArchiveQuery { named: vec![named], ..everything() };
            assert_eq!(ask(bus, &query).await.map(|listing| listing.count), expected, "{named:?}");
        }
    }
    let too_many = ArchiveQuery { listed: Some(vec![1; 1_001]), ..everything() };
    assert_eq!(ask(&bus, &too_many).await.err(), Some(BusError::TooManyItems { items_max: 1_000 }));
}

/// A trimmed range is a gap that shows: what was the newest before it is not known any more (P4).
#[tokio::test]
async fn an_archive_goes_with_its_log_from_the_old_end() {
    let engine = EngineLimits { cursor_interval_ms: 1, retention_interval_ms: 1, ..EngineLimits::default() };
    let mut bus = Bus::start_with(Settings { engine, ..Settings::default() }).await;
    let history = History { events_max: Some(2), age_seconds_max: None, bytes_max: None };
    bus.create_with("n", NodeConfig { history, ..NodeConfig::default() }).await;
    let epoch = bus.publish("n", &["a", "b", "c", "a"]).await.epoch;
    let node = ask(&bus, &everything()).await.expect("an archive").node.id;
    bus.retain();
    let leg = bus.attach();
    leg.up().await;
    bus.until_stored("(SELECT trimmed_through_seq FROM heads)", 2).await;
    assert_eq!(
        found(&bus, &everything()).await,
        (vec![3, 4], Some(0), 2, true),
        "b is an item, and no entry"
    );
    for (seq, expected) in [(2, Err(BusError::UnknownPosition)), (3, Ok(1))] {
        let named = vec![EventRef { node, epoch, seq }];
        let query = ArchiveQuery { named, ..page(PageAt::After(seq), 100) };
        assert_eq!(ask(&bus, &query).await.map(|listing| listing.entries.len()), expected);
    }
    let ends = bus.engine.archive_ends(&actor("reader"), &name("n")).await.expect("an archive").ends;
    assert_eq!(ends.map(|ends| ends.map(|(seq, _)| seq)), Some([3, 4]));
    drop(leg);
}

#[tokio::test]
async fn what_memory_has_lost_is_not_in_the_archive() {
    let engine = EngineLimits { recent_bytes_max: 600, ..EngineLimits::default() };
    let bus = Bus::start_with(Settings { engine, ..Settings::default() }).await;
    bus.create_with("n", NodeConfig { durability: Durability::Memory, ..NodeConfig::default() }).await;
    bus.publish("n", &["a", "b", "c", "d", "e", "f"]).await;
    let (seqs, index, count, is_complete) = found(&bus, &everything()).await;
    assert!(seqs.len() < 6 && seqs.ends_with(&[6]), "{seqs:?}");
    assert_eq!((index, count, is_complete), (Some(0), seqs.len() as u64, true));
    let ends = bus.engine.archive_ends(&actor("reader"), &name("n")).await.expect("an archive").ends;
    assert_eq!(ends.map(|ends| ends.map(|(seq, _)| seq)), Some([seqs[0], 6]));
}

#[tokio::test]
async fn what_was_taken_back_and_what_was_purged_is_gone_at_once() {
    let [bus, _] = both().await;
    bus.publish("n", &["a", "b"]).await;
    bus.run("owner", "n", retract_verb(&["a"], None)).await.expect("retracted");
    let listing = ask(&bus, &everything()).await.expect("an archive");
    let payloads = listing.entries.iter().map(|event| event.kind.payload().is_some());
    assert_eq!(payloads.collect::<Vec<_>>(), [false, true, false]);
    bus.run("owner", "n", Verb::Purge).await.expect("purged");
    assert_eq!(found(&bus, &everything()).await, (vec![4], Some(0), 1, true));
}

#[tokio::test]
async fn who_may_read_is_asked_at_each_query() {
    let [bus, _] = both().await;
    bus.publish("n", &["a"]).await;
    assert_eq!(found(&bus, &everything()).await.2, 1);
    bus.affiliate("n", "reader", Affiliation::Outcast).await;
    assert_eq!(ask(&bus, &everything()).await.err(), Some(BusError::Forbidden));
    let ends = bus.engine.archive_ends(&actor("reader"), &name("n")).await;
    assert_eq!(ends.err(), Some(BusError::Forbidden));
    let missing = bus.engine.archive(&actor("reader"), &name("none"), &everything()).await;
    assert_eq!(missing.err(), Some(BusError::NodeNotFound));
}

#[tokio::test]
async fn what_a_publish_pushes_out_is_taken_back_and_told_where_the_node_says_so() {
    let bus = Bus::start().await;
    let config =
        NodeConfig { items_max: 3, when_items_full: WhenItemsFull::RetractOldest, ..NodeConfig::default() };
    bus.create_with("n", config).await;
    bus.subscribe("n", "user").await;
    for ids in [&["a", "b"][..], &["c", "d"], &["b", "e"]] {
        bus.publish("n", ids).await;
    }
    assert_eq!(bus.item_ids("n").await, ["d", "b", "e"]);
    let bus = bus.restart().await;
    let mut leg = bus.attach();
    leg.up().await;
    assert_eq!(leg.take(8).await.last(), Some(&(8, 7, "user@example.org".to_owned())), "two are told of");
    let log = ask(&bus, &everything()).await.expect("an archive").entries;
    let log: Vec<_> = log.iter().map(|event| told(&event.kind)).collect();
    assert_eq!(log, ["a", "b", "c", "d", "-a", "b", "e", "-c"], "each behind what it made room for");
}

fn told(kind: &EventKind) -> String {
    let id = kind.item_id().map_or("", ItemId::as_str);
    if kind.payload().is_some() { id.to_owned() } else { format!("-{id}") }
}
