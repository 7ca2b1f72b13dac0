//! The only place that names concrete stores, with `commands/doctor/store.rs`.

use std::sync::Arc;

use bridge_grpc::StoreKind;
use bus_store::Store;
use bus_store_postgres::PostgresStore;
use bus_store_sqlite::SqliteStore;

use crate::config::{Loaded, StoreAddress};
use crate::failure::Failure;

/// Where the configuration has events kept.
pub(crate) fn kind(loaded: &Loaded) -> Result<StoreKind, Failure> {
    Ok(match loaded.config.store.address(&loaded.folder)? {
        StoreAddress::Sqlite(_) => StoreKind::Sqlite,
        StoreAddress::Postgres(_) => StoreKind::Postgresql,
    })
}

/// Opens the store that the configuration names.
pub(crate) async fn open(loaded: &Loaded) -> Result<Arc<dyn Store>, Failure> {
    match loaded.config.store.address_with_password(&loaded.folder)? {
        StoreAddress::Sqlite(path) => {
            Ok(Arc::new(SqliteStore::open_within(&path, loaded.config.store.sqlite_bytes_max()).await?))
        }
        StoreAddress::Postgres(url) => {
            Ok(Arc::new(PostgresStore::open(url, loaded.config.limits.postgres()).await?))
        }
    }
}
