use bus_store::{CommitLevel, StoreError};
use futures::FutureExt as _;
use sqlx::sqlite::{SqliteConnection, SqliteQueryResult};

use crate::error::store_error;
use crate::size_bound::SizeBound;
use crate::statement::{Statement, query, statements};

statements! {
    BEGIN = "BEGIN IMMEDIATE";
    COMMIT = "COMMIT";
    ROLLBACK = "ROLLBACK";
    SYNC_EACH_COMMIT = "PRAGMA synchronous = FULL";
    SYNC_LATER = "PRAGMA synchronous = NORMAL";
}

/// The one connection that writes.
#[derive(Debug)]
pub(crate) struct Writer {
    connection: SqliteConnection,
    in_transaction: bool,
    /// What commits do at the moment; `None` while it is being changed, and before it was set.
    level: Option<CommitLevel>,
    size_bound: Option<SizeBound>,
}

impl Writer {
    pub(crate) fn new(connection: SqliteConnection, size_bound: Option<SizeBound>) -> Self {
        Self { connection, in_transaction: false, level: None, size_bound }
    }

    /// Takes the write lock of the file. A transaction that was dropped is rolled back first.
    pub(crate) async fn begin(&mut self, level: CommitLevel) -> Result<(), StoreError> {
        if self.in_transaction {
            self.rollback().await?;
        }
        self.set_level(level).await?;
        // Before the statement: it is carried out even if the caller stops waiting for it.
        self.in_transaction = true;
        self.execute(BEGIN).await?;
        self.bound(false).await
    }

    /// What comes next in the transaction is a publish, and so must not fill the file to its last page.
    pub(crate) async fn begin_publish(&mut self) -> Result<(), StoreError> {
        self.bound(true).await
    }

    async fn bound(&mut self, is_publish: bool) -> Result<(), StoreError> {
        match self.size_bound {
            Some(bound) => bound.apply(is_publish, &mut self.connection).await,
            None => Ok(()),
        }
    }

    /// Outside of a transaction, where SQLite takes note of it. With `NORMAL` the write-ahead log is synced only when it
    /// is folded back; a sync of a later commit covers all of it (<https://sqlite.org/pragma.html#pragma_synchronous>).
    async fn set_level(&mut self, level: CommitLevel) -> Result<(), StoreError> {
        if self.level == Some(level) {
            return Ok(());
        }
        self.level = None;
        self.execute(match level {
            CommitLevel::Fsync => SYNC_EACH_COMMIT,
            CommitLevel::Relaxed => SYNC_LATER,
        })
        .await?;
        self.level = Some(level);
        Ok(())
    }

    /// Returns when what the level promises holds. A commit that SQLite refuses has not happened.
    pub(crate) async fn commit(&mut self) -> Result<(), StoreError> {
        match self.execute(COMMIT).await {
            Ok(_) => {
                self.in_transaction = false;
                Ok(())
            }
            Err(error) => {
                self.rollback().await?;
                Err(error)
            }
        }
    }

    /// Rolls back a transaction that was dropped, or else it would keep the write-ahead log from being folded back
    /// until the next one comes.
    ///
    /// Dropping cannot wait, so the statement is handed to the connection's thread and nobody looks at the answer; the
    /// next [`Self::begin`] rolls back once more.
    pub(crate) fn abandon(&mut self) {
        if self.in_transaction {
            let _unanswered = self.execute(ROLLBACK).now_or_never();
        }
    }

    /// The connection, inside a transaction.
    pub(crate) fn connection(&mut self) -> &mut SqliteConnection {
        &mut self.connection
    }

    /// Some errors have rolled back already; a second time is refused and does no harm.
    async fn rollback(&mut self) -> Result<(), StoreError> {
        match self.execute(ROLLBACK).await {
            Ok(_) | Err(StoreError::Refused { .. }) => {
                self.in_transaction = false;
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    async fn execute(&mut self, statement: Statement) -> Result<SqliteQueryResult, StoreError> {
        query(statement).execute(&mut self.connection).await.map_err(store_error)
    }
}
