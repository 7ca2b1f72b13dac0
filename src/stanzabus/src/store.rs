//! The only place that names concrete stores, with `commands/doctor/store.rs`.

use std::sync::Arc;

use bridge_grpc::StoreKind;
use bus_store::{PushStore, Store};
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

/// One store, by what is asked of it.
pub(crate) struct OpenStore {
    /// Nodes and their logs.
    pub(crate) store: Arc<dyn Store>,
    /// Devices and push jobs.
    pub(crate) push: Arc<dyn PushStore>,
}

/// Opens the store that the configuration names.
pub(crate) async fn open(loaded: &Loaded) -> Result<OpenStore, Failure> {
    match loaded.config.store.address_with_password(&loaded.folder)? {
        StoreAddress::Sqlite(path) => {
            let store = SqliteStore::open_within(&path, loaded.config.store.sqlite_bytes_max()).await?;
            Ok(OpenStore::of(store))
        }
        StoreAddress::Postgres(url) => {
            Ok(OpenStore::of(PostgresStore::open(url, loaded.config.limits.postgres()).await?))
        }
    }
}

impl OpenStore {
    fn of(store: impl Store + PushStore) -> Self {
        let store = Arc::new(store);
        Self { push: Arc::clone(&store) as _, store }
    }
}
