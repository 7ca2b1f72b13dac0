//! Servers that refuse to run as root: root runs them as the user that their package made.

use std::fs;
use std::path::Path;

use anyhow::{Result, bail};
use tokio::process::Command;

/// A command of the server's user. `setpriv` replaces itself by the program, so the process id is the program's.
pub(crate) fn command(program: &str, user: &str) -> Command {
    if !is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command.arg(format!("--reuid={user}")).arg(format!("--regid={user}"));
    command.args(["--clear-groups", "--", program]);
    command
}

/// Gives a folder with everything in it to the server's user.
///
/// # Errors
/// When the user does not exist.
pub(crate) fn give(folder: &Path, user: &str) -> Result<()> {
    if !is_root() {
        return Ok(());
    }
    let status =
        std::process::Command::new("chown").arg("-R").arg(format!("{user}:")).arg(folder).status()?;
    if !status.success() {
        bail!("cannot give {} to the user {user}", folder.display());
    }
    Ok(())
}

fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt;
    fs::metadata("/proc/self").is_ok_and(|metadata| metadata.uid() == 0)
}
