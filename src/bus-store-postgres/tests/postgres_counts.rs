//! What a publish costs the database, in statements: as on the embedded store, and one to lock the heads.

use std::fmt::Debug;
use std::sync::{Arc, Mutex};

use bus_domain::{Actor, BareJid, ItemId, NodeConfig, NodeName, Payload, Role, publish};
use bus_engine::{Command, Engine, EngineLimits, Settings, SystemClock, SystemIds, Verb};
use bus_store_postgres::{PostgresLimits, PostgresStore, PostgresUrl};
use harness::Postgres;
use tokio_util::sync::CancellationToken;
use tracing::field::{Field, Visit};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};

/// Writes down the first words of every statement that the driver reports.
#[derive(Clone, Default)]
struct Statements(Arc<Mutex<Vec<String>>>);

impl Statements {
    fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock().expect("not poisoned"))
    }
}

impl<S: tracing::Subscriber> Layer<S> for Statements {
    fn on_event(&self, event: &tracing::Event<'_>, _context: Context<'_, S>) {
        if event.metadata().target() == "sqlx::query" {
            event.record(&mut Summary(self));
        }
    }
}

struct Summary<'a>(&'a Statements);

impl Visit for Summary<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.record_str(field, &format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "summary" {
            let words: Vec<&str> = value.split_whitespace().take(3).collect();
            self.0.0.lock().expect("not poisoned").push(words.join(" "));
        }
    }
}

/// One test, because the statements are those of the whole process.
#[tokio::test]
async fn a_warm_publish_is_one_transaction_without_a_read_beside_its_lock() {
    let statements = Statements::default();
    let subscriber = tracing_subscriber::registry().with(statements.clone());
    tracing::subscriber::set_global_default(subscriber).expect("the first subscriber");
    let url = Postgres::shared().await.create_database().await.expect("a database");
    let url = PostgresUrl::parse(&url).expect("a URL");
    let store = PostgresStore::open(url, PostgresLimits::default()).await.expect("a store");
    // The doorbell counts the instances now and then; not in the time of this test.
    let limits = EngineLimits { doorbell_poll_ms: 3_600_000, ..EngineLimits::default() };
    let settings = Settings { engine: limits, ..Settings::default() };
    let (clock, ids) = (Arc::new(SystemClock), Arc::new(SystemIds));
    let parts = Engine::start(Arc::new(store), settings, clock, ids, CancellationToken::new()).await;
    let engine = parts.expect("an engine").engine;
    let counted = async || (engine.statistics().snapshot().doorbell_looks >= 2).then_some(());
    harness::wait_until("the doorbell", std::time::Duration::from_secs(30), counted)
        .await
        .expect("it listens");
    run(&engine, Verb::Create(NodeConfig { items_max: 3, ..NodeConfig::default() })).await;
    run(&engine, publish(None)).await;

    statements.take();
    run(&engine, publish(None)).await;
    let plain = ["BEGIN", "WITH locked AS", "UPDATE heads h", "INSERT INTO events", "INSERT INTO items"];
    let end = ["WITH added AS", "COMMIT"];
    assert_eq!(statements.take(), [&plain[..], &end].concat(), "a generated id on a node that is not full");

    run(&engine, publish(Some("a"))).await;
    statements.take();
    run(&engine, publish(Some("a"))).await;
    let overwrite = ["WITH removed AS", "INSERT INTO items", "UPDATE heads h"];
    assert_eq!(statements.take(), [&plain[..4], &overwrite, &end].concat(), "an id that exists");

    run(&engine, publish(None)).await;
    statements.take();
    run(&engine, publish(None)).await;
    let trim = ["WITH removed AS", "UPDATE heads h"];
    assert_eq!(statements.take(), [&plain[..], &trim, &end].concat(), "a node that is full");
}

async fn run(engine: &Engine, verb: Verb) {
    let actor = Actor::new(BareJid::new("owner@example.org").expect("a JID"), Role::Creator);
    let node = NodeName::new("n").expect("a name");
    engine.execute(Command { actor, node, verb }).await.expect("carried out");
}

fn publish(id: Option<&str>) -> Verb {
    let id = id.map(|id| ItemId::new(id).expect("an item id"));
    let payload = Some(Payload::from_serialised("<a xmlns='urn:test'/>"));
    Verb::Publish(publish::Request {
        items: vec![publish::NewItem { id, payload }],
        ..publish::Request::default()
    })
}
