use std::borrow::Cow;
use std::time::Duration;

use bus_store::StoreError;
use sqlx::migrate::{MigrateError, Migration, MigrationType, Migrator};
use sqlx::{ConnectOptions as _, SqlSafeStr as _, SqlStr};
use tokio::time::timeout;

use crate::error::{no_answer, store_error, unavailable};
use crate::{PostgresLimits, PostgresUrl};

/// The migrations of `schemas/postgres`, in order.
const MIGRATIONS: [(i64, &str, &str); 22] = [
    (1, "init", include_str!("../../../schemas/postgres/0001_init.sql")),
    (2, "retention", include_str!("../../../schemas/postgres/0002_retention.sql")),
    (3, "lagging", include_str!("../../../schemas/postgres/0003_lagging.sql")),
    (4, "epochs", include_str!("../../../schemas/postgres/0004_epochs.sql")),
    (5, "entities", include_str!("../../../schemas/postgres/0005_entities.sql")),
    (6, "options", include_str!("../../../schemas/postgres/0006_options.sql")),
    (7, "archive", include_str!("../../../schemas/postgres/0007_archive.sql")),
    (8, "pending", include_str!("../../../schemas/postgres/0008_pending.sql")),
    (9, "usage", include_str!("../../../schemas/postgres/0009_usage.sql")),
    (10, "redirects", include_str!("../../../schemas/postgres/0010_redirects.sql")),
    (11, "presence", include_str!("../../../schemas/postgres/0011_presence.sql")),
    (12, "collections", include_str!("../../../schemas/postgres/0012_collections.sql")),
    (13, "relations", include_str!("../../../schemas/postgres/0013_relations.sql")),
    (14, "idempotency", include_str!("../../../schemas/postgres/0014_idempotency.sql")),
    (15, "consumers", include_str!("../../../schemas/postgres/0015_consumers.sql")),
    (16, "push", include_str!("../../../schemas/postgres/0016_push.sql")),
    (17, "destinations", include_str!("../../../schemas/postgres/0017_destinations.sql")),
    (18, "push_accounts", include_str!("../../../schemas/postgres/0018_push_accounts.sql")),
    (19, "push_profiles", include_str!("../../../schemas/postgres/0019_push_profiles.sql")),
    (20, "sources", include_str!("../../../schemas/postgres/0020_sources.sql")),
    (21, "push_in", include_str!("../../../schemas/postgres/0021_push_in.sql")),
    (22, "leases", include_str!("../../../schemas/postgres/0022_leases.sql")),
];

/// Another instance may be at it: its turn is waited for so long. A migration itself may take any time.
const LOCK_TIMEOUT: &str = "SELECT set_config('lock_timeout', '30s', false)";

/// The newest schema that this program knows.
pub(crate) fn known_version() -> i64 {
    MIGRATIONS[MIGRATIONS.len() - 1].0
}

/// Brings the schema up to date, under an advisory lock of the database: instances that start at once take turns.
pub(crate) async fn migrate(url: &PostgresUrl, limits: PostgresLimits) -> Result<(), StoreError> {
    let connect_timeout = Duration::from_millis(limits.connect_timeout_ms);
    let mut connection = timeout(connect_timeout, url.0.connect())
        .await
        .unwrap_or_else(|_| Err(no_answer(connect_timeout)))
        .map_err(|source| unavailable(format!("cannot connect to PostgreSQL: {source}"), source))?;
    sqlx::query(SqlStr::from_static(LOCK_TIMEOUT)).execute(&mut connection).await.map_err(store_error)?;
    let migrations = MIGRATIONS
        .into_iter()
        .map(|(version, name, sql)| {
            Migration::new(version, Cow::Borrowed(name), MigrationType::Simple, sql.into_sql_str(), false)
        })
        .collect();
    // The lock goes with the connection, also when this fails.
    match Migrator::with_migrations(migrations).run(&mut connection).await {
        Ok(()) => Ok(()),
        Err(MigrateError::VersionMissing(found)) => {
            Err(StoreError::NewerSchema { found, known: known_version() })
        }
        Err(MigrateError::Execute(source) | MigrateError::ExecuteMigration(source, _)) => {
            Err(store_error(source))
        }
        Err(other) => Err(StoreError::Refused { source: Box::new(other) }),
    }
}
