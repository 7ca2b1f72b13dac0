//! The store contract on SQLite, and what is SQLite's own.

mod agreement;
mod statements;

use std::path::Path;

use bus_domain::{Actor, Epoch, Jid, NodeConfig, NodeName, Role};
use bus_store::{
    CommitLevel, CursorStore as _, HeadAdvance, Leg, NodeRow, RetentionStore as _, Store as _, StoreError,
};
use bus_store_sqlite::SqliteStore;
use futures::FutureExt as _;
use sqlx::{Connection as _, SqliteConnection};
use store_contract::{OpenProfiledStore, OpenPushStore, OpenStore};

store_contract::suite!(open);
store_contract::collections_suite!(open);
store_contract::consumers_suite!(open);
store_contract::push_suite!(open_for_push);
store_contract::profiles_suite!(open_for_profiles);

async fn open() -> OpenStore {
    let folder = tempfile::tempdir().expect("a folder");
    let store = SqliteStore::open(&folder.path().join("bus.db")).await.expect("a store");
    OpenStore { store: Box::new(store), guard: Box::new(folder) }
}

async fn open_for_push() -> OpenPushStore {
    let folder = tempfile::tempdir().expect("a folder");
    let store = SqliteStore::open(&folder.path().join("bus.db")).await.expect("a store");
    OpenPushStore { store: Box::new(store), guard: Box::new(folder) }
}

async fn open_for_profiles() -> OpenProfiledStore {
    let folder = tempfile::tempdir().expect("a folder");
    let store = SqliteStore::open(&folder.path().join("bus.db")).await.expect("a store");
    OpenProfiledStore { store: Box::new(store), guard: Box::new(folder) }
}

#[tokio::test]
async fn a_second_process_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("bus.db");
    let first = SqliteStore::open(&path).await.expect("a store");
    assert!(matches!(SqliteStore::open(&path).await, Err(StoreError::InUse { .. })));
    drop(first);
    SqliteStore::open(&path).await.expect("the lock goes with its holder");
}

#[tokio::test]
async fn a_newer_schema_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("bus.db");
    drop(SqliteStore::open(&path).await.expect("a store"));
    let mut connection = connect(&path).await;
    sqlx::query("UPDATE _sqlx_migrations SET version = 99 WHERE version = 4")
        .execute(&mut connection)
        .await
        .expect("an update");
    connection.close().await.expect("closed");
    let refused = SqliteStore::open(&path).await;
    assert!(matches!(refused, Err(StoreError::NewerSchema { found: 99, known: 22 })), "{refused:?}");
}

#[tokio::test]
async fn the_key_of_ids_stays_with_the_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("bus.db");
    let first = SqliteStore::open(&path).await.expect("a store").id_key().await.expect("a key");
    let again = SqliteStore::open(&path).await.expect("a store").id_key().await.expect("a key");
    assert_eq!(first, again);
    let other = SqliteStore::open(&folder.path().join("other.db")).await.expect("a store");
    assert_ne!(other.id_key().await.expect("a key"), first);
}

#[tokio::test]
async fn a_start_that_is_given_up_does_not_stay_in_the_way() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = SqliteStore::open(&folder.path().join("bus.db")).await.expect("a store");
    for _ in 0..10 {
        drop(store.begin(CommitLevel::Fsync).now_or_never()); // polled once: BEGIN is on its way
        store.begin(CommitLevel::Fsync).await.expect("a transaction").commit().await.expect("a commit");
    }
}

#[tokio::test]
async fn a_dropped_transaction_lets_go_of_the_file_before_the_next_one_comes() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("bus.db");
    let store = SqliteStore::open(&path).await.expect("a store");
    drop(store.begin(CommitLevel::Fsync).await.expect("a transaction"));
    drop(store.begin(CommitLevel::Fsync).now_or_never());
    // Waits for the file's write lock for five seconds at most.
    sqlx::query("BEGIN IMMEDIATE").execute(&mut connect(&path).await).await.expect("a free file");
}

