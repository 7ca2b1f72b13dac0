//! The store contract on SQLite, and what is SQLite's own.

use bus_store::{Store as _, StoreError};
use bus_store_sqlite::SqliteStore;
use sqlx::Connection as _;
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
    let mut connection =
        sqlx::SqliteConnection::connect(path.to_str().expect("UTF-8")).await.expect("a connection");
    sqlx::query("UPDATE _sqlx_migrations SET version = 99")
        .execute(&mut connection)
        .await
        .expect("an update");
    connection.close().await.expect("closed");
    let refused = SqliteStore::open(&path).await;
    assert!(matches!(refused, Err(StoreError::NewerSchema { found: 99, known: 1 })), "{refused:?}");
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
