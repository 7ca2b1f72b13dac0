//! What the servers have in common below their names: a folder, ports, accounts, a user to run as.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use tokio::process::Command;

use super::{ServerKind, ejabberd, jabberd2, prosody};

/// What the configuration of a server is made of.
#[derive(Debug)]
pub(super) struct Setup {
    pub(super) kind: ServerKind,
    pub(super) folder: PathBuf,
    pub(super) client_port: u16,
    pub(super) component_port: u16,
    pub(super) components: Vec<(String, String)>,
    pub(super) users: Vec<(String, String)>,
    pub(super) keeps_messages: bool,
    pub(super) global_options: String,
    pub(super) component_options: String,
    /// Private key and certificates, in PEM.
    pub(super) component_tls: Option<String>,
    pub(super) grants_privileges: bool,
    pub(super) pushes: bool,
    pub(super) websocket_port: Option<u16>,
}

/// How far a start has come can be read in a log.
pub(super) struct Readiness {
    pub(super) log: PathBuf,
    pub(super) needle: &'static str,
}

impl Setup {
    pub(super) fn write_files(&self) -> Result<()> {
        match self.kind {
            ServerKind::Prosody => prosody::write_files(self),
            ServerKind::Ejabberd => ejabberd::write_files(self),
            ServerKind::Jabberd2 => jabberd2::write_files(self),
        }
    }

    /// What to start, in this order.
    pub(super) fn commands(&self) -> Result<Vec<(&'static str, Command)>> {
        match self.kind {
            ServerKind::Prosody => Ok(vec![("prosody", prosody::command(self))]),
            ServerKind::Ejabberd => Ok(vec![("ejabberd", ejabberd::command(self)?)]),
            ServerKind::Jabberd2 => Ok(jabberd2::commands(self)),
        }
    }

    /// The user that the package made for its server: none of them should run as root.
    pub(super) fn system_user(&self) -> &'static str {
        match self.kind {
            ServerKind::Prosody => "prosody",
            ServerKind::Ejabberd => "ejabberd",
            ServerKind::Jabberd2 => "jabber",
        }
    }

    pub(super) fn log_path(&self) -> PathBuf {
        self.folder.join(match self.kind {
            ServerKind::Prosody => "prosody.log",
            ServerKind::Ejabberd => "ejabberd.log",
            ServerKind::Jabberd2 => "router.log",
        })
    }

    /// What must be logged once more before a start is complete; `None` when the open ports say enough.
    pub(super) fn readiness(&self) -> Option<Readiness> {
        match self.kind {
            ServerKind::Prosody => None,
            ServerKind::Ejabberd => Some(ejabberd::readiness(self)),
            ServerKind::Jabberd2 => Some(jabberd2::readiness(self)),
        }
    }

    /// For a server whose accounts cannot be written before its start.
    pub(super) async fn register_users(&self) -> Result<()> {
        match self.kind {
            ServerKind::Prosody | ServerKind::Ejabberd => Ok(()),
            ServerKind::Jabberd2 => jabberd2::register_users(self).await,
        }
    }

    /// A program, run as the server's own user where root runs the tests. `setpriv` replaces itself by the program,
    /// so the process id is the program's.
    pub(super) fn unprivileged(&self, program: &str) -> Command {
        let program = which(program).unwrap_or_else(|| program.into());
        if !is_root() {
            return Command::new(program);
        }
        let user = self.system_user();
        let mut command = Command::new("setpriv");
        command.arg(format!("--reuid={user}")).arg(format!("--regid={user}"));
        command.args(["--clear-groups", "--"]).arg(program);
        command
    }
}

impl Readiness {
    pub(super) fn count(&self) -> usize {
        fs::read_to_string(&self.log).map_or(0, |text| text.matches(self.needle).count())
    }
}

pub(super) fn give_to(user: &str, folder: &Path) -> Result<()> {
    let status =
        std::process::Command::new("chown").arg("-R").arg(format!("{user}:")).arg(folder).status()?;
    if !status.success() {
        bail!("cannot give {} to the user {user}", folder.display());
    }
    Ok(())
}

pub(super) fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt;
    fs::metadata("/proc/self").is_ok_and(|metadata| metadata.uid() == 0)
}

/// Where a program is. Servers are in `sbin`, which is not on every user's PATH.
pub(super) fn which(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let folders = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/sbin".into()]);
    folders.map(|folder| folder.join(program)).find(|file| file.is_file())
}

/// The folder below `/usr/lib/<machine>` whose name starts with `prefix` and that holds `file`.
pub(super) fn library_folder(prefix: &str, file: &str) -> Option<PathBuf> {
    let below =
        |folder: PathBuf| fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let starts =
        |path: &PathBuf| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(prefix));
    let mut folders = below("/usr/lib".into()).flat_map(below).filter(starts);
    folders.find(|folder| folder.join(file).is_file())
}
