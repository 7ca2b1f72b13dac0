//! The daemon under test, as a child process.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Output};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tempfile::TempDir;
use tokio::process::Command;
use tokio::time::timeout;

use crate::{Child, free_port, http_get};

const READY_PATIENCE: Duration = Duration::from_mins(2);
const STOP_PATIENCE: Duration = Duration::from_mins(1);
const CLI_PATIENCE: Duration = Duration::from_mins(2);

/// A `stanzabus` with a folder and ports of its own, which outlive its process. Killed when dropped.
///
/// ```no_run
/// # async fn example() -> anyhow::Result<()> {
/// let mut daemon = harness::Daemon::init("events.localhost", "127.0.0.1:5347", "secret").await?;
/// daemon.start()?;
/// daemon.wait_ready().await?;
/// daemon.cli(["node", "create", "orders"]).await?;
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct Daemon {
    // First, so that it is killed before its folder is removed.
    process: Option<Child>,
    folder: TempDir,
    binary: PathBuf,
    grpc_port: u16,
    http_port: u16,
    environment: Vec<(OsString, OsString)>,
}

impl Daemon {
    /// Makes the folder and runs `stanzabus init` in it, as a user would. `secret` replaces the fresh one, so that a
    /// server can be configured before.
    ///
    /// # Errors
    /// When the binary is not built, or `init` fails.
    pub async fn init(domain: &str, server: &str, secret: &str) -> Result<Self> {
        Self::init_on_store("sqlite:stanzabus.db", domain, server, secret).await
    }

    /// As [`Self::init`], with the store of this URL.
    ///
    /// # Errors
    /// See [`Self::init`].
    pub async fn init_on_store(store: &str, domain: &str, server: &str, secret: &str) -> Result<Self> {
        let daemon = Self {
            folder: tempfile::Builder::new().prefix("stanzabus-daemon-").tempdir()?,
            binary: Self::binary()?,
            grpc_port: free_port(),
            http_port: free_port(),
            environment: Vec::new(),
            process: None,
        };
        let grpc_listen = format!("127.0.0.1:{}", daemon.grpc_port);
        let http_listen = format!("127.0.0.1:{}", daemon.http_port);
        let addresses = [
            ["--server", server],
            ["--store", store],
            ["--grpc-listen", &grpc_listen],
            ["--http-listen", &http_listen],
        ];
        daemon.cli(["init", "--domain", domain].into_iter().chain(addresses.concat())).await?;
        fs::write(daemon.folder.path().join("stanzabus.secret"), secret)?;
        Ok(daemon)
    }

    /// The binary under test: `STANZABUS_BIN`, or the one that Cargo put above the folder of this test.
    ///
    /// # Errors
    /// When it is not built.
    pub fn binary() -> Result<PathBuf> {
        let beside_tests = || {
            let test = std::env::current_exe().ok()?;
            Some(test.parent()?.parent()?.join("stanzabus"))
        };
        let path = std::env::var_os("STANZABUS_BIN").map(PathBuf::from).or_else(beside_tests);
        let path = path.context("where the binary is")?;
        if !path.is_file() {
            bail!("{} is not built; `cargo build -p stanzabus` builds it", path.display());
        }
        Ok(path)
    }

    /// Runs another binary from the next start on.
    pub fn use_binary(&mut self, binary: impl Into<PathBuf>) {
        self.binary = binary.into();
    }

    /// Sets an environment variable of the daemon and of the client commands: `STANZABUS_…` for one key of the
    /// configuration, or what a test interposes with.
    pub fn set_env(&mut self, name: impl Into<OsString>, value: impl Into<OsString>) {
        self.environment.push((name.into(), value.into()));
    }

    /// Serves the HTTP API from the next start on, on loopback; the port.
    pub fn serve_api(&mut self) -> u16 {
        let port = free_port();
        self.set_env("STANZABUS_HTTP__API_LISTEN", format!("127.0.0.1:{port}"));
        port
    }

    /// The folder that holds the configuration, the secret, the token and the store.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The configuration that `init` wrote.
    pub fn config_path(&self) -> PathBuf {
        self.folder().join("stanzabus.toml")
    }

    /// What the daemon printed, over all its runs.
    pub fn log_path(&self) -> PathBuf {
        self.folder().join("daemon.log")
    }

