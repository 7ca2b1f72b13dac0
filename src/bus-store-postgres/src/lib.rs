//! The store on PostgreSQL, which several instances may share.
//!
//! Writers lock the heads of their nodes, in the order of the ids, under READ COMMITTED. A read that must be of one
//! moment is one statement, or one REPEATABLE READ transaction. Every call ends within a bound, whatever the server
//! does, and says [`StoreError::Unavailable`] if it did not answer; connections come back by themselves.

mod archive;
mod associations;
mod consumers;
mod creation;
mod cursors;
mod devices;
mod doorbell;
mod entities;
mod epochs;
mod error;
mod events;
mod idempotency;
mod inlets;
mod inspect;
mod items;
mod lagging;
mod migrate;
mod nodes;
mod open;
mod pool;
mod presence;
mod push_jobs;
mod push_profiles;
mod relations;
mod retention;
mod rows;
mod session;
mod sources;
mod statement;
mod subscriptions;
mod transaction;

use std::sync::Arc;

use async_trait::async_trait;
use bus_store::{BatchId, CommitLevel, Doorbell, Store, StoreError, Transaction};

pub use inspect::{Inspection, inspect};
pub use open::{PostgresLimits, PostgresUrl};

use crate::doorbell::PostgresDoorbell;
use crate::pool::Pool;
use crate::statement::{query, statements};
use crate::transaction::PostgresTransaction;

statements! {
    // Waits for a transaction that has recorded the batch and is still under way, so the answer is final: with its
    // connection lost, it may yet commit.
    CLAIM_BATCH = "INSERT INTO batches (batch_id, committed_at_ms) VALUES ($1, 0)
         ON CONFLICT (batch_id) DO NOTHING RETURNING batch_number";
    ID_KEY = "SELECT id_key FROM store";
    PING = "SELECT 1 FROM store";
}

/// A store in a PostgreSQL database.
#[derive(Debug)]
pub struct PostgresStore {
    pool: Arc<Pool>,
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
        doorbell::STATEMENTS,
        entities::STATEMENTS,
        epochs::STATEMENTS,
        idempotency::STATEMENTS,
        inlets::STATEMENTS,
        inspect::STATEMENTS,
        events::STATEMENTS,
        items::STATEMENTS,
        lagging::STATEMENTS,
        nodes::STATEMENTS,
        pool::STATEMENTS,
        presence::STATEMENTS,
        push_jobs::STATEMENTS,
        push_profiles::STATEMENTS,
        relations::STATEMENTS,
        retention::STATEMENTS,
        subscriptions::STATEMENTS,
        transaction::STATEMENTS,
    ]
    .concat()
    .into_iter()
    .chain(transaction::statement_texts())
    .collect()
}

impl PostgresStore {
    async fn begin_write(&self, level: CommitLevel) -> Result<PostgresTransaction, StoreError> {
        PostgresTransaction::begin(&self.pool, level).await
    }
}

#[async_trait]
impl Store for PostgresStore {
    async fn begin(&self, level: CommitLevel) -> Result<Box<dyn Transaction>, StoreError> {
        Ok(Box::new(self.begin_write(level).await?))
    }

    async fn find_batch(&self, id: BatchId) -> Result<bool, StoreError> {
        let mut transaction = self.begin_write(CommitLevel::Fsync).await?;
        let claimed = transaction.fetch_optional(query(CLAIM_BATCH).bind(&id.0[..])).await?;
        transaction.rollback().await?;
        Ok(claimed.is_none())
    }

    async fn id_key(&self) -> Result<[u8; 16], StoreError> {
        let row = self.pool.session().await?.fetch_one(query(ID_KEY)).await?;
        rows::bytes(&row, "id_key")?.try_into().map_err(|_| StoreError::Inconsistent {
            table: "store",
            message: "id_key is not 16 bytes long".to_owned(),
        })
    }

    fn is_shared(&self) -> bool {
        true
    }

    async fn doorbell(&self) -> Result<Option<Box<dyn Doorbell>>, StoreError> {
        Ok(Some(Box::new(PostgresDoorbell::open(&self.pool).await?)))
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.pool.session().await?.fetch_one(query(PING)).await.map(drop)
    }
}
