//! Publishes that happen once, and publishes on a log that ends where they expect.

use std::future::Future;

use bus_domain::idempotency::IdempotencyKey;
use bus_domain::publish::ExpectedHead;
use bus_domain::{
    Affiliation, BusError, Durability, Epoch, ItemId, Limits, NodeConfig, PublishModel, WhenItemsFull,
};
use bus_engine::{Command, EngineLimits, Outcome, Published, Settings, Verb, once};

use crate::fixture::{Bus, actor, name, publish_verb};

type Answer = Result<Outcome, BusError>;

/// A publish of these items under a key, if there is one, where the log must end at a position, if there is one.
fn publish(key: &str, ids: &[&str], expected: Option<(u64, Option<Epoch>)>) -> Verb {
    let Verb::Publish(mut request) = publish_verb(ids) else { unreachable!() };
    request.expected_head = expected.map(|(seq, epoch)| ExpectedHead { seq, epoch });
    request.once = (!key.is_empty()).then(|| once(IdempotencyKey::new(key).expect("a key"), &request));
    Verb::Publish(request)
}

fn submit(bus: &Bus, verb: Verb) -> impl Future<Output = Answer> {
    bus.engine.submit(Command { actor: actor("owner"), node: name("n"), verb })
}

fn published(answer: Answer) -> Published {
    match answer {
        Ok(Outcome::Published(published)) => published,
        other => panic!("{other:?}"),
    }
}

fn repeated(first: &Published) -> Published {
    Published { duplicate: true, ..first.clone() }
}

async fn started() -> Bus {
    let bus = Bus::start().await;
    bus.create("n").await;
    bus
}

const EVENTS: &str = "(SELECT count(*) FROM events)";

#[tokio::test]
async fn a_repeat_is_answered_as_the_first_one_and_changes_nothing() {
    let bus = started().await;
    bus.subscribe("n", "a").await;
    let mut leg = bus.attach();
    leg.up().await;
    let first = published(submit(&bus, publish("k", &["", "x", ""], None)).await);
    assert!(!first.duplicate && first.item_ids[0] != first.item_ids[2]);
    bus.publish("n", &["x"]).await;
    for _ in 0..2 {
        let again = published(submit(&bus, publish("k", &["", "x", ""], None)).await);
        assert_eq!(again, repeated(&first), "also the ids that were made");
    }
    assert_eq!(bus.publish("n", &["last"]).await.first_seq, 5);
    let seqs: Vec<u64> = leg.take(5).await.into_iter().map(|(seq, ..)| seq).collect();
    assert_eq!(seqs, [1, 2, 3, 4, 5], "nobody is told of repeats");
    assert_eq!(bus.stored(EVENTS).await, 5);
    let statistics = bus.engine.statistics().snapshot();
    assert_eq!((statistics.publishes_repeated, statistics.published_fsync), (2, 5));
}

#[tokio::test]
async fn a_repeat_is_the_same_in_everything() {
    let bus = started().await;
    published(submit(&bus, publish("k", &["a"], None)).await);
    for other in
        [publish("k", &["b"], None), publish("k", &["a", "a"], None), publish("k", &["a"], Some((1, None)))]
    {
        assert_eq!(submit(&bus, other).await, Err(BusError::RequestIdReused));
    }
    assert_eq!(bus.stored(EVENTS).await, 1);
}

#[tokio::test]
async fn keys_are_of_a_node_and_of_a_principal() {
    let bus = started().await;
    bus.create("m").await;
    bus.affiliate("n", "writer", Affiliation::Publisher).await;
    let of = async |user: &str, node: &str| {
        let answer = bus.run(user, node, publish("k", &["a"], None)).await;
        published(answer).duplicate
    };
    for (user, node) in [("owner", "n"), ("writer", "n"), ("owner", "m")] {
        assert!(!of(user, node).await, "{user} on {node}");
        assert!(of(user, node).await, "{user} on {node} again");
    }
    bus.affiliate("n", "writer", Affiliation::Outcast).await;
    assert_eq!(bus.run("writer", "n", publish("k", &["a"], None)).await, Err(BusError::Forbidden));
}

