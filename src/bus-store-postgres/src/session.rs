use std::sync::Arc;

use bus_store::StoreError;
use sqlx::postgres::{PgConnection, PgRow};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::error::Elapsed;
use tokio::time::timeout;

use crate::error::{ends_session, no_answer, store_error};
use crate::pool::Pool;
use crate::statement::PgQuery;

/// A connection on loan from the pool. It goes back only from between two statements and outside a transaction;
/// otherwise it is closed, and the server rolls back what was open.
#[derive(Debug)]
pub(crate) struct Session {
    /// `None` only on the way out.
    connection: Option<PgConnection>,
    /// A statement is under way, or was when its caller gave up, or ended the session.
    in_call: bool,
    in_transaction: bool,
    pool: Arc<Pool>,
    permit: Option<OwnedSemaphorePermit>,
}

impl Session {
    pub(crate) fn new(connection: PgConnection, pool: Arc<Pool>, permit: OwnedSemaphorePermit) -> Self {
        Self {
            connection: Some(connection),
            in_call: false,
            in_transaction: false,
            pool,
            permit: Some(permit),
        }
    }

    /// Says whether a transaction is open.
    pub(crate) fn set_in_transaction(&mut self, in_transaction: bool) {
        self.in_transaction = in_transaction;
    }

    /// Closes the connection and gives its place in the pool to another.
    pub(crate) fn into_permit(mut self) -> OwnedSemaphorePermit {
        self.connection = None;
        self.permit.take().expect("held until here")
    }

    /// Runs a statement and says how many rows it has changed.
    pub(crate) async fn execute(&mut self, query: PgQuery<'_>) -> Result<u64, StoreError> {
        self.try_execute(query).await.map_err(store_error)
    }

    /// As [`Self::execute`], with the driver's error.
    pub(crate) async fn try_execute(&mut self, query: PgQuery<'_>) -> Result<u64, sqlx::Error> {
        let bound = self.pool.call_timeout();
        let answer = timeout(bound, query.execute(self.start_call())).await;
        Ok(self.end_call(answer)?.rows_affected())
    }

    /// Runs a statement and returns its rows; the statement bounds their number and bytes.
    pub(crate) async fn fetch_all(&mut self, query: PgQuery<'_>) -> Result<Vec<PgRow>, StoreError> {
        self.try_fetch_all(query).await.map_err(store_error)
    }

    /// As [`Self::fetch_all`], with the driver's error.
    pub(crate) async fn try_fetch_all(&mut self, query: PgQuery<'_>) -> Result<Vec<PgRow>, sqlx::Error> {
        let bound = self.pool.call_timeout();
        let answer = timeout(bound, query.fetch_all(self.start_call())).await;
        self.end_call(answer)
    }

    /// Runs a statement and returns its first row.
    pub(crate) async fn fetch_optional(&mut self, query: PgQuery<'_>) -> Result<Option<PgRow>, StoreError> {
        Ok(self.fetch_all(query).await?.into_iter().next())
    }

    /// Runs a statement that always has a row.
    pub(crate) async fn fetch_one(&mut self, query: PgQuery<'_>) -> Result<PgRow, StoreError> {
        self.fetch_optional(query).await?.ok_or_else(|| store_error(sqlx::Error::RowNotFound))
    }

    fn start_call(&mut self) -> &mut PgConnection {
        self.in_call = true;
        self.connection.as_mut().expect("there until the session is dropped")
    }

    fn end_call<T>(&mut self, answer: Result<Result<T, sqlx::Error>, Elapsed>) -> Result<T, sqlx::Error> {
        let answer = answer.unwrap_or_else(|_| Err(no_answer(self.pool.call_timeout())));
        self.in_call = answer.as_ref().is_err_and(ends_session);
        if self.in_call {
            self.pool.forget_idle();
        }
        answer
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take()
            && !self.in_call
            && !self.in_transaction
        {
            self.pool.put_back(connection);
        }
    }
}
