use bus_store::StoreError;
use sqlx::Row as _;
use sqlx::sqlite::SqliteConnection;

use crate::error::store_error;

/// What may be written beyond the bound by everything but publishes: without it, a full store could not even be told
/// to delete a node.
pub const RESERVE_BYTES: u64 = 1024 * 1024;

/// The length that the file may have (`PRAGMA max_page_count`). `SQLite` refuses what would make it longer with FULL,
/// and goes on by itself when pages become free.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SizeBound {
    publish_pages_max: u64,
    pages_max: u64,
}

impl SizeBound {
    pub(crate) async fn new(bytes_max: u64, connection: &mut SqliteConnection) -> Result<Self, StoreError> {
        let row = sqlx::query("PRAGMA page_size").fetch_one(connection).await.map_err(store_error)?;
        let page_bytes = row.try_get::<i64, _>(0).map_err(store_error)?.unsigned_abs().max(1);
        Ok(Self {
            publish_pages_max: (bytes_max / page_bytes).max(1),
            pages_max: (bytes_max.saturating_add(RESERVE_BYTES) / page_bytes).max(1),
        })
    }

    /// For what comes next in the transaction. A file that is longer already stays as long as it is.
    pub(crate) async fn apply(
        self,
        is_publish: bool,
        connection: &mut SqliteConnection,
    ) -> Result<(), StoreError> {
        let pages = if is_publish { self.publish_pages_max } else { self.pages_max };
        let pragma = sqlx::AssertSqlSafe(format!("PRAGMA max_page_count = {pages}"));
        sqlx::query(pragma).fetch_one(connection).await.map_err(store_error)?;
        Ok(())
    }
}
