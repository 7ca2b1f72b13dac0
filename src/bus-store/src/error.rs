use std::error::Error as StdError;

use thiserror::Error;

/// Why a store could not do what it was asked.
#[derive(Debug, Error)]
pub enum StoreError {
    /// The database cannot be reached, is locked, or has no room; the same call may work later.
    #[error("the store is not available: {message}")]
    Unavailable {
        /// What the database said.
        message: String,
        /// The driver's error.
        #[source]
        source: Option<Box<dyn StdError + Send + Sync>>,
    },
    /// The connection was lost during COMMIT: only [`crate::Store::find_batch`] can tell.
    #[error("the outcome of the commit is not known")]
    OutcomeUnknown {
        /// The driver's error.
        #[source]
        source: Box<dyn StdError + Send + Sync>,
    },
    /// Rows that contradict each other or our types: a damaged database, or a hand in it.
    #[error("the table {table} holds what it should not: {message}")]
    Inconsistent {
        /// Where.
        table: &'static str,
        /// What.
        message: String,
    },
    /// The database was written by a newer stanzabus.
    #[error(
        "the database has schema version {found}, and this program knows {known} at most; use a newer stanzabus"
    )]
    NewerSchema {
        /// The version in the database.
        found: i64,
        /// The newest that this program knows.
        known: i64,
    },
    /// Another process has the database.
    #[error("{what} is in use by another process; stop it, or give this daemon a database of its own")]
    InUse {
        /// The file.
        what: String,
    },
    /// The database refused a statement; the same call will fail again.
    #[error("the database refused a statement: {source}")]
    Refused {
        /// The driver's error.
        #[source]
        source: Box<dyn StdError + Send + Sync>,
    },
}

impl StoreError {
    /// Whether the same call may work later without anybody's doing.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Unavailable { .. } | Self::OutcomeUnknown { .. })
    }
}
