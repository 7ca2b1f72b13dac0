//! The file of tokens that `stanzabus token` keeps.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use chrono::DateTime;
use serde::{Deserialize, Serialize};

use crate::config::ConfigError;

const KEY: &str = "grpc.tokens_file";

/// What the file holds.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TokenList {
    /// In the order in which they were made.
    #[serde(default)]
    pub(crate) tokens: Vec<ListedToken>,
}

/// A token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ListedToken {
    /// Who calls with it.
    pub(crate) principal: String,
    /// The SHA-256 of the token, in hexadecimal.
    pub(crate) sha256: String,
    /// When it was made, as in RFC 3339.
    pub(crate) created: String,
    /// Until when it counts, as in RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) expires: Option<String>,
}

impl TokenList {
    /// Reads the file; one that is not there holds nothing.
    pub(crate) fn read(path: &Path) -> Result<Self, ConfigError> {
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => {
                return Err(ConfigError::invalid(KEY, format!("cannot read {}: {error}", path.display())));
            }
        };
        toml::from_str(&text).map_err(|error| ConfigError::syntax(path, &text, &error))
    }

    /// The text of the file.
    pub(crate) fn text(&self) -> String {
        let tokens = toml::to_string(self).expect("strings in a list of tables can be written");
        format!(
            "# Written by `stanzabus token create` and `revoke`. The tokens themselves are not kept.\n\n{tokens}"
        )
    }
}

impl ListedToken {
    /// Until when it counts, in milliseconds since 1970.
    pub(crate) fn expires_at_ms(&self) -> Result<Option<i64>, ConfigError> {
        self.expires.as_deref().map(|text| parse_moment(KEY, text)).transpose()
    }
}

/// A moment as in RFC 3339, in milliseconds since 1970.
pub(super) fn parse_moment(key: &'static str, text: &str) -> Result<i64, ConfigError> {
    let moment = DateTime::parse_from_rfc3339(text).map_err(|error| {
        ConfigError::invalid(key, format!("{text:?} is no moment like 2030-01-31T12:00:00Z: {error}"))
    })?;
    Ok(moment.timestamp_millis())
}
