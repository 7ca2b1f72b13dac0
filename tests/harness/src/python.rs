//! The Python that has the foreign clients.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};

/// The interpreter of the venv with `tests/requirements.txt`: `STANZABUS_TEST_PYTHON`, or the one that `tests/run` made
/// below Cargo's target folder.
///
/// # Errors
/// When it is not there; the message says how to make it.
pub fn python() -> Result<PathBuf> {
    let below_target = || {
        let test = std::env::current_exe().ok()?;
        Some(test.ancestors().nth(3)?.join("test-venv/bin/python"))
    };
    let path = std::env::var_os("STANZABUS_TEST_PYTHON").map(PathBuf::from).or_else(below_target);
    let path = path.context("where the venv is")?;
    if !path.is_file() {
        bail!("{} is missing; `tests/run` makes it, from tests/requirements.txt", path.display());
    }
    Ok(path)
}