#[tokio::test]
async fn a_repeat_is_known_after_a_restart_until_its_time_is_over() {
    let limits = Limits { idempotency_window_ms: 60_000, ..Limits::default() };
    let engine = EngineLimits { retention_interval_ms: 10, ..EngineLimits::default() };
    let bus = Bus::start_with(Settings { limits, engine, ..Settings::default() }).await;
    bus.create("n").await;
    let first = published(submit(&bus, publish("k", &[""], None)).await);
    let mut bus = bus.restart().await;
    bus.clock.advance(59_999);
    assert_eq!(published(submit(&bus, publish("k", &[""], None)).await), repeated(&first));
    bus.clock.advance(1);
    let second = published(submit(&bus, publish("k", &[""], None)).await);
    assert_eq!((second.first_seq, second.duplicate), (2, false));
    assert_eq!(published(submit(&bus, publish("k", &[""], None)).await), repeated(&second), "its turn now");
    bus.retain();
    bus.clock.advance(59_999);
    submit(&bus, publish("other", &[""], None)).await.unwrap();
    bus.clock.advance(1);
    bus.until("one is forgotten", |it| it.requests_forgotten == 1).await;
    assert_eq!(bus.stored("(SELECT count(*) FROM idempotency_keys)").await, 1, "and the other is kept");
}

#[tokio::test]
async fn repeats_that_come_at_once_share_one_batch() {
    let bus = started().await;
    bus.publish("n", &["0"]).await;
    let before = bus.engine.statistics().snapshot();
    // In their places before the committer gets its turn.
    let (first, second, other, plain) = tokio::join!(
        submit(&bus, publish("k", &[""], None)),
        submit(&bus, publish("k", &[""], None)),
        submit(&bus, publish("k", &["other"], None)),
        submit(&bus, publish("", &[""], None)),
    );
    let first = published(first);
    assert_eq!(published(second), repeated(&first));
    assert_eq!(other, Err(BusError::RequestIdReused));
    assert_eq!((first.first_seq, published(plain).first_seq), (2, 3), "nothing is left out");
    assert_eq!(bus.engine.statistics().snapshot().commits - before.commits, 1);
}

#[tokio::test]
async fn what_is_refused_is_not_kept() {
    let bus = Bus::start().await;
    let config = NodeConfig { items_max: 1, when_items_full: WhenItemsFull::Reject, ..NodeConfig::default() };
    bus.create_with("n", config).await;
    published(submit(&bus, publish("1", &["a"], None)).await);
    assert_eq!(submit(&bus, publish("2", &["b"], None)).await, Err(BusError::NodeFull));
    assert!(published(submit(&bus, publish("1", &["a"], None)).await).duplicate, "a full node has it");
    assert_eq!(submit(&bus, publish("2", &["b"], None)).await, Err(BusError::NodeFull), "not yet");
    bus.run("owner", "n", Verb::Purge).await.unwrap();
    let second = published(submit(&bus, publish("2", &["b"], None)).await);
    assert!(!second.duplicate);
    let moved = Err(BusError::HeadMoved { epoch: second.epoch, seq: 3 });
    let (refused, at_once) = tokio::join!(
        submit(&bus, publish("3", &["b"], Some((9, None)))),
        submit(&bus, publish("3", &["b"], Some((9, None)))),
    );
    assert_eq!([refused, at_once], [moved.clone(), moved], "each is decided by itself");
}

#[tokio::test]
async fn where_subscribers_publish_a_repeat_is_known_too() {
    let bus = Bus::start().await;
    let config = NodeConfig { publish_model: PublishModel::Subscribers, ..NodeConfig::default() };
    bus.create_with("n", config).await;
    bus.subscribe("n", "a").await;
    let first = published(bus.run("a", "n", publish("k", &[""], None)).await);
    assert_eq!(published(bus.run("a", "n", publish("k", &[""], None)).await), repeated(&first));
    assert_eq!(bus.run("b", "n", publish("k", &[""], None)).await, Err(BusError::Forbidden));
}