    /// Where gRPC listens, on loopback.
    pub fn grpc_port(&self) -> u16 {
        self.grpc_port
    }

    /// Where metrics and health are served, on loopback.
    pub fn http_port(&self) -> u16 {
        self.http_port
    }

    /// The process id, while it runs.
    pub fn process_id(&self) -> Option<u32> {
        self.process.as_ref().and_then(Child::id)
    }

    /// Starts `serve`; it may not be ready yet.
    ///
    /// # Errors
    /// When it runs already, or the binary does not start.
    pub fn start(&mut self) -> Result<()> {
        if self.process.is_some() {
            bail!("the daemon runs already");
        }
        let mut command = self.command();
        command.arg("serve");
        self.process = Some(Child::spawn("the daemon", &mut command, &self.log_path())?);
        Ok(())
    }

    /// Waits until `/readyz` answers 200.
    ///
    /// # Errors
    /// With the end of the log, when the daemon ends or is not ready within two minutes.
    pub async fn wait_ready(&mut self) -> Result<()> {
        let port = self.http_port;
        let process = self.process.as_mut().context("the daemon does not run")?;
        let ready = process.wait_until("the daemon's /readyz", READY_PATIENCE, async || {
            http_get(port, "/readyz").await.ok().filter(|response| response.status == 200).map(drop)
        });
        ready.await
    }

    /// SIGKILL: what is not on disk is lost.
    ///
    /// # Errors
    /// When it does not run.
    pub async fn kill9(&mut self) -> Result<()> {
        self.process.take().context("the daemon does not run")?.kill9().await
    }

    /// SIGTERM, and the status of its orderly end.
    ///
    /// # Errors
    /// When it does not run, or does not end within a minute.
    pub async fn terminate(&mut self) -> Result<ExitStatus> {
        self.process.take().context("the daemon does not run")?.terminate(STOP_PATIENCE).await
    }

    /// Sends a signal, by its name without SIG: STOP, CONT, TERM, …
    ///
    /// # Errors
    /// When it does not run.
    pub async fn signal(&mut self, signal: &str) -> Result<()> {
        self.process.as_mut().context("the daemon does not run")?.signal(signal).await
    }

    /// The status of an end that something else has asked for.
    ///
    /// # Errors
    /// When it does not run, or does not end within a minute.
    pub async fn wait_for_end(&mut self) -> Result<ExitStatus> {
        self.process.take().context("the daemon does not run")?.wait(STOP_PATIENCE).await
    }

    /// SIGTERM, then a new process on the same folder and ports, until it is ready.
    ///
    /// # Errors
    /// See [`Self::terminate`], [`Self::start`] and [`Self::wait_ready`].
    pub async fn restart(&mut self) -> Result<()> {
        self.terminate().await?;
        self.start()?;
        self.wait_ready().await
    }

    /// Runs a client command to its end and returns what it printed on its standard output.
    ///
    /// # Errors
    /// When its status is not 0; the message has what it printed on its standard error.
    pub async fn cli<A: AsRef<str>>(&self, arguments: impl IntoIterator<Item = A>) -> Result<String> {
        let arguments: Vec<_> = arguments.into_iter().map(|argument| argument.as_ref().to_owned()).collect();
        let output = self.cli_output(&arguments).await?;
        if !output.status.success() {
            bail!("{arguments:?}: {}: {}", output.status, String::from_utf8_lossy(&output.stderr));
        }
        String::from_utf8(output.stdout).context("the command prints UTF-8")
    }

    /// Runs a client command to its end, whatever its status.
    ///
    /// # Errors
    /// When it does not end within two minutes.
    pub async fn cli_output(&self, arguments: &[String]) -> Result<Output> {
        let mut command = self.command();
        command.args(arguments).kill_on_drop(true);
        let ended = timeout(CLI_PATIENCE, command.output()).await;
        Ok(ended.with_context(|| format!("{arguments:?} does not end"))??)
    }

    /// The binary with `--config`, in its folder, for commands that a test runs in its own way.
    pub fn command(&self) -> Command {
        let mut command = Command::new(&self.binary);
        command.arg("--config").arg(self.config_path()).current_dir(self.folder());
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }
}
