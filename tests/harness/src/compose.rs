//! The services of `compose.yaml`, run on this machine without containers: their commands, environments and health
//! checks are read from the file and mapped (the table is at [`mapping::Mapping`]).

mod file;
mod mapping;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tempfile::TempDir;
use tokio::process::Command;
use tokio::time::timeout;

use crate::{Child, Daemon};
pub use file::ComposeFile;
use file::Service;
use mapping::Mapping;

/// Health checks are asked as fast as that, whatever their interval: nobody pays for them here.
const CHECK_INTERVAL: Duration = Duration::from_millis(200);
const STOP_PATIENCE: Duration = Duration::from_mins(1);

/// The stack. Its processes are killed when it is dropped.
#[derive(Debug)]
pub struct Compose {
    // First, so that they are killed before their folder is removed; in the order in which they started.
    running: Vec<(String, Child)>,
    file: ComposeFile,
    mapping: Mapping,
    folder: TempDir,
}

impl Compose {
    /// Reads the file and makes folders, secrets and ports; nothing runs yet.
    ///
    /// # Errors
    /// When the file has what this harness does not know.
    pub async fn new() -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("stanzabus-compose-").tempdir()?;
        let file = ComposeFile::read()?;
        let mapping = Mapping::new(&file, folder.path());
        let mut make_secrets = Command::new(root().join("examples/compose/make-secrets"));
        if !make_secrets.arg(folder.path().join("secrets")).status().await?.success() {
            bail!("make-secrets failed");
        }
        // Where the image of the daemon has it: on the PATH.
        fs::create_dir(folder.path().join("bin"))?;
        symlink(Daemon::binary()?, folder.path().join("bin/stanzabus"))?;
        // Servers that give up root have to reach their own folders below it.
        fs::set_permissions(folder.path(), std::os::unix::fs::PermissionsExt::from_mode(0o711))?;
        Ok(Self { running: Vec::new(), file, mapping, folder })
    }

    /// Starts every service that does not run, each when those that it depends on are healthy, and waits until all are.
    ///
    /// # Errors
    /// When a service ends, or is not healthy in the time that its health check gives it; with the end of its log.
    pub async fn up(&mut self) -> Result<()> {
        for name in self.file.start_order() {
            if self.running.iter().any(|(running, _)| *running == name) {
                continue;
            }
            let service = self.file.services[&name].clone();
            let mut command = self.command(&service, &service.command)?;
            let log = self.folder.path().join(format!("{name}.log"));
            let mut process = Child::spawn(&name, &mut command, &log)?;
            let patience = service.healthcheck.patience()?;
            let what = format!("a healthy {name}");
            let is_healthy = process.wait_until(&what, patience, async || {
                tokio::time::sleep(CHECK_INTERVAL).await;
                self.is_healthy(&service).await.ok().filter(|healthy| *healthy).map(drop)
            });
            is_healthy.await?;
            self.running.push((name, process));
        }
        Ok(())
    }

    /// Stops a service with its signal. Its grace is for a machine that does nothing else, so it is not the bound here.
    ///
    /// # Errors
    /// When it does not run, takes longer, or ends with another status than 0.
    pub async fn stop(&mut self, name: &str) -> Result<()> {
        let at = self.running.iter().position(|(running, _)| running == name);
        let (_, mut process) = self.running.remove(at.with_context(|| format!("{name} does not run"))?);
        let service = &self.file.services[name];
        process.signal(service.stop_signal.trim_start_matches("SIG")).await?;
        let log = process.log_tail();
        let status = process.wait_and_wake(STOP_PATIENCE).await?;
        if !status.success() {
            bail!("{name} ends with {status}; {log}");
        }
        Ok(())
    }

    /// Stops every service, last started first.
    ///
    /// # Errors
    /// As [`Self::stop`].
    pub async fn down(&mut self) -> Result<()> {
        while let Some((name, _)) = self.running.last() {
            let name = name.clone();
            self.stop(&name).await?;
        }
        Ok(())
    }

    /// The loopback port that stands for a port of a container.
    ///
    /// # Panics
    /// When no service listens on it.
    pub fn port(&self, port: u16) -> u16 {
        self.mapping.port(port).expect("a port of compose.yaml")
    }

    /// The text of a secret.
    ///
    /// # Errors
    /// When there is none of that name.
    pub fn secret(&self, name: &str) -> Result<String> {
        Ok(fs::read_to_string(self.folder.path().join("secrets").join(name))?)
    }

    /// Runs a command beside a service, with its environment, as `docker compose exec` does. `prosodyctl` gets the
    /// configuration of the service.
    ///
    /// # Errors
    /// With what it printed, when it fails.
    pub async fn run_in(&self, name: &str, arguments: &[&str]) -> Result<()> {
        let service = &self.file.services[name];
        let mut arguments: Vec<String> = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        if arguments.first().is_some_and(|program| program == "prosodyctl") {
            let config = "/opt/stanzabus/examples/compose/prosody.cfg.lua".to_owned();
            arguments.splice(1..1, ["--config".to_owned(), config]);
        }
        let output = self.command(service, &arguments)?.output().await?;
        if !output.status.success() {
            bail!(
                "{arguments:?}: {}{}",
                String::from_utf8_lossy(&output.stdout),
                String::from_utf8_lossy(&output.stderr)
            );
        }
        Ok(())
    }

    async fn is_healthy(&self, service: &Service) -> Result<bool> {
        let Some(("CMD", arguments)) =
            service.healthcheck.test.split_first().map(|(kind, rest)| (&**kind, rest))
        else {
            bail!("a health check is written as CMD");
        };
        let mut check = self.command(service, arguments)?;
        check.kill_on_drop(true).stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
        let patience = service.healthcheck.timeout()?;
        Ok(timeout(patience, check.status()).await??.success())
    }

    /// A program with the service's environment, as the container would start it.
    fn command(&self, service: &Service, arguments: &[String]) -> Result<Command> {
        let (program, arguments) = arguments.split_first().context("a command has a program")?;
        let mut command = Command::new(self.mapping.apply(program));
        command.args(arguments.iter().map(|argument| self.mapping.apply(argument)));
        command.envs(service.environment.iter().map(|(name, value)| (name, self.mapping.apply(value))));
        let path = std::env::var_os("PATH").unwrap_or_default();
        let folders = std::iter::once(self.folder.path().join("bin")).chain(std::env::split_paths(&path));
        command.env("PATH", std::env::join_paths(folders)?).current_dir(self.folder.path());
        Ok(command)
    }
}

/// The top of the repository.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().expect("this crate stands in it")
}