#[tokio::test]
async fn a_node_that_cannot_be_read_does_not_keep_others_from_delivery() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("bus.db");
    let store = SqliteStore::open(&path).await.expect("a store");
    for name in ["a", "b", "c", "d"] {
        make_undelivered_node(&store, name).await;
    }
    let damage = "UPDATE nodes SET config = '{', name = CASE name WHEN 'b' THEN name ELSE '' END \
                  WHERE name IN ('b', 'd')";
    sqlx::query(damage).execute(&mut connect(&path).await).await.expect("an update");
    let mut pages = Vec::new();
    let mut after = None;
    loop {
        let page = store.undelivered(Leg::Xmpp, after, 1).await.expect("a page");
        pages.push(page.nodes.iter().map(|node| node.name.as_str().to_owned()).collect::<Vec<_>>());
        after = page.next_after;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(pages, [vec!["a"], vec![], vec!["c"], vec![], vec![]]);
}

#[tokio::test]
async fn a_log_from_before_retention_is_weighed_when_the_store_is_opened() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("bus.db");
    make_undelivered_node(&SqliteStore::open(&path).await.expect("a store"), "n").await;
    let mut connection = connect(&path).await;
    for back_to_the_first_schema in [
        "DROP TRIGGER items_unpinned",
        "DROP TABLE retracted_payloads",
        "ALTER TABLE heads DROP COLUMN log_bytes",
        "DELETE FROM _sqlx_migrations WHERE version = 2",
        "INSERT INTO events SELECT node_id, 1, 1, 'a', 'a@example.org', '<é/>', 7, 1, 0, NULL FROM heads",
    ] {
        sqlx::query(back_to_the_first_schema).execute(&mut connection).await.expect("a change");
    }
    connection.close().await.expect("closed");
    let store = SqliteStore::open(&path).await.expect("a store");
    let node = store.retained(None, 1).await.expect("a page").nodes.remove(0);
    assert_eq!(node.log.log_bytes, "<é/>".len() as u64);
    assert_eq!(node.oldest_event.expect("an event").published_at_ms, 7);
}

#[tokio::test]
async fn a_subscription_that_lags_counts_as_the_slowest_reader() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("bus.db");
    let store = SqliteStore::open(&path).await.expect("a store");
    make_undelivered_node(&store, "n").await;
    let delivered =
        async || store.retained(None, 1).await.expect("a page").nodes[0].log.handed_over_through(u64::MAX);
    assert_eq!(delivered().await, 0, "no cursor yet");
    let mut connection = connect(&path).await;
    let cursor = "INSERT INTO cursors SELECT node_id, 'xmpp', 1, 0 FROM heads";
    sqlx::query(cursor).execute(&mut connection).await.expect("an insert");
    assert_eq!(delivered().await, 1);
    let lagging = "INSERT INTO lagging SELECT node_id, 1, 'xmpp', 0, 1, 0 FROM heads";
    sqlx::query(lagging).execute(&mut connection).await.expect("an insert");
    assert_eq!(delivered().await, 0);
}

async fn make_undelivered_node(store: &SqliteStore, name: &str) {
    let jid = Jid::new("owner@example.org").expect("a JID");
    let row = NodeRow {
        name: NodeName::new(name).expect("a name"),
        epoch: Epoch(1),
        owner: Actor::new(jid, Role::User).bare().clone(),
        config: NodeConfig::default(),
        created_at_ms: 0,
    };
    let mut transaction = store.begin(CommitLevel::Fsync).await.expect("a transaction");
    let node = transaction.insert_node(&row).await.expect("an insert").expect("a free name");
    let advance = HeadAdvance {
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
    };
    transaction.advance_heads(&[advance]).await.expect("an advance");
    transaction.commit().await.expect("a commit");
}

async fn connect(path: &Path) -> SqliteConnection {
    SqliteConnection::connect(path.to_str().expect("UTF-8")).await.expect("a connection")
}
