use std::error::Error as StdError;
use std::io;
use std::time::Duration;

use bus_store::StoreError;
use sqlx::postgres::{PgDatabaseError, PgSeverity};

/// SQLSTATEs, or the classes that they start with (PostgreSQL, appendix A), after which the same call may work later.
const TRANSIENT_STATES: [&str; 14] = [
    "08",    // connection exceptions
    "0A000", // a statement that was prepared before a migration: the next session prepares it anew
    "25006", // read_only_sql_transaction: the server has become a standby
    "25P03", // idle_in_transaction_session_timeout
    "26000", // the same, where a pooler has put another session in between
    "40",    // serialization failures and deadlocks
    "53",    // no disk space, no memory, too many connections
    "55006", // object_in_use
    "55P03", // lock_not_available: lock_timeout
    "57014", // query_canceled: statement_timeout
    "57P",   // shut down, crashed, cannot connect now, database dropped
    "58",    // system errors, input and output among them
    "72",    // snapshot too old
    "XX001", // data_corrupted: seen while a file system is full or gone
];

/// What a session answers whose prepared statements no longer fit the tables.
const STALE_STATEMENT_STATES: [&str; 2] = ["0A000", "26000"];

/// What a wait for a lock ends with, after `lock_timeout`.
const LOCK_NOT_AVAILABLE: &str = "55P03";

/// Sorts a driver's error by what the caller can do.
pub(crate) fn store_error(error: sqlx::Error) -> StoreError {
    match &error {
        sqlx::Error::Database(database) if is_transient(&**database) => {
            unavailable(database.message().to_owned(), error)
        }
        sqlx::Error::Database(_) | sqlx::Error::Encode(_) => StoreError::Refused { source: Box::new(error) },
        sqlx::Error::ColumnDecode { .. }
        | sqlx::Error::Decode(_)
        | sqlx::Error::ColumnNotFound(_)
        | sqlx::Error::RowNotFound => {
            StoreError::Inconsistent { table: "of the query", message: error.to_string() }
        }
        _ => unavailable(error.to_string(), error),
    }
}

/// Sorts an error of COMMIT. The server's word that it has not happened is one of severity ERROR: the session lives on
/// after it. With FATAL or worse the session is gone, perhaps behind the commit, and no answer says nothing.
pub(crate) fn commit_error(error: sqlx::Error) -> StoreError {
    let is_refusal = matches!(&error, sqlx::Error::Database(database)
        if database.try_downcast_ref::<PgDatabaseError>().is_some_and(|error| error.severity() == PgSeverity::Error));
    if is_refusal { store_error(error) } else { StoreError::OutcomeUnknown { source: Box::new(error) } }
}

/// [`StoreError::Unavailable`] with its cause.
pub(crate) fn unavailable(message: String, source: impl StdError + Send + Sync + 'static) -> StoreError {
    StoreError::Unavailable { message, source: Some(Box::new(source)) }
}

/// Whether the session cannot be used any more.
pub(crate) fn ends_session(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Database(database) => {
            database.try_downcast_ref::<PgDatabaseError>().is_none_or(|error| {
                let is_over = matches!(error.severity(), PgSeverity::Fatal | PgSeverity::Panic);
                is_over || STALE_STATEMENT_STATES.contains(&error.code())
            })
        }
        sqlx::Error::Encode(_)
        | sqlx::Error::RowNotFound
        | sqlx::Error::ColumnNotFound(_)
        | sqlx::Error::ColumnDecode { .. } => false,
        _ => true,
    }
}

/// Whether a lock could not be had in time.
pub(crate) fn is_lock_timeout(error: &sqlx::Error) -> bool {
    matches!(error, sqlx::Error::Database(database) if database.code().as_deref() == Some(LOCK_NOT_AVAILABLE))
}

/// What a server says that says nothing.
pub(crate) fn no_answer(waited: Duration) -> sqlx::Error {
    let message = format!("PostgreSQL did not answer within {} ms", waited.as_millis());
    sqlx::Error::Io(io::Error::new(io::ErrorKind::TimedOut, message))
}

fn is_transient(error: &dyn sqlx::error::DatabaseError) -> bool {
    error.code().is_some_and(|code| TRANSIENT_STATES.iter().any(|state| code.starts_with(state)))
}
