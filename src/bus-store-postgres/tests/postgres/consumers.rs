//! Durable subscriptions of services, with two engines on one database.

use std::sync::Arc;
use std::time::Duration;

use bus_domain::consumer::create::Wish;
use bus_domain::consumer::start::Start;
use bus_domain::consumer::{ConsumerError, ConsumerName, Mode, NodePattern};
use bus_domain::{Actor, BareJid, BusError, NodeConfig, NodeName, Payload, Role, publish};
use bus_engine::{
    Command, ConsumerFrame, ConsumerSession, Credit, Engine, EngineLimits, EngineParts, LeaseOutcome,
    Settings, SystemClock, SystemIds, Verb,
};
use bus_store_postgres::PostgresLimits;
use harness::Postgres;
use tokio_util::sync::CancellationToken;

use crate::fixture::open;

const PATIENCE: Duration = Duration::from_secs(30);

async fn start(url: &str) -> (EngineParts, CancellationToken) {
    start_with(url, Settings::default()).await
}

async fn start_with(url: &str, settings: Settings) -> (EngineParts, CancellationToken) {
    let store = Arc::new(open(url, PostgresLimits::default()).await);
    let stop = CancellationToken::new();
    let (clock, ids) = (Arc::new(SystemClock), Arc::new(SystemIds));
    let parts = Engine::start(store, settings, clock, ids, stop.clone()).await;
    (parts.expect("an engine"), stop)
}

fn owner() -> Actor {
    Actor::new(BareJid::new("owner@example.org").expect("a JID"), Role::Creator)
}

async fn run(engine: &Engine, verb: Verb) {
    run_on(engine, "jobs", verb).await;
}

async fn run_on(engine: &Engine, node: &str, verb: Verb) {
    let node = NodeName::new(node).expect("a name");
    engine.execute(Command { actor: owner(), node, verb }).await.expect("it may");
}

fn item() -> Verb {
    let payload = Some(Payload::from_serialised("<a xmlns='urn:test'/>"));
    let items = vec![publish::NewItem { id: None, payload }];
    Verb::Publish(publish::Request { items, ..publish::Request::default() })
}

fn wish(pattern: &str) -> Wish {
    Wish {
        nodes: vec![NodePattern::new(pattern).expect("a pattern")],
        mode: Mode::Queue,
        start: Start::Earliest,
        lease_ms: None,
        retry_schedule_ms: Vec::new(),
        attempts_max: None,
        dead_letter_node: None,
        in_flight_max: None,
        filter: None,
        key_ordered: false,
        destination: None,
    }
}

async fn open_consumer(engine: &Engine) -> Result<ConsumerSession, BusError> {
    open_named(engine, "q").await
}

async fn open_named(engine: &Engine, name: &str) -> Result<ConsumerSession, BusError> {
    let session = engine.open_consumer(&owner(), &ConsumerName::new(name).expect("a name"), "").await?;
    session.add_credit(Credit { messages: 100, bytes: 1_000_000 });
    Ok(session)
}

/// Waits until an engine has looked at the store so often.
async fn until_listening(engine: &Engine, looks: u64) {
    let listens = harness::wait_until("the doorbell", PATIENCE, async || {
        (engine.statistics().snapshot().doorbell_looks >= looks).then_some(())
    });
    listens.await.expect("it listens");
}

async fn next(session: &mut ConsumerSession) -> ConsumerFrame {
    tokio::time::timeout(PATIENCE, session.next()).await.expect("it comes").expect("no end")
}

