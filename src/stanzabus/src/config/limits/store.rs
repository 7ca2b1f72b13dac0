use bus_store_postgres::PostgresLimits;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The bounds of a store on PostgreSQL, as in [`PostgresLimits`]; the embedded store has none of these.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(default)]
#[expect(clippy::struct_field_names, reason = "the keys stand in one table with those of other crates")]
pub(super) struct StoreLimitsConfig {
    /// Connections to PostgreSQL at a time.
    store_connections_max: u32,
    /// How long a connection to PostgreSQL may take, and how long a call may wait for one.
    store_connect_timeout_ms: u64,
    /// How long PostgreSQL may take to answer one statement.
    store_call_timeout_ms: u64,
    /// How long a statement may wait for a lock that another daemon holds; below `store_call_timeout_ms`.
    store_lock_timeout_ms: u64,
}

impl StoreLimitsConfig {
    pub(super) fn postgres(&self) -> PostgresLimits {
        PostgresLimits {
            connections_max: self.store_connections_max,
            connect_timeout_ms: self.store_connect_timeout_ms,
            call_timeout_ms: self.store_call_timeout_ms,
            lock_timeout_ms: self.store_lock_timeout_ms,
        }
    }
}

impl Default for StoreLimitsConfig {
    fn default() -> Self {
        let limits = PostgresLimits::default();
        Self {
            store_connections_max: limits.connections_max,
            store_connect_timeout_ms: limits.connect_timeout_ms,
            store_call_timeout_ms: limits.call_timeout_ms,
            store_lock_timeout_ms: limits.lock_timeout_ms,
        }
    }
}
