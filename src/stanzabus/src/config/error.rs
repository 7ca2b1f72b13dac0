use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

/// What is wrong with the configuration, in one line that says how to mend it.
#[derive(Debug, Error)]
pub(crate) enum ConfigError {
    /// The file cannot be read.
    #[error(
        "cannot read {}: {source}; write one with `stanzabus init --domain events.example.org`, or name another with --config",
        path.display()
    )]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Not TOML.
    #[error("{}: line {line}: {message}", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
        /// What the parser says.
        message: String,
    },
    /// A key that does not exist.
    #[error("{place}: unknown key \"{key}\"{}", hint(nearest.as_deref()))]
    UnknownKey {
        /// The file or the environment variable.
        place: String,
        /// The key with its section.
        key: String,
        /// The key that was probably meant.
        nearest: Option<String>,
    },
    /// A value that cannot be read as what its key wants.
    #[error("{place}: {message}")]
    WrongType {
        /// The file or the environment variable.
        place: String,
        /// What is wrong.
        message: String,
    },
    /// A value that makes no sense.
    #[error("{key}: {message}")]
    Invalid {
        /// The key with its section.
        key: &'static str,
        /// What is wrong, and how to mend it.
        message: String,
    },
}

impl ConfigError {
    pub(super) fn syntax(path: &Path, text: &str, error: &toml::de::Error) -> Self {
        let start = error.span().map_or(0, |span| span.start.min(text.len()));
        let line = 1 + text.get(..start).unwrap_or(text).matches('\n').count();
        Self::Syntax { path: path.to_owned(), line, message: one_line(error.message()) }
    }

    pub(super) fn value(path: &Path, error: &toml::de::Error) -> Self {
        Self::WrongType { place: path.display().to_string(), message: one_line(&error.to_string()) }
    }

    pub(crate) fn invalid(key: &'static str, message: impl Into<String>) -> Self {
        Self::Invalid { key, message: message.into() }
    }
}

fn hint(nearest: Option<&str>) -> String {
    match nearest {
        Some(nearest) => format!("; did you mean \"{nearest}\"?"),
        None => "; remove it (the file that `stanzabus init` writes names the keys)".to_owned(),
    }
}

fn one_line(message: &str) -> String {
    message.split_whitespace().collect::<Vec<_>>().join(" ")
}
