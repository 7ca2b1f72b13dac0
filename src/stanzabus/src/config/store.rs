use std::path::{Path, PathBuf};

use bus_store_postgres::PostgresUrl;
use schemars::JsonSchema;
use serde::Deserialize;

use super::{ConfigError, secret_file};

/// `[store]`: where events are kept.
#[derive(Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct StoreConfig {
    /// `sqlite:PATH`, relative to the configuration file's folder, or `postgres://user:password@host:port/database`,
    /// with `?sslmode=verify-full&sslrootcert=PATH` for a server on another machine.
    url: String,
    /// Bytes that publishes may make an SQLite file long; beyond it they are refused until space is free again. None: as
    /// long as the disk allows.
    sqlite_bytes_max: Option<u64>,
    /// A file with PostgreSQL's password in its first line, instead of one in the URL.
    password_file: Option<PathBuf>,
}

/// A store that can be opened.
#[derive(Debug, Clone)]
pub(crate) enum StoreAddress {
    /// A file.
    Sqlite(PathBuf),
    /// A database on a server.
    Postgres(PostgresUrl),
}

impl Default for StoreConfig {
    fn default() -> Self {
        Self { url: "sqlite:stanzabus.db".to_owned(), sqlite_bytes_max: None, password_file: None }
    }
}

impl StoreConfig {
    /// How long an SQLite file may become.
    pub(crate) fn sqlite_bytes_max(&self) -> Option<u64> {
        self.sqlite_bytes_max
    }

    /// What the URL names; the password, which not everybody may read, is left out.
    pub(crate) fn address(&self, folder: &Path) -> Result<StoreAddress, ConfigError> {
        let address = parse_store_url(&self.url, folder)?;
        match (&address, &self.password_file) {
            (StoreAddress::Sqlite(_), Some(_)) => {
                let message = "is for PostgreSQL, and store.url names a file; remove one of them";
                Err(ConfigError::invalid("store.password_file", message))
            }
            (StoreAddress::Postgres(_), Some(_)) if holds_password(&self.url) => {
                let message = "store.url holds a password as well; remove one of them";
                Err(ConfigError::invalid("store.password_file", message))
            }
            _ => Ok(address),
        }
    }

    /// What is to be opened, with the password.
    pub(crate) fn address_with_password(&self, folder: &Path) -> Result<StoreAddress, ConfigError> {
        match (self.address(folder)?, &self.password_file) {
            (StoreAddress::Postgres(url), Some(file)) => {
                let password = secret_file::read("store.password_file", &folder.join(file))?;
                Ok(StoreAddress::Postgres(url.with_password(&password)))
            }
            (address, _) => Ok(address),
        }
    }
}

/// Reads a store's URL; a relative path counts from `folder`.
pub(crate) fn parse_store_url(url: &str, folder: &Path) -> Result<StoreAddress, ConfigError> {
    if url.starts_with("postgres") {
        return PostgresUrl::parse(url).map(StoreAddress::Postgres).map_err(|error| {
            let message =
                format!("is no URL of a PostgreSQL database, postgres://user@host:port/database: {error}");
            ConfigError::invalid("store.url", message)
        });
    }
    let path = url.strip_prefix("sqlite:").map(|path| path.strip_prefix("//").unwrap_or(path));
    match path {
        Some(path) if !path.is_empty() => Ok(StoreAddress::Sqlite(folder.join(path))),
        _ => {
            let message = format!(
                "{url:?} is not a store; write a file's path behind sqlite:, for example \"sqlite:stanzabus.db\", \
                 or the URL of a PostgreSQL database, for example \"postgres://user@host/database\""
            );
            Err(ConfigError::invalid("store.url", message))
        }
    }
}

/// Whether a URL has a password in it, so that not everybody may read it.
pub(crate) fn holds_password(url: &str) -> bool {
    let authority = url.split_once("://").and_then(|(_, rest)| rest.split('/').next());
    let user = authority.and_then(|authority| authority.rsplit_once('@')).map(|(user, _)| user);
    user.is_some_and(|user| user.contains(':')) || url.contains("password=")
}
