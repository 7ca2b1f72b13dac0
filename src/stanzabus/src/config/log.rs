use schemars::JsonSchema;
use serde::Deserialize;
use tracing_subscriber::filter::{LevelFilter, Targets};

use super::ConfigError;

/// `[log]`: the log, on standard error.
#[derive(Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct LogConfig {
    /// How it looks.
    pub(crate) format: LogFormat,
    /// `error`, `warn`, `info`, `debug` or `trace`; or directives per module, like `info,bus_engine=debug`.
    level: String,
}

/// How the log looks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogFormat {
    /// `human` on a terminal, `json` otherwise.
    #[default]
    Auto,
    /// Lines for people.
    Human,
    /// One JSON object per line.
    Json,
}

/// Crates that say too much, payloads included: never below these levels.
const CAPS: [&str; 3] = ["tokio_xmpp=info", "sqlx=warn", "h2=info"];

impl Default for LogConfig {
    fn default() -> Self {
        Self { format: LogFormat::Auto, level: "info".to_owned() }
    }
}

impl LogConfig {
    /// What is let through.
    pub(crate) fn filter(&self) -> Result<Targets, ConfigError> {
        let invalid = |message: String| {
            ConfigError::invalid(
                "log.level",
                format!("{:?}: {message}; write for example \"info\"", self.level),
            )
        };
        // A word that is no level would count as the name of a module.
        let lone =
            self.level.split(',').find(|word| !word.contains('=') && word.parse::<LevelFilter>().is_err());
        if let Some(word) = lone {
            return Err(invalid(format!("{word:?} is not a level")));
        }
        let directives = std::iter::once(self.level.as_str()).chain(CAPS).collect::<Vec<_>>().join(",");
        directives.parse().map_err(|error: tracing_subscriber::filter::ParseError| invalid(error.to_string()))
    }
}
