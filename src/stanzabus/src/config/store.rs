use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::Deserialize;

use super::ConfigError;

/// `[store]`: where events are kept.
#[derive(Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct StoreConfig {
    /// `sqlite:PATH`, relative to the configuration file's folder.
    url: String,
    /// Bytes that publishes may make an SQLite file long; beyond it they are refused until space is free again. None: as
    /// long as the disk allows.
    sqlite_bytes_max: Option<u64>,
}

/// A store that can be opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum StoreAddress {
    /// A file.
    Sqlite(PathBuf),
}

impl Default for StoreConfig {
    fn default() -> Self {
        Self { url: "sqlite:stanzabus.db".to_owned(), sqlite_bytes_max: None }
    }
}

impl StoreConfig {
    /// How long an SQLite file may become.
    pub(crate) fn sqlite_bytes_max(&self) -> Option<u64> {
        self.sqlite_bytes_max
    }

    /// What the URL names.
    pub(crate) fn address(&self, folder: &Path) -> Result<StoreAddress, ConfigError> {
        parse_store_url(&self.url, folder)
    }
}

/// Reads a store's URL; a relative path counts from `folder`.
pub(crate) fn parse_store_url(url: &str, folder: &Path) -> Result<StoreAddress, ConfigError> {
    let path = url.strip_prefix("sqlite:").map(|path| path.strip_prefix("//").unwrap_or(path));
    match path {
        Some(path) if !path.is_empty() => Ok(StoreAddress::Sqlite(folder.join(path))),
        _ => {
            let message = format!(
                "{url:?} is not a store; write a file's path behind sqlite:, for example \"sqlite:stanzabus.db\""
            );
            Err(ConfigError::invalid("store.url", message))
        }
    }
}
