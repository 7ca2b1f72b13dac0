//! Durable subscriptions of services, with two engines on one database.

use std::sync::Arc;
use std::time::Duration;

use bus_domain::consumer::create::Wish;
use bus_domain::consumer::start::Start;
use bus_domain::consumer::{ConsumerError, ConsumerName, Mode, NodePattern};
use bus_domain::{Actor, BareJid, BusError, NodeConfig, NodeName, Payload, Role, publish};
use bus_engine::{
    Command, ConsumerFrame, ConsumerSession, Credit, Engine, EngineParts, LeaseOutcome, Settings,
    SystemClock, SystemIds, Verb,
};
use bus_store_postgres::PostgresLimits;
use harness::Postgres;
use tokio_util::sync::CancellationToken;

use crate::fixture::open;

const PATIENCE: Duration = Duration::from_secs(30);

async fn start(url: &str) -> (EngineParts, CancellationToken) {
    let store = Arc::new(open(url, PostgresLimits::default()).await);
    let stop = CancellationToken::new();
    let (clock, ids) = (Arc::new(SystemClock), Arc::new(SystemIds));
    let parts = Engine::start(store, Settings::default(), clock, ids, stop.clone()).await;
    (parts.expect("an engine"), stop)
}

fn owner() -> Actor {
    Actor::new(BareJid::new("owner@example.org").expect("a JID"), Role::Creator)
}

async fn run(engine: &Engine, verb: Verb) {
    let node = NodeName::new("jobs").expect("a name");
    engine.execute(Command { actor: owner(), node, verb }).await.expect("it may");
}

fn item() -> Verb {
    let payload = Some(Payload::from_serialised("<a xmlns='urn:test'/>"));
    let items = vec![publish::NewItem { id: None, payload }];
    Verb::Publish(publish::Request { items, ..publish::Request::default() })
}

async fn open_consumer(engine: &Engine) -> Result<ConsumerSession, BusError> {
    let session = engine.open_consumer(&owner(), &ConsumerName::new("q").expect("a name"), "").await?;
    session.add_credit(Credit { messages: 100, bytes: 1_000_000 });
    Ok(session)
}

async fn next(session: &mut ConsumerSession) -> ConsumerFrame {
    tokio::time::timeout(PATIENCE, session.next()).await.expect("it comes").expect("no end")
}

#[tokio::test]
async fn one_instance_serves_a_consumer_with_what_any_of_them_commits_until_it_ends() {
    let url = Postgres::shared().await.create_database().await.expect("a database");
    let ((first, stop_first), (second, _stop)) = (start(&url).await, start(&url).await);
    run(&first.engine, Verb::Create(NodeConfig::default())).await;
    let wish = Wish {
        nodes: vec![NodePattern::new("jobs").expect("a pattern")],
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
    };
    let name = ConsumerName::new("q").expect("a name");
    first.engine.create_consumer(&owner(), name, &wish).await.expect("a consumer");
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
