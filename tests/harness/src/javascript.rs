//! The JavaScript packages of the foreign clients.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};

/// The folder with the packages of `tests/package.json`, for `NODE_PATH`: `STANZABUS_TEST_NODE_MODULES`, or the one that
/// `tests/run` made below Cargo's target folder.
///
/// # Errors
/// When it is not there; the message says how to make it.
pub fn node_modules() -> Result<PathBuf> {
    let below_target = || {
        let test = std::env::current_exe().ok()?;
        Some(test.ancestors().nth(3)?.join("test-javascript/node_modules"))
    };
    let path = std::env::var_os("STANZABUS_TEST_NODE_MODULES").map(PathBuf::from).or_else(below_target);
    let path = path.context("where the packages are")?;
    if !path.is_dir() {
        bail!("{} is missing; `tests/run` makes it, from tests/package.json", path.display());
    }
    Ok(path)
}
