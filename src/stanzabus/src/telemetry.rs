use std::io::{self, IsTerminal as _};

use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{Layer as _, fmt};

use crate::config::{ConfigError, LogConfig, LogFormat};

/// Sends the log to standard error from now on.
pub(crate) fn start(config: &LogConfig) -> Result<(), ConfigError> {
    let is_terminal = io::stderr().is_terminal();
    let human = match config.format {
        LogFormat::Auto => is_terminal,
        LogFormat::Human => true,
        LogFormat::Json => false,
    };
    let lines = fmt::layer().with_writer(io::stderr);
    let lines =
        if human { lines.with_ansi(is_terminal).boxed() } else { lines.json().flatten_event(true).boxed() };
    tracing_subscriber::registry().with(lines).with(config.filter()?).init();
    Ok(())
}
