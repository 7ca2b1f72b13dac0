//! The store contract on SQLite, and what is SQLite's own.

use std::path::Path;

use bus_domain::{Actor, Epoch, Jid, NodeConfig, NodeName, Role};
use bus_store::{CursorStore as _, HeadAdvance, Leg, NodeRow, Store as _, StoreError};
use bus_store_sqlite::SqliteStore;
use futures::FutureExt as _;
use sqlx::{Connection as _, SqliteConnection};
use store_contract::OpenStore;

store_contract::suite!(open);

async fn open() -> OpenStore {
    let folder = tempfile::tempdir().expect("a folder");
    let store = SqliteStore::open(&folder.path().join("bus.db")).await.expect("a store");
    OpenStore { store: Box::new(store), guard: Box::new(folder) }
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
    sqlx::query("UPDATE _sqlx_migrations SET version = 99 WHERE version = 3")
        .execute(&mut connection)
        .await
        .expect("an update");
    connection.close().await.expect("closed");
    let refused = SqliteStore::open(&path).await;
    assert!(matches!(refused, Err(StoreError::NewerSchema { found: 99, known: 3 })), "{refused:?}");
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
        drop(store.begin().now_or_never()); // polled once: BEGIN is on its way
        store.begin().await.expect("a transaction").commit().await.expect("a commit");
    }
}

#[tokio::test]
async fn a_dropped_transaction_lets_go_of_the_file_before_the_next_one_comes() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("bus.db");
    let store = SqliteStore::open(&path).await.expect("a store");
    drop(store.begin().await.expect("a transaction"));
    drop(store.begin().now_or_never());
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

async fn make_undelivered_node(store: &SqliteStore, name: &str) {
    let jid = Jid::new("owner@example.org").expect("a JID");
    let row = NodeRow {
        name: NodeName::new(name).expect("a name"),
        epoch: Epoch(1),
        owner: Actor::new(jid, Role::User).bare().clone(),
        config: NodeConfig::default(),
        created_at_ms: 0,
    };
    let mut transaction = store.begin().await.expect("a transaction");
    let node = transaction.insert_node(&row).await.expect("an insert").expect("a free name");
    let advance = HeadAdvance {
        node,
        rules_version: 1,
        events: 1,
        last_due_event: 1,
        items: 0,
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
