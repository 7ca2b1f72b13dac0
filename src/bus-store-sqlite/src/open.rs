use std::borrow::Cow;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bus_store::StoreError;
use sqlx::migrate::{MigrateError, Migration, MigrationType, Migrator};
use sqlx::sqlite::{
    SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{ConnectOptions as _, SqlSafeStr as _};

use crate::SqliteStore;
use crate::error::{store_error, unavailable};
use crate::lock::FileLock;
use crate::size_bound::SizeBound;
use crate::writer::Writer;

/// The migrations of `schemas/sqlite`, in order.
const MIGRATIONS: &[(i64, &str, &str)] = &[
    (1, "init", include_str!("../../../schemas/sqlite/0001_init.sql")),
    (2, "retention", include_str!("../../../schemas/sqlite/0002_retention.sql")),
    (3, "lagging", include_str!("../../../schemas/sqlite/0003_lagging.sql")),
    (4, "epochs", include_str!("../../../schemas/sqlite/0004_epochs.sql")),
    (5, "entities", include_str!("../../../schemas/sqlite/0005_entities.sql")),
    (6, "options", include_str!("../../../schemas/sqlite/0006_options.sql")),
    (7, "archive", include_str!("../../../schemas/sqlite/0007_archive.sql")),
    (8, "pending", include_str!("../../../schemas/sqlite/0008_pending.sql")),
    (9, "usage", include_str!("../../../schemas/sqlite/0009_usage.sql")),
    (10, "redirects", include_str!("../../../schemas/sqlite/0010_redirects.sql")),
    (11, "presence", include_str!("../../../schemas/sqlite/0011_presence.sql")),
    (12, "collections", include_str!("../../../schemas/sqlite/0012_collections.sql")),
    (13, "relations", include_str!("../../../schemas/sqlite/0013_relations.sql")),
    (14, "idempotency", include_str!("../../../schemas/sqlite/0014_idempotency.sql")),
    (15, "consumers", include_str!("../../../schemas/sqlite/0015_consumers.sql")),
    (16, "push", include_str!("../../../schemas/sqlite/0016_push.sql")),
    (17, "destinations", include_str!("../../../schemas/sqlite/0017_destinations.sql")),
    (18, "push_accounts", include_str!("../../../schemas/sqlite/0018_push_accounts.sql")),
    (19, "push_profiles", include_str!("../../../schemas/sqlite/0019_push_profiles.sql")),
    (20, "sources", include_str!("../../../schemas/sqlite/0020_sources.sql")),
    (21, "push_in", include_str!("../../../schemas/sqlite/0021_push_in.sql")),
    (22, "leases", include_str!("../../../schemas/sqlite/0022_leases.sql")),
];

/// Readers beside the writer: enough for two cores, few enough to keep the file's page cache small.
const READERS_MAX: u32 = 4;

impl SqliteStore {
    /// Opens the file, makes it if it is missing, and brings its schema up to date.
    ///
    /// # Errors
    /// [`StoreError::InUse`] if another process has it, [`StoreError::NewerSchema`] if a newer program wrote it,
    /// [`StoreError::Unavailable`] if it cannot be written.
    pub async fn open(path: &Path) -> Result<Self, StoreError> {
        Self::open_within(path, None).await
    }

    /// As [`Self::open`], for a file that publishes do not make longer than `bytes_max`. What frees space, and the
    /// bus's own notes, may take [`crate::RESERVE_BYTES`] more. The write-ahead log beside the file does not count.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub async fn open_within(path: &Path, bytes_max: Option<u64>) -> Result<Self, StoreError> {
        let lock = FileLock::take(path)?;
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(false) // rows are written for locked nodes only; a look-up per event buys nothing
            .busy_timeout(Duration::from_secs(5))
            .statement_cache_capacity(64);
        let mut connection = options
            .connect()
            .await
            .map_err(|source| unavailable(format!("cannot open {}: {source}", path.display()), source))?;
        migrate(&mut connection).await?;
        let readers = SqlitePoolOptions::new()
            .max_connections(READERS_MAX)
            .connect_with(options.pragma("query_only", "on"))
            .await
            .map_err(store_error)?;
        let bound = match bytes_max {
            Some(bytes_max) => Some(SizeBound::new(bytes_max, &mut connection).await?),
            None => None,
        };
        Ok(Self {
            writer: Arc::new(tokio::sync::Mutex::new(Writer::new(connection, bound))),
            readers,
            _lock: lock,
        })
    }
}

async fn migrate(connection: &mut SqliteConnection) -> Result<(), StoreError> {
    let migrations = MIGRATIONS
        .iter()
        .map(|&(version, name, sql)| {
            Migration::new(version, Cow::Borrowed(name), MigrationType::Simple, sql.into_sql_str(), false)
        })
        .collect();
    match Migrator::with_migrations(migrations).run(connection).await {
        Ok(()) => Ok(()),
        Err(MigrateError::VersionMissing(found)) => {
            Err(StoreError::NewerSchema { found, known: MIGRATIONS[MIGRATIONS.len() - 1].0 })
        }
        Err(MigrateError::Execute(source) | MigrateError::ExecuteMigration(source, _)) => {
            Err(store_error(source))
        }
        Err(other) => Err(StoreError::Refused { source: Box::new(other) }),
    }
}
