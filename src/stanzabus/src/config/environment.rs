//! The one place that reads the environment.

use std::ffi::OsString;
use std::time::Duration;

use super::keys::{KeyKind, KnownKeys};
use super::{ConfigError, keys};

const PREFIX: &str = "STANZABUS_";
/// Between a section and its key; a single underscore may stand inside either.
const SEPARATOR: &str = "__";
const USER_PASSWORD: &str = "STANZABUS_PASSWORD";

/// Where one of two keys takes the place of the other.
const EXCLUSIVE: [(&str, &str); 2] = [("secret", "secret_file"), ("secret_file", "secret")];

/// The variables of the process. One that is not UTF-8 is none of ours.
pub(super) fn variables() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
}

/// The password for `--as`.
pub(crate) fn user_password() -> Option<String> {
    variables().find(|(name, _)| name == USER_PASSWORD).map(|(_, value)| value)
}

/// What a service manager tells a process that it starts (`sd_notify(3)`, `sd_watchdog_enabled(3)`).
pub(crate) struct ManagerVariables {
    /// `NOTIFY_SOCKET`: a path, or behind `@` an abstract name.
    pub(crate) notify_socket: Option<OsString>,
    /// `WATCHDOG_USEC`, when it is meant for this process.
    pub(crate) watchdog: Option<Duration>,
}

/// Reads them.
pub(crate) fn manager_variables() -> ManagerVariables {
    let number = |name: &str| variables().find(|(known, _)| known == name)?.1.parse::<u64>().ok();
    let is_ours = number("WATCHDOG_PID").is_none_or(|process| process == u64::from(std::process::id()));
    ManagerVariables {
        notify_socket: std::env::var_os("NOTIFY_SOCKET"),
        watchdog: number("WATCHDOG_USEC").filter(|_| is_ours).map(Duration::from_micros),
    }
}

/// Lets `STANZABUS_SECTION__KEY` override `[section] key`.
pub(super) fn merge(
    table: &mut toml::Table,
    keys: &KnownKeys,
    variables: impl Iterator<Item = (String, String)>,
) -> Result<(), ConfigError> {
    for (name, text) in variables {
        let Some(path) = name.strip_prefix(PREFIX).filter(|path| path.contains(SEPARATOR)) else { continue };
        let path = path.to_lowercase();
        let parts: Vec<&str> = path.split(SEPARATOR).collect();
        let key = parts.join(".");
        let place = format!("environment variable {name}");
        let value = match (keys.kind(&key), parts.as_slice()) {
            (Some(kind), [_, _]) if kind != KeyKind::Section => parse(kind, &text),
            _ => return Err(keys.unknown(place, key)),
        };
        let value = value.map_err(|message| ConfigError::WrongType { place, message })?;
        set(table, parts[0], parts[1], value);
    }
    Ok(())
}

fn set(table: &mut toml::Table, section: &str, key: &str, value: toml::Value) {
    let section = table.entry(section).or_insert_with(|| toml::Value::Table(toml::Table::new()));
    // A section that is no table is refused later, with the file's name.
    if let Some(section) = section.as_table_mut() {
        for (_, other) in EXCLUSIVE.iter().filter(|(one, _)| *one == key) {
            section.remove(*other);
        }
        section.insert(key.to_owned(), value);
    }
}

fn parse(kind: keys::KeyKind, text: &str) -> Result<toml::Value, String> {
    match kind {
        KeyKind::Text | KeyKind::Section => Ok(toml::Value::String(text.to_owned())),
        KeyKind::Integer => {
            text.parse().map(toml::Value::Integer).map_err(|_| format!("{text:?} is not a whole number"))
        }
        KeyKind::Boolean => {
            text.parse().map(toml::Value::Boolean).map_err(|_| format!("{text:?} is neither true nor false"))
        }
        KeyKind::List if text.trim_start().starts_with('[') => {
            let table: toml::Table = toml::from_str(&format!("list = {text}"))
                .map_err(|error| format!("not a TOML list: {}", error.message()))?;
            table.get("list").cloned().ok_or_else(|| "not a TOML list".to_owned())
        }
        KeyKind::List => {
            let entries = text.split(',').map(str::trim).filter(|entry| !entry.is_empty());
            Ok(toml::Value::Array(entries.map(|entry| toml::Value::String(entry.to_owned())).collect()))
        }
    }
}
