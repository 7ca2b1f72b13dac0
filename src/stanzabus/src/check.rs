use std::path::Path;

use crate::client::output;
use crate::config;
use crate::failure::Failure;

/// `stanzabus config check`: reads the configuration as the daemon would, and opens nothing.
pub(crate) fn run(path: &Path) -> Result<(), Failure> {
    config::load(path)?.check()?;
    output::print_line(&format!("{}: ok", path.display()))
}
