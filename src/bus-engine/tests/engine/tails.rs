use std::time::Duration;

use bus_domain::{AccessModel, Affiliation, BusError, Epoch, NodeConfig};
use bus_engine::{EngineLimits, Settings, Tail, TailFrame, TailStart, Verb};

use crate::fixture::{Bus, actor, name};

async fn open(bus: &Bus, start: TailStart) -> Tail {
    bus.engine.tail(actor("reader"), &name("n"), start, None).await.expect("a tail")
}

async fn seqs(tail: &mut Tail, count: usize) -> Vec<u64> {
    let mut seqs = Vec::new();
    while seqs.len() < count {
        match tail.next().await.expect("readable") {
            Some(TailFrame::Event(event)) => seqs.push(event.seq),
            other => panic!("{other:?}"),
        }
    }
    seqs
}

#[tokio::test]
async fn a_tail_reads_what_was_and_what_comes() {
    let bus = Bus::start().await;
    bus.create("n").await;
    bus.publish("n", &["1", "2", "3"]).await;
    let mut all = open(&bus, TailStart::Earliest).await;
    let mut some = open(&bus, TailStart::After(2)).await;
    let mut new = open(&bus, TailStart::Latest).await;
    assert_eq!((all.opened_at_seq(), seqs(&mut all, 3).await), (3, vec![1, 2, 3]));
    assert_eq!(seqs(&mut some, 1).await, [3]);
    bus.publish("n", &["4", "5"]).await;
    for tail in [&mut all, &mut some, &mut new] {
        assert_eq!(seqs(tail, 2).await, [4, 5]);
    }
}

#[tokio::test]
async fn a_slow_tail_reads_the_log_and_misses_nothing() {
    let engine = EngineLimits { recent_bytes_max: 1_000, log_page_events_max: 7, ..EngineLimits::default() };
    let bus = Bus::start_with(Settings { engine, ..Settings::default() }).await;
    bus.create("n").await;
    let mut tail = open(&bus, TailStart::Latest).await;
    for _ in 0..40 {
        bus.publish("n", &["", "", ""]).await;
    }
    assert_eq!(seqs(&mut tail, 120).await, (1..=120).collect::<Vec<_>>());
}

#[tokio::test]
async fn readers_and_writers_at_once_see_one_order() {
    let bus = Bus::start().await;
    bus.create("n").await;
    let mut tail = open(&bus, TailStart::Latest).await;
    let writers = async {
        for _ in 0..50 {
            tokio::join!(bus.publish("n", &[""]), bus.publish("n", &["", ""]));
        }
    };
    let (read, ()) = tokio::join!(seqs(&mut tail, 150), writers);
    assert_eq!(read, (1..=150).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_tail_ends_with_its_node() {
    let bus = Bus::start().await;
    bus.create("n").await;
    let mut tail = open(&bus, TailStart::Latest).await;
    bus.publish("n", &["1"]).await;
    bus.run("owner", "n", Verb::Delete(None)).await.unwrap();
    assert_eq!(seqs(&mut tail, 2).await, [1, 2]);
    assert!(tail.next().await.unwrap().is_none());
}

#[tokio::test]
async fn a_ban_ends_a_tail() {
    let bus = Bus::start().await;
    bus.create("n").await;
    let mut tail = open(&bus, TailStart::Latest).await;
    bus.affiliate("n", "reader", Affiliation::Outcast).await;
    bus.publish("n", &["secret"]).await;
    assert_eq!(tail.next().await.err(), Some(BusError::Forbidden));
    let reopened = bus.engine.tail(actor("reader"), &name("n"), TailStart::Latest, None).await;
    assert_eq!(reopened.err(), Some(BusError::Forbidden));
}

#[tokio::test]
async fn a_deleted_node_is_read_to_its_end_by_whom_its_last_rules_let_in() {
    let bus = Bus::start().await;
    bus.create_with("n", NodeConfig { access_model: AccessModel::Whitelist, ..NodeConfig::default() }).await;
    for user in ["reader", "other"] {
        bus.affiliate("n", user, Affiliation::Member).await;
    }
    let mut tail = open(&bus, TailStart::Latest).await;
    let of_other = bus.engine.tail(actor("other"), &name("n"), TailStart::Latest, None).await;
    let mut of_other = of_other.expect("a tail");
    bus.affiliate("n", "reader", Affiliation::None).await;
    bus.publish("n", &["secret"]).await;
    bus.run("owner", "n", Verb::Delete(None)).await.unwrap();
    assert_eq!(seqs(&mut of_other, 2).await, [1, 2]);
    assert!(tail.next().await.is_err());
}

#[tokio::test]
async fn positions_of_another_life_are_refused() {
    let bus = Bus::start().await;
    bus.create("n").await;
    let epoch = bus.publish("n", &["1"]).await.epoch;
    let open = async |start, epoch| bus.engine.tail(actor("reader"), &name("n"), start, epoch).await.err();
    assert_eq!(open(TailStart::After(1), Some(epoch)).await, None);
    assert_eq!(open(TailStart::After(2), None).await, Some(BusError::WrongEpoch), "beyond the head");
    assert_eq!(open(TailStart::After(1), Some(Epoch(epoch.0 ^ 1))).await, Some(BusError::WrongEpoch));
    let absent = bus.engine.tail(actor("reader"), &name("absent"), TailStart::Latest, None).await;
    assert_eq!(absent.err(), Some(BusError::NodeNotFound));
}

#[tokio::test]
async fn an_idle_tail_waits_without_reading() {
    let bus = Bus::start().await;
    bus.create("n").await;
    let mut tail = open(&bus, TailStart::Latest).await;
    let idle = tokio::time::timeout(Duration::from_millis(200), tail.next()).await;
    assert!(idle.is_err(), "nothing has come");
    let before = bus.engine.statistics().snapshot().log_pages_read;
    bus.publish("n", &["1"]).await;
    assert_eq!(seqs(&mut tail, 1).await, [1]);
    assert_eq!(bus.engine.statistics().snapshot().log_pages_read, before, "handed over in memory");
}

#[tokio::test]
async fn a_reader_that_is_too_late_for_a_deleted_node_hears_so() {
    let engine = EngineLimits { recent_bytes_max: 1, log_page_events_max: 2, ..EngineLimits::default() };
    let bus = Bus::start_with(Settings { engine, ..Settings::default() }).await;
    bus.create("n").await;
    bus.publish("n", &["1", "2", "3", "4"]).await;
    let mut tail = open(&bus, TailStart::Earliest).await;
    assert_eq!(seqs(&mut tail, 2).await, [1, 2]);
    let leg = bus.attach();
    leg.up().await;
    bus.run("owner", "n", Verb::Delete(None)).await.unwrap();
    bus.until_reaped().await;
    assert_eq!(tail.next().await.err(), Some(BusError::NodeNotFound), "3 to 5 are gone, and it is said");
}
