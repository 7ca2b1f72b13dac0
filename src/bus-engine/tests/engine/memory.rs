//! Nodes in memory.

use bus_domain::retrieve::Selection;
use bus_domain::{Affiliation, BusError, Durability, Feature, NodeConfig};
use bus_engine::{EngineLimits, Settings, Tail, TailFrame, TailStart, Verb};

use crate::fixture::{Bus, actor, jid, name, publish_verb, retract_verb};

fn memory() -> NodeConfig {
    NodeConfig { durability: Durability::Memory, ..NodeConfig::default() }
}

fn to(user: &str) -> String {
    format!("{user}@example.org")
}

async fn started() -> Bus {
    started_with(EngineLimits::default()).await
}

async fn started_with(engine: EngineLimits) -> Bus {
    let bus = Bus::start_with(Settings { engine, ..Settings::default() }).await;
    bus.create_with("n", memory()).await;
    bus
}

async fn tail(bus: &Bus, start: TailStart) -> Result<Tail, BusError> {
    bus.engine.tail(actor("reader"), &name("n"), start, None).await
}

/// The next frame: the position of an event, or the end of a gap as a negative number.
async fn frame(tail: &mut Tail) -> Result<i64, BusError> {
    let seq = |seq| i64::try_from(seq).expect("a small number");
    match tail.next().await? {
        Some(TailFrame::Event(event)) => Ok(seq(event.seq)),
        Some(TailFrame::Gap { first_seq }) => Ok(-seq(first_seq)),
        None => Ok(0),
    }
}

#[tokio::test]
async fn events_are_numbered_delivered_and_not_stored() {
    let bus = started().await;
    bus.subscribe("n", "a").await;
    let mut leg = bus.attach();
    leg.up().await;
    let mut reader = tail(&bus, TailStart::Latest).await.unwrap();
    let before = bus.engine.statistics().snapshot();
    let first = bus.publish("n", &["1", "2"]).await;
    let second = bus.publish("n", &["3"]).await;
    assert_eq!((first.first_seq, second.first_seq, first.epoch), (1, 3, second.epoch));
    assert_eq!(first.durability, Durability::Memory);
    assert_eq!(leg.take(3).await, [(1, 0, to("a")), (2, 1, to("a")), (3, 2, to("a"))]);
    for seq in 1..=3 {
        assert_eq!(frame(&mut reader).await, Ok(seq));
    }
    let after = bus.engine.statistics().snapshot();
    assert_eq!((after.commits, after.log_pages_read), (before.commits, before.log_pages_read));
    assert_eq!((after.published_memory, after.published_fsync), (3, 0));
    let view = bus.engine.node(&actor("reader"), &name("n")).await.unwrap();
    assert_eq!((view.head_seq, view.facts.epoch), (3, first.epoch));
}

#[tokio::test]
async fn nothing_is_kept_that_could_be_retrieved_or_retracted() {
    let bus = started().await;
    bus.publish("n", &["1"]).await;
    let unsupported = BusError::Unsupported(Feature::PersistentItems);
    let items = bus.engine.items(&actor("owner"), &name("n"), Selection::Newest(None)).await;
    assert_eq!(items.err(), Some(unsupported.clone()));
    assert_eq!(bus.run("owner", "n", retract_verb(&["1"], None)).await, Err(unsupported));
}

#[tokio::test]
async fn a_log_without_items_is_a_log() {
    let bus = Bus::start().await;
    bus.create_with("n", NodeConfig { persist_items: false, items_max: 1, ..NodeConfig::default() }).await;
    bus.publish("n", &["1", "2"]).await;
    bus.publish("n", &["1"]).await;
    let bus = bus.restart().await;
    let mut reader = tail(&bus, TailStart::Earliest).await.unwrap();
    for seq in 1..=3 {
        assert_eq!(frame(&mut reader).await, Ok(seq));
    }
    let items = bus.engine.items(&actor("owner"), &name("n"), Selection::Newest(None)).await;
    assert_eq!(items.err(), Some(BusError::Unsupported(Feature::PersistentItems)));
}

