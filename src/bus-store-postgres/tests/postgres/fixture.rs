use bus_domain::{Actor, BareJid, Epoch, Jid, NodeConfig, NodeId, NodeName, Role};
use bus_store::{BatchId, CommitLevel, HeadAdvance, LockMode, NodeRow, Store, StoreError};
use bus_store_postgres::{PostgresLimits, PostgresStore, PostgresUrl};
use harness::Postgres;
use store_contract::{OpenProfiledStore, OpenPushStore, OpenStore};

/// Short enough for a test to wait for, and longer than a server on a busy machine takes.
pub(crate) const IMPATIENT: PostgresLimits = PostgresLimits {
    connections_max: 4,
    connect_timeout_ms: 4_000,
    call_timeout_ms: 4_000,
    lock_timeout_ms: 200,
};

pub(crate) async fn open_shared() -> OpenStore {
    let url = Postgres::shared().await.create_database().await.expect("a database");
    OpenStore { store: Box::new(open(&url, PostgresLimits::default()).await), guard: Box::new(()) }
}

pub(crate) async fn open_for_push() -> OpenPushStore {
    let url = Postgres::shared().await.create_database().await.expect("a database");
    OpenPushStore { store: Box::new(open(&url, PostgresLimits::default()).await), guard: Box::new(()) }
}

pub(crate) async fn open_for_profiles() -> OpenProfiledStore {
    let url = Postgres::shared().await.create_database().await.expect("a database");
    OpenProfiledStore { store: Box::new(open(&url, PostgresLimits::default()).await), guard: Box::new(()) }
}

pub(crate) async fn open(url: &str, limits: PostgresLimits) -> PostgresStore {
    try_open(url, limits).await.expect("a store")
}

pub(crate) async fn try_open(url: &str, limits: PostgresLimits) -> Result<PostgresStore, StoreError> {
    PostgresStore::open(PostgresUrl::parse(url).expect("a URL"), limits).await
}

pub(crate) async fn make_node(store: &PostgresStore, name: &str) -> NodeId {
    let mut transaction = store.begin(CommitLevel::Fsync).await.expect("a transaction");
    let node = transaction.insert_node(&row(name)).await.expect("an insert").expect("a free name");
    transaction.commit().await.expect("a commit");
    node
}

/// What a batch does that publishes nothing: the head moves, and the batch is recorded.
pub(crate) async fn commit(store: &PostgresStore, node: NodeId, batch: BatchId) -> Result<(), StoreError> {
    let mut transaction = store.begin(CommitLevel::Fsync).await?;
    transaction.lock_heads(&[node], LockMode::Wait).await?;
    transaction.advance_heads(&[advance(node)]).await?;
    transaction.record_batch(batch, 5).await?;
    transaction.commit().await
}

pub(crate) fn advance(node: NodeId) -> HeadAdvance {
    HeadAdvance {
        node,
        rules_version: 1,
        events: 1,
        last_due_event: 1,
        payload_bytes: 0,
        items: 0,
        purge: false,
        rules_change: false,
        recipients_change: false,
        new_subscriptions: 0,
        ended_subscriptions: 0,
    }
}

pub(crate) fn row(name: &str) -> NodeRow {
    NodeRow {
        name: NodeName::new(name).expect("a name"),
        epoch: Epoch(1),
        owner: bare("owner@example.org"),
        config: NodeConfig::default(),
        created_at_ms: 0,
    }
}

fn bare(text: &str) -> BareJid {
    Actor::new(Jid::new(text).expect("a JID"), Role::User).bare().clone()
}

/// The name of the database that a URL ends with.
pub(crate) fn database(url: &str) -> &str {
    url.rsplit('/').next().expect("a database")
}
