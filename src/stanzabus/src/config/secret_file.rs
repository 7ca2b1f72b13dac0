use std::fs;
use std::path::Path;

use super::ConfigError;

/// The first line of a file, without the space around it.
pub(super) fn read(key: &'static str, path: &Path) -> Result<String, ConfigError> {
    let text = fs::read_to_string(path).map_err(|error| {
        let message = format!(
            "cannot read {}: {error}; it must be readable by the user who runs stanzabus",
            path.display()
        );
        ConfigError::invalid(key, message)
    })?;
    Ok(text.lines().next().unwrap_or_default().trim().to_owned())
}
