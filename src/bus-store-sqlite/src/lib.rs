//! The embedded store: one SQLite file in WAL mode, synced at each commit that is to be on disk, one writer, a few readers.
//!
//! One process holds the file; a lock beside it refuses a second one. Reads are short and paged, because a long one
//! would keep the write-ahead log from being folded back.

mod archive;
mod associations;
mod blank;
mod consumers;
mod creation;
mod cursors;
mod devices;
mod entities;
mod epochs;
mod error;
mod events;
mod idempotency;
mod inlets;
mod items;
mod lagging;
mod lock;
mod nodes;
mod open;
mod presence;
mod push_jobs;
mod push_profiles;
mod relations;
mod retention;
mod rows;
mod size_bound;
mod sources;
mod statement;
mod subscriptions;
mod transaction;
mod writer;

use std::sync::Arc;

use async_trait::async_trait;
use bus_store::{BatchId, CommitLevel, Store, StoreError, Transaction};
use sqlx::{Row as _, SqlitePool};

use crate::error::store_error;
use crate::lock::FileLock;
use crate::statement::{query, statements};
use crate::transaction::SqliteTransaction;
use crate::writer::Writer;

pub use crate::size_bound::RESERVE_BYTES;

statements! {
    FIND_BATCH = "SELECT EXISTS (SELECT 1 FROM batches WHERE batch_id = ?1)";
    ID_KEY = "SELECT id_key FROM store";
    PING = "SELECT 1 FROM store";
}

/// A store in one SQLite file.
#[derive(Debug)]
pub struct SqliteStore {
    writer: Arc<tokio::sync::Mutex<Writer>>,
    readers: SqlitePool,
    _lock: FileLock,
}

/// The text of every statement that the store sends after it is open, for a test that prepares them all.
pub fn statement_texts() -> Vec<&'static str> {
    [
        STATEMENTS,
        archive::STATEMENTS,
        associations::STATEMENTS,
        consumers::STATEMENTS,
        sources::STATEMENTS,
        creation::STATEMENTS,
        cursors::STATEMENTS,
        devices::STATEMENTS,
        entities::STATEMENTS,
        epochs::STATEMENTS,
        events::STATEMENTS,
        idempotency::STATEMENTS,
        inlets::STATEMENTS,
        items::STATEMENTS,
        lagging::STATEMENTS,
        nodes::STATEMENTS,
        presence::STATEMENTS,
        push_jobs::STATEMENTS,
        push_profiles::STATEMENTS,
        relations::STATEMENTS,
        retention::STATEMENTS,
        subscriptions::STATEMENTS,
        transaction::STATEMENTS,
        writer::STATEMENTS,
    ]
    .concat()
    .into_iter()
    .chain(transaction::statement_texts())
    .collect()
}

impl SqliteStore {
    async fn begin_write(&self, level: CommitLevel) -> Result<SqliteTransaction, StoreError> {
        SqliteTransaction::begin(Arc::clone(&self.writer), level).await
    }
}

#[async_trait]
impl Store for SqliteStore {
    async fn begin(&self, level: CommitLevel) -> Result<Box<dyn Transaction>, StoreError> {
        Ok(Box::new(self.begin_write(level).await?))
    }

    async fn find_batch(&self, id: BatchId) -> Result<bool, StoreError> {
        let row = query(FIND_BATCH).bind(&id.0[..]).fetch_one(&self.readers).await.map_err(store_error)?;
        row.try_get::<bool, _>(0).map_err(store_error)
    }

    async fn id_key(&self) -> Result<[u8; 16], StoreError> {
        let row = query(ID_KEY).fetch_one(&self.readers).await.map_err(store_error)?;
        let key: Vec<u8> = row.try_get(0).map_err(store_error)?;
        key.try_into().map_err(|_| StoreError::Inconsistent {
            table: "store",
            message: "id_key is not 16 bytes long".to_owned(),
        })
    }

    async fn ping(&self) -> Result<(), StoreError> {
        query(PING).fetch_one(&self.readers).await.map_err(store_error)?;
        Ok(())
    }
}