#[tokio::test]
async fn whoever_has_subscribed_gets_what_is_published_next_and_nothing_from_before() {
    let bus = started().await;
    bus.subscribe("n", "a").await;
    for round in 0..20 {
        let mut leg = bus.attach();
        let late = format!("late{round}");
        let before = bus.publish("n", &["early"]).await.first_seq;
        // Recipients are read when the link comes up, and the store does not know where this subscription began.
        bus.subscribe("n", &late).await;
        bus.publish("n", &["late"]).await;
        leg.up().await;
        let seen = leg.take(3).await;
        assert_eq!(seen[0], (before, before - 1, to("a")));
        assert_eq!(seen[1..], [(before + 1, before, to("a")), (before + 1, before, to(&late))]);
        leg.prove().await;
        leg.down().await;
        let later = format!("later{round}");
        bus.publish("n", &["early"]).await;
        bus.subscribe("n", &later).await;
        bus.publish("n", &["later"]).await;
        leg.up().await;
        let seqs: Vec<_> = leg.take(5).await.into_iter().map(|(seq, _, user)| (seq, user)).collect();
        let expected = [(2, "a"), (2, &late), (3, "a"), (3, &late), (3, &later)];
        let expected = expected.map(|(behind, user)| (before + behind, to(user)));
        assert_eq!(seqs, expected, "the recipients are in memory, and one more joins them");
        assert_eq!(leg.detach().await, []);
        for user in [late, later] {
            bus.run(&user, "n", Verb::Unsubscribe(jid(&user).into())).await.unwrap();
        }
    }
}

#[tokio::test]
async fn a_ban_acts_on_the_next_publish() {
    let bus = started().await;
    for user in ["a", "b"] {
        bus.subscribe("n", user).await;
    }
    bus.affiliate("n", "writer", Affiliation::Publisher).await;
    let mut leg = bus.attach();
    leg.up().await;
    assert!(bus.run("writer", "n", publish_verb(&["1"])).await.is_ok());
    leg.take(2).await;
    bus.affiliate("n", "writer", Affiliation::Outcast).await;
    bus.affiliate("n", "a", Affiliation::Outcast).await;
    assert_eq!(bus.run("writer", "n", publish_verb(&["2"])).await, Err(BusError::Forbidden));
    bus.publish("n", &["2"]).await;
    assert_eq!(leg.take(1).await, [(2, 1, to("b"))]);
    assert_eq!(leg.detach().await, []);
}

#[tokio::test]
async fn publishes_keep_their_place_behind_a_change_of_rules() {
    let bus = started().await;
    for (affiliation, is_allowed) in [(Affiliation::Publisher, true), (Affiliation::Outcast, false)] {
        let entries = vec![(jid("writer").to_bare(), affiliation)];
        let (changed, published) = tokio::join!(
            biased;
            bus.run("owner", "n", Verb::Affiliate(entries.into())),
            bus.run("writer", "n", publish_verb(&[""])),
        );
        assert!(changed.is_ok());
        assert_eq!(published.is_ok(), is_allowed, "{published:?}");
    }
}

#[tokio::test]
async fn publishers_at_once_get_one_order() {
    let bus = started().await;
    let mut reader = tail(&bus, TailStart::Latest).await.unwrap();
    let publishers = (0..20).map(|_| async {
        let mut seqs = Vec::new();
        for _ in 0..20 {
            seqs.push(bus.publish("n", &[""]).await.first_seq);
            tokio::task::yield_now().await;
        }
        assert!(seqs.is_sorted());
        seqs
    });
    let mut seqs = futures::future::join_all(publishers).await.concat();
    seqs.sort_unstable();
    assert_eq!(seqs, (1..=400).collect::<Vec<_>>());
    for seq in 1..=400 {
        assert_eq!(frame(&mut reader).await, Ok(seq));
    }
}

#[tokio::test]
async fn a_restart_is_another_life_of_the_log() {
    let bus = started().await;
    bus.subscribe("n", "a").await;
    let first = bus.publish("n", &["1", "2"]).await;
    let bus = bus.stop().await;
    assert!(tail(&bus, TailStart::After(1)).await.is_err_and(|error| error == BusError::WrongEpoch));
    let old = bus.engine.tail(actor("reader"), &name("n"), TailStart::Latest, Some(first.epoch)).await;
    assert_eq!(old.err(), Some(BusError::WrongEpoch));
    let mut leg = bus.attach();
    leg.up().await;
    let again = bus.publish("n", &["1"]).await;
    assert_eq!(again.first_seq, 1);
    assert_ne!(again.epoch, first.epoch);
    assert_eq!(leg.take(1).await, [(1, 0, to("a"))], "subscriptions stay");
}

