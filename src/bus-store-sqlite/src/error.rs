use std::error::Error as StdError;

use bus_store::StoreError;
use sqlx::error::ErrorKind;

/// Primary result codes of SQLite (sqlite.org/rescode.html) after which the same call may work later.
const TRANSIENT_CODES: [u32; 7] = [
    5,  // BUSY
    6,  // LOCKED
    7,  // NOMEM
    8,  // READONLY
    10, // IOERR
    13, // FULL
    14, // CANTOPEN
];

/// Sorts a driver's error by what the caller can do.
pub(crate) fn store_error(error: sqlx::Error) -> StoreError {
    match &error {
        sqlx::Error::Database(database)
            if database.kind() == ErrorKind::Other && is_transient(&**database) =>
        {
            unavailable(database.message().to_owned(), error)
        }
        sqlx::Error::Database(_) => StoreError::Refused { source: Box::new(error) },
        sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_) | sqlx::Error::ColumnNotFound(_) => {
            StoreError::Inconsistent { table: "of the query", message: error.to_string() }
        }
        _ => unavailable(error.to_string(), error),
    }
}

/// [`StoreError::Unavailable`] with its cause.
pub(crate) fn unavailable(message: String, source: impl StdError + Send + Sync + 'static) -> StoreError {
    StoreError::Unavailable { message, source: Some(Box::new(source)) }
}

/// The extended code's low byte is the primary one.
fn is_transient(error: &dyn sqlx::error::DatabaseError) -> bool {
    let code: Option<u32> = error.code().and_then(|code| code.parse().ok());
    code.is_some_and(|code| TRANSIENT_CODES.contains(&(code & 0xff)))
}
