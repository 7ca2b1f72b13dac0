use std::fmt;
use std::str::FromStr as _;

use bus_store::StoreError;
use sqlx::postgres::PgConnectOptions;

use crate::PostgresStore;
use crate::inspect::Inspection;
use crate::migrate::migrate;
use crate::pool::Pool;

/// Bounds of a store on PostgreSQL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PostgresLimits {
    /// Connections at a time; one more call waits.
    pub connections_max: u32,
    /// How long a connection may take, and how long a call may wait for one.
    pub connect_timeout_ms: u64,
    /// How long one statement may take, on either side of the connection.
    pub call_timeout_ms: u64,
    /// How long a statement may wait for a lock that another session holds.
    pub lock_timeout_ms: u64,
}

impl Default for PostgresLimits {
    fn default() -> Self {
        Self {
            connections_max: 10,
            connect_timeout_ms: 5_000,
            call_timeout_ms: 10_000,
            lock_timeout_ms: 2_000,
        }
    }
}

/// Where a database is, and as whom to connect: `postgres://user:password@host:port/database?sslmode=…`. What the URL
/// leaves open comes from the variables that libpq knows (`PGHOST`, …) and its password file.
#[derive(Clone)]
pub struct PostgresUrl(pub(crate) Box<PgConnectOptions>);

impl PostgresUrl {
    /// Reads a URL.
    ///
    /// # Errors
    /// What is wrong with it, without its password.
    pub fn parse(url: &str) -> Result<Self, String> {
        if !["postgres://", "postgresql://"].iter().any(|scheme| url.starts_with(scheme)) {
            return Err("it does not begin with postgres://".to_owned());
        }
        let options = PgConnectOptions::from_str(url).map_err(|error| error.to_string())?;
        let options = options.application_name("stanzabus").statement_cache_capacity(100);
        Ok(Self(Box::new(options)))
    }

    /// With this password instead of the URL's own.
    #[must_use]
    pub fn with_password(self, password: &str) -> Self {
        Self(Box::new(self.0.password(password)))
    }
}

impl PostgresUrl {
    pub(crate) fn options(&self) -> PgConnectOptions {
        PgConnectOptions::clone(&self.0)
    }
}

/// Never shows the password.
impl fmt::Display for PostgresUrl {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let options = &self.0;
        let database = options.get_database().unwrap_or(options.get_username());
        match options.get_socket() {
            Some(socket) => write!(out, "PostgreSQL database {database} at {}", socket.display()),
            None => {
                write!(out, "PostgreSQL database {database} on {}:{}", options.get_host(), options.get_port())
            }
        }
    }
}

impl fmt::Debug for PostgresUrl {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, out)
    }
}

impl PostgresStore {
    /// Opens the database and brings its schema up to date, one instance at a time. Settings of the server that could
    /// lose acknowledged events are logged.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] if it cannot be reached, [`StoreError::NewerSchema`] if a newer program wrote it,
    /// [`StoreError::Refused`] if the server is too old, or the user may not make tables.
    pub async fn open(url: PostgresUrl, limits: PostgresLimits) -> Result<Self, StoreError> {
        let name = url.to_string();
        let pool = Pool::new(url.options(), limits);
        let inspection = Inspection::of(&mut pool.session().await?).await?;
        for risk in &inspection.risks {
            tracing::warn!("{name}: {risk}");
        }
        migrate(&url, limits).await?;
        Ok(Self { pool })
    }
}