#[tokio::test]
async fn two_processes_on_one_store_know_each_others_requests() {
    let [one, other] = Bus::start_two().await;
    one.create("n").await;
    let (first, second) =
        tokio::join!(submit(&one, publish("k", &[""], None)), submit(&other, publish("k", &[""], None)),);
    let (first, second) = (published(first), published(second));
    assert_ne!(first.duplicate, second.duplicate, "one of them has published");
    assert_eq!(repeated(&first), repeated(&second));
    assert_eq!(one.stored(EVENTS).await, 1);
}

#[tokio::test]
async fn a_publish_may_expect_where_the_log_ends() {
    let bus = started().await;
    let first = published(submit(&bus, publish("", &["a"], Some((0, None)))).await);
    let epoch = first.epoch;
    let at = |seq| Err(BusError::HeadMoved { epoch, seq });
    assert_eq!(submit(&bus, publish("", &["b"], Some((0, None)))).await, at(1));
    assert_eq!(submit(&bus, publish("", &["b"], Some((2, None)))).await, at(1));
    assert_eq!(submit(&bus, publish("", &["b"], Some((1, Some(Epoch(!epoch.0)))))).await, at(1));
    assert_eq!(published(submit(&bus, publish("", &["b"], Some((1, Some(epoch))))).await).first_seq, 2);
    assert_eq!(bus.stored(EVENTS).await, 2);
}

#[tokio::test]
async fn expectations_count_on_what_is_in_front_of_them() {
    let bus = started().await;
    bus.publish("n", &["0"]).await;
    let before = bus.engine.statistics().snapshot();
    let verb = |ids: &[&str], expected| publish("", ids, Some((expected, None)));
    let (one, two, late, three) = tokio::join!(
        submit(&bus, verb(&["", ""], 1)),
        submit(&bus, verb(&[""], 3)),
        submit(&bus, verb(&[""], 3)),
        submit(&bus, verb(&[""], 4)),
    );
    let first_seqs = [one, two, three].map(|answer| published(answer).first_seq);
    assert_eq!(first_seqs, [2, 4, 5]);
    assert!(matches!(late, Err(BusError::HeadMoved { seq: 4, .. })), "{late:?}");
    assert_eq!(bus.engine.statistics().snapshot().commits - before.commits, 1);
}

#[tokio::test]
async fn a_repeat_is_one_wherever_the_log_ends_by_now() {
    let bus = started().await;
    let verb = || publish("k", &["a"], Some((0, None)));
    let first = published(submit(&bus, verb()).await);
    bus.publish("n", &["b"]).await;
    assert_eq!(published(submit(&bus, verb()).await), repeated(&first));
}

#[tokio::test]
async fn a_node_in_memory_keeps_no_keys_and_knows_where_its_log_ends() {
    let bus = Bus::start().await;
    bus.create_with("n", NodeConfig { durability: Durability::Memory, ..NodeConfig::default() }).await;
    assert_eq!(submit(&bus, publish("k", &["a"], None)).await, Err(BusError::RequestIdNotKept));
    let first = published(submit(&bus, publish("", &["a", "b"], Some((0, None)))).await);
    let moved = BusError::HeadMoved { epoch: first.epoch, seq: 2 };
    assert_eq!(submit(&bus, publish("", &["c"], Some((0, None)))).await, Err(moved));
    assert_eq!(published(submit(&bus, publish("", &["c"], Some((2, Some(first.epoch))))).await).first_seq, 3);
}

#[tokio::test]
async fn a_node_that_takes_no_items_answers_repeats_without_ids() {
    let bus = Bus::start().await;
    let config = NodeConfig { persist_items: false, deliver_payloads: false, ..NodeConfig::default() };
    bus.create_with("n", config).await;
    let first = published(submit(&bus, publish("k", &[], None)).await);
    assert_eq!(first.item_ids, Vec::<ItemId>::new());
    assert_eq!(published(submit(&bus, publish("k", &[], None)).await), repeated(&first));
    assert_eq!(bus.stored(EVENTS).await, 1);
}
