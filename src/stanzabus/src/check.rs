use std::path::Path;

use crate::client::output;
use crate::failure::Failure;
use crate::{config, push};

/// `stanzabus config check`: reads the configuration as the daemon would, and opens nothing.
pub(crate) fn run(path: &Path) -> Result<(), Failure> {
    let loaded = config::load(path)?;
    loaded.check()?;
    // The daemon starts with broken ones, for the sake of the others.
    if let Some(error) = push::check(&loaded)?.into_iter().find_map(|(_, error)| error) {
        return Err(error.into());
    }
    output::print_line(&format!("{}: ok", path.display()))
}