#[tokio::test]
async fn one_instance_serves_a_consumer_with_what_any_of_them_commits_until_it_ends() {
    let url = Postgres::shared().await.create_database().await.expect("a database");
    let ((first, stop_first), (second, _stop)) = (start(&url).await, start(&url).await);
    run(&first.engine, Verb::Create(NodeConfig::default())).await;
    let name = ConsumerName::new("q").expect("a name");
    first.engine.create_consumer(&owner(), name, &wish("jobs")).await.expect("a consumer");
    let mut session = open_consumer(&first.engine).await.expect("it is served here");
    let elsewhere = open_consumer(&second.engine).await.map(drop);
    assert_eq!(elsewhere, Err(ConsumerError::Elsewhere.into()));
    let mut leases = Vec::new();
    for engine in [&first.engine, &second.engine] {
        run(engine, item()).await;
        let ConsumerFrame::Events(events) = next(&mut session).await else { panic!("an event") };
        leases.extend(events.iter().filter_map(|event| event.lease));
    }
    assert_eq!(leases.iter().map(|lease| lease.seq).collect::<Vec<_>>(), [1, 2]);
    session.acknowledge(&leases[..1]).expect("a queue");
    let ConsumerFrame::Leases(reports) = next(&mut session).await else { panic!("a report") };
    assert_eq!(reports[0].outcome, LeaseOutcome::Accepted);

    stop_first.cancel();
    first.committer.await.expect("an orderly end");
    drop(session);
    let mut session = open_consumer(&second.engine).await.expect("the claim was given back");
    session.acknowledge(&leases).expect("a queue");
    let ConsumerFrame::Leases(reports) = next(&mut session).await else { panic!("a report") };
    let outcomes: Vec<_> = reports.iter().map(|report| report.outcome).collect();
    assert_eq!(
        outcomes,
        [LeaseOutcome::Unknown, LeaseOutcome::Accepted],
        "leases of the other instance hold"
    );
}

#[tokio::test]
async fn a_ring_is_for_consumers_of_nodes_that_have_moved() {
    const CONSUMERS: usize = 20;
    let url = Postgres::shared().await.create_database().await.expect("a database");
    // Rings alone: nothing is looked at from time to time.
    let engine = EngineLimits { doorbell_poll_ms: 3_600_000, ..EngineLimits::default() };
    let settings = Settings { engine, ..Settings::default() };
    let (serving, _stop) = start_with(&url, settings.clone()).await;
    until_listening(&serving.engine, 2).await;
    let (other, _stop_other) = start_with(&url, settings).await;
    // One look at the start, one at the first tick, and one at the other's arrival.
    until_listening(&serving.engine, 3).await;
    until_listening(&other.engine, 2).await;
    let mut sessions = Vec::new();
    for number in 0..CONSUMERS {
        let name = format!("jobs.{number}");
        run_on(&other.engine, &name, Verb::Create(NodeConfig::default())).await;
        let consumer = ConsumerName::new(&name).expect("a name");
        serving.engine.create_consumer(&owner(), consumer, &wish(&name)).await.expect("a consumer");
        sessions.push(open_named(&serving.engine, &name).await.expect("it is served here"));
    }
    let by_pattern = ConsumerName::new("all").expect("a name");
    serving.engine.create_consumer(&owner(), by_pattern, &wish("later.*")).await.expect("a consumer");
    let mut finder = open_named(&serving.engine, "all").await.expect("it is served here");
    // Where each log is has been seen once, when this has come.
    for (number, session) in sessions.iter_mut().enumerate() {
        run_on(&other.engine, &format!("jobs.{number}"), item()).await;
        assert!(matches!(next(session).await, ConsumerFrame::Events(_)));
    }
    let looks = || serving.engine.statistics().snapshot().consumer_looks;
    let before = looks();
    for _ in 0..5 {
        run_on(&other.engine, "jobs.7", item()).await;
        assert!(matches!(next(&mut sessions[7]).await, ConsumerFrame::Events(_)));
    }
    let told = looks() - before;
    assert!((1..=10).contains(&told), "{told} consumers were told of 5 events for one of {CONSUMERS}");

    run_on(&other.engine, "later.1", Verb::Create(NodeConfig::default())).await;
    run_on(&other.engine, "later.1", item()).await;
    assert!(
        matches!(next(&mut finder).await, ConsumerFrame::Events(_)),
        "a new node is found by a ring, too"
    );
}