#[tokio::test]
async fn what_memory_could_not_hold_is_a_gap_for_readers_and_subscribers() {
    let engine = EngineLimits { recent_bytes_max: 2_000, ..EngineLimits::default() };
    let bus = started_with(engine).await;
    bus.subscribe("n", "a").await;
    let mut leg = bus.attach();
    let mut reader = tail(&bus, TailStart::Latest).await.unwrap();
    for _ in 0..100 {
        bus.publish("n", &[""]).await;
    }
    let gap = frame(&mut reader).await.unwrap();
    assert!(gap < -80, "{gap}");
    for seq in -gap..=100 {
        assert_eq!(frame(&mut reader).await, Ok(seq));
    }
    assert_eq!(frame(&mut tail(&bus, TailStart::After(1)).await.unwrap()).await, Ok(gap));
    assert_eq!(frame(&mut tail(&bus, TailStart::Earliest).await.unwrap()).await, Ok(-gap));
    leg.up().await;
    let first = u64::try_from(-gap).unwrap();
    assert_eq!(leg.take(1).await, [(first, first - 1, to("a"))], "and `after` says so");
    assert_eq!(bus.engine.statistics().snapshot().log_pages_read, 0);
}

#[tokio::test]
async fn memory_without_room_for_one_event_stops_nobody() {
    let bus = started_with(EngineLimits { recent_bytes_max: 1, ..EngineLimits::default() }).await;
    bus.subscribe("n", "a").await;
    let leg = bus.attach();
    leg.up().await;
    let mut reader = tail(&bus, TailStart::Latest).await.unwrap();
    bus.publish("n", &["1", "2"]).await;
    assert_eq!(frame(&mut reader).await, Ok(-3), "3 is the next that can come");
    bus.publish("n", &["3"]).await;
    assert_eq!(frame(&mut reader).await, Ok(-4));
    assert_eq!(leg.detach().await, []);
}

#[tokio::test]
async fn the_end_of_a_node_is_told_and_leaves_nothing() {
    let bus = started().await;
    bus.subscribe("n", "a").await;
    let mut leg = bus.attach();
    leg.up().await;
    let mut reader = tail(&bus, TailStart::Latest).await.unwrap();
    let first = bus.publish("n", &["1"]).await;
    bus.run("owner", "n", Verb::Delete(None)).await.unwrap();
    assert_eq!(leg.take(2).await, [(1, 0, to("a")), (2, 1, to("a"))]);
    assert_eq!([frame(&mut reader).await, frame(&mut reader).await], [Ok(1), Ok(2)]);
    assert_eq!(frame(&mut reader).await, Ok(0), "the end");
    leg.prove().await;
    bus.until_reaped().await;
    bus.create_with("n", memory()).await;
    let second = bus.publish("n", &["1"]).await;
    assert_eq!(second.first_seq, 1);
    assert_ne!(second.epoch, first.epoch);
    assert_eq!(leg.detach().await, [], "the new node of that name has no subscribers");
}

#[tokio::test]
async fn the_end_of_a_node_is_told_after_a_restart_too() {
    let bus = started().await;
    bus.subscribe("n", "a").await;
    bus.publish("n", &["1", "2"]).await;
    bus.run("owner", "n", Verb::Delete(None)).await.unwrap();
    let bus = bus.restart().await;
    let mut leg = bus.attach();
    leg.up().await;
    assert_eq!(leg.take(1).await, [(1, 0, to("a"))], "alone in its life of the log");
    leg.prove().await;
    bus.until_reaped().await;
}

#[tokio::test]
async fn a_reader_that_is_too_late_for_the_end_hears_so() {
    let bus = started_with(EngineLimits { recent_bytes_max: 1, ..EngineLimits::default() }).await;
    let mut reader = tail(&bus, TailStart::Latest).await.unwrap();
    bus.publish("n", &["1"]).await;
    bus.run("owner", "n", Verb::Delete(None)).await.unwrap();
    assert_eq!(frame(&mut reader).await, Err(BusError::NodeNotFound));
}
