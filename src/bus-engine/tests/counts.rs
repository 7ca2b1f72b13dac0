//! What a publish costs the database, in statements and rows.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::{Arc, Mutex};

use bus_domain::idempotency::IdempotencyKey;
use bus_domain::{
    Actor, BareJid, Durability, ItemId, Jid, NodeConfig, NodeName, NodeType, Payload, Role, WhenItemsFull,
    publish,
};
use bus_engine::{Command, Engine, Settings, SystemClock, SystemIds, Verb, once};
use bus_store_sqlite::SqliteStore;
use sqlx::Connection as _;
use tokio_util::sync::CancellationToken;
use tracing::field::{Field, Visit};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};

/// Writes down the first two words of every statement that the driver reports.
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

async fn run(engine: &Engine, user: &str, verb: Verb) {
    run_on("n", engine, user, verb).await;
}

async fn run_on(node: &str, engine: &Engine, user: &str, verb: Verb) {
    let node = NodeName::new(node).expect("a name");
    let actor = Actor::new(BareJid::new(&format!("{user}@example.org")).expect("a JID"), Role::Creator);
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

/// One test, because the statements are those of the whole process.
#[tokio::test]
async fn a_warm_publish_is_one_transaction_without_a_read_and_one_row_whatever_the_subscribers() {
    let statements = Statements::default();
    let subscriber = tracing_subscriber::registry().with(statements.clone());
    tracing::subscriber::set_global_default(subscriber).expect("the first subscriber");
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("bus.db");
    let store = Arc::new(SqliteStore::open(&path).await.expect("a store"));
    let shutdown = CancellationToken::new();
    let (clock, ids) = (Arc::new(SystemClock), Arc::new(SystemIds));
    let parts = Engine::start(store, Settings::default(), clock, ids, shutdown).await.expect("an engine");
    let engine = parts.engine;
    run(&engine, "owner", Verb::Create(NodeConfig { items_max: 3, ..NodeConfig::default() })).await;
    run(&engine, "owner", publish(None)).await;

    statements.take();
    let before = engine.statistics().snapshot();
    run(&engine, "owner", publish(None)).await;
    let after = engine.statistics().snapshot();
    assert_eq!((after.syncs - before.syncs, after.commit_us.count() - before.commit_us.count()), (1, 1));
    assert_eq!(after.batch_events.sum - before.batch_events.sum, 1);
    let plain = ["BEGIN IMMEDIATE", "UPDATE heads SET", "INSERT INTO events", "INSERT INTO items"];
    let end = ["INSERT INTO batches", "COMMIT"];
    assert_eq!(statements.take(), [&plain[..], &end].concat(), "a generated id on a node that is not full");

    run(&engine, "owner", publish(Some("a"))).await;
    statements.take();
    run(&engine, "owner", publish(Some("a"))).await;
    let head = ["BEGIN IMMEDIATE", "UPDATE heads SET", "INSERT INTO events"];
    let overwrite = ["DELETE FROM items", "INSERT INTO items", "UPDATE heads SET"];
    assert_eq!(statements.take(), [&head[..], &overwrite, &end].concat(), "an id that exists");

    run(&engine, "owner", publish(None)).await;
    statements.take();
    run(&engine, "owner", publish(None)).await;
    let trim = ["DELETE FROM items", "UPDATE heads SET"];
    assert_eq!(statements.take(), [&plain[..], &trim, &end].concat(), "a node that is full");

    let looks = [
        "BEGIN IMMEDIATE",
        "SELECT e.item_id, e.kind,",
        "SELECT item_count FROM",
        "SELECT i.item_id, e.seq,",
    ];
    let told = [&looks[..], &head[1..], &overwrite, &end].concat();
    assert_eq!(of_telling(&engine, &statements).await, told, "a full node that tells what it pushes out");

    asking_for_conditions_costs_a_statement_each(&engine, &statements).await;

    let memory = NodeConfig { durability: Durability::Memory, ..NodeConfig::default() };
    run_on("memory", &engine, "owner", Verb::Create(memory)).await;
    run_on(
        "memory",
        &engine,
        "user",
        Verb::Subscribe(Jid::from(BareJid::new("user@example.org").expect("a JID")).into()),
    )
    .await;
    statements.take();
    for id in [None, Some("a"), Some("a")] {
        run_on("memory", &engine, "owner", publish(id)).await;
    }
    assert_eq!(statements.take(), [""; 0], "a node in memory");

    a_collection_costs_its_children_nothing(&engine, &statements, &[&plain[..], &end].concat()).await;

    let mut connection =
        sqlx::SqliteConnection::connect(path.to_str().expect("UTF-8")).await.expect("a connection");
    let without = rows_added(&mut connection, &engine).await;
    for subscriber in 0..1_000 {
        let user = format!("user{subscriber}");
        let jid = BareJid::new(&format!("{user}@example.org")).expect("a JID");
        run(&engine, &user, Verb::Subscribe(Jid::from(jid).into())).await;
    }
    let with_a_thousand = rows_added(&mut connection, &engine).await;
    assert_eq!(without, with_a_thousand);
    assert_eq!(without["events"], 10, "one row per event");
    assert!(without.iter().all(|(table, rows)| *table == "events" || *rows == 0), "{without:?}");
}

/// The statements of a publish that pushes an item out, on a node whose subscribers are told.
async fn of_telling(engine: &Engine, statements: &Statements) -> Vec<String> {
    let config =
        NodeConfig { items_max: 1, when_items_full: WhenItemsFull::RetractOldest, ..NodeConfig::default() };
    run_on("telling", engine, "owner", Verb::Create(config)).await;
    run_on("telling", engine, "owner", publish(None)).await;
    statements.take();
    run_on("telling", engine, "owner", publish(None)).await;
    statements.take()
}

/// Whatever the number of publishes in the batch.
async fn asking_for_conditions_costs_a_statement_each(engine: &Engine, statements: &Statements) {
    let conditional = |key: Option<usize>, expected_seq: Option<u64>| {
        let Verb::Publish(mut request) = publish(None) else { unreachable!() };
        request.expected_head = expected_seq.map(|seq| publish::ExpectedHead { seq, epoch: None });
        let key = key.map(|key| IdempotencyKey::new(&key.to_string()).expect("a key"));
        request.once = key.map(|key| once(key, &request));
        let actor = Actor::new(BareJid::new("owner@example.org").expect("a JID"), Role::Creator);
        Command { actor, node: NodeName::new("conditional").expect("a name"), verb: Verb::Publish(request) }
    };
    run_on("conditional", engine, "owner", Verb::Create(NodeConfig::default())).await;
    run_on("conditional", engine, "owner", publish(None)).await;
    statements.take();
    let answers = (0..100).map(|key| engine.submit(conditional(Some(key), None))).collect::<Vec<_>>();
    futures::future::join_all(answers).await;
    let writes = ["UPDATE heads SET", "INSERT INTO events", "INSERT INTO items"];
    let end = ["INSERT INTO batches", "COMMIT"];
    let begin = ["BEGIN IMMEDIATE", "SELECT k.node_id, k.principal,"];
    let keep = ["INSERT OR REPLACE"];
    assert_eq!(statements.take(), [&begin[..], &writes, &keep, &end].concat(), "a hundred request ids");

    engine.execute(conditional(Some(7), None)).await.expect("carried out");
    assert_eq!(statements.take(), [&begin[..], &writes[..1], &end].concat(), "a repeat");

    engine.execute(conditional(None, Some(101))).await.expect("carried out");
    let begin = ["BEGIN IMMEDIATE", "SELECT node_id, seq"];
    assert_eq!(statements.take(), [&begin[..], &writes, &end].concat(), "an expectation");
}

/// What a collection takes comes behind the publish, in a transaction of its own: it reads where its feed is, and no log.
async fn a_collection_costs_its_children_nothing(
    engine: &Engine,
    statements: &Statements,
    publish_costs: &[&str],
) {
    let above = NodeConfig { node_type: NodeType::Collection, ..NodeConfig::default() };
    run_on("above", engine, "owner", Verb::Create(above)).await;
    run_on("below", engine, "owner", Verb::Create(NodeConfig::default())).await;
    let until_fed = async |moved: u64| {
        while engine.statistics().snapshot().feeds_moved < moved {
            tokio::task::yield_now().await;
        }
    };
    let below = NodeName::new("below").expect("a name");
    run_on("above", engine, "owner", Verb::Associate(below)).await;
    until_fed(1).await;
    run_on("below", engine, "owner", publish(None)).await;
    until_fed(2).await;
    statements.take();
    run_on("below", engine, "owner", publish(None)).await;
    until_fed(3).await;
    let feed = ["SELECT a.collection_id, c.name", "BEGIN IMMEDIATE", "SELECT rules_version FROM"];
    let append = ["UPDATE associations SET", "UPDATE heads SET", "INSERT INTO events"];
    assert_eq!(
        statements.take(),
        [publish_costs, &feed, &append, &["INSERT INTO batches", "COMMIT"]].concat(),
        "a child of a collection"
    );
}

/// Rows that ten publishes add, by table.
async fn rows_added(connection: &mut sqlx::SqliteConnection, engine: &Engine) -> BTreeMap<String, i64> {
    let before = rows(connection).await;
    for _ in 0..10 {
        run(engine, "owner", publish(None)).await;
    }
    let after = rows(connection).await;
    // The ids of batches are bounded by themselves.
    let after = after.into_iter().filter(|(table, _)| table != "batches");
    after.map(|(table, rows)| (table.clone(), rows - before[&table])).collect()
}

async fn rows(connection: &mut sqlx::SqliteConnection) -> BTreeMap<String, i64> {
    let tables: Vec<String> = sqlx::query_scalar(
        "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%' AND name NOT LIKE '_sqlx%'",
    )
    .fetch_all(&mut *connection)
    .await
    .expect("tables");
    let mut rows = BTreeMap::new();
    for table in tables {
        let sql = sqlx::AssertSqlSafe(format!("SELECT count(*) FROM {table}"));
        let count: i64 = sqlx::query_scalar(sql).fetch_one(&mut *connection).await.expect("a count");
        rows.insert(table, count);
    }
    rows
}
