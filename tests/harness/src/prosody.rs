//! A real Prosody of our own: loopback only, no TLS, no federation, data in a temporary folder.

mod config;

use std::fs;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tempfile::TempDir;
use tokio::net::TcpStream;

use crate::child::tail;
use crate::{Child, free_port, server_user};

const START_PATIENCE: Duration = Duration::from_secs(20);
const STOP_PATIENCE: Duration = Duration::from_secs(10);
const SERVER_USER: &str = "prosody";

/// A Prosody that serves the host `localhost`. Killed when dropped.
///
/// ```no_run
/// # async fn example() -> anyhow::Result<()> {
/// let mut prosody = harness::Prosody::new()?.component("events.localhost", "secret").user("alice", "password");
/// prosody.start().await?;
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct Prosody {
    // First, so that it is killed before its folder is removed.
    process: Option<Child>,
    folder: TempDir,
    client_port: u16,
    component_port: u16,
    components: Vec<(String, String)>,
    users: Vec<(String, String)>,
    global_options: String,
}

impl Prosody {
    /// The virtual host that users live on.
    pub const HOST: &str = "localhost";

    /// Picks ports and a folder; nothing runs yet.
    ///
    /// # Errors
    /// When Prosody is not installed, or there is no room for the folder.
    pub fn new() -> Result<Self> {
        if which("prosody").is_none() {
            bail!("Prosody is missing; `examples/quickstart/install.sh prosody` installs it");
        }
        Ok(Self {
            folder: tempfile::Builder::new().prefix("stanzabus-prosody-").tempdir()?,
            client_port: free_port(),
            component_port: free_port(),
            components: Vec::new(),
            users: Vec::new(),
            global_options: String::new(),
            process: None,
        })
    }

    /// Adds an external component (XEP-0114), or gives one another secret from the next start on.
    #[must_use]
    pub fn component(mut self, domain: &str, secret: &str) -> Self {
        self.components.retain(|(known, _)| known != domain);
        self.components.push((domain.to_owned(), secret.to_owned()));
        self
    }

    /// Adds an account `name@localhost`.
    #[must_use]
    pub fn user(mut self, name: &str, password: &str) -> Self {
        self.users.push((name.to_owned(), password.to_owned()));
        self
    }

    /// Adds lines to the global section of the configuration; a later line wins over the harness's own.
    #[must_use]
    pub fn global_options(mut self, lua: &str) -> Self {
        self.global_options.push_str(lua);
        self.global_options.push('\n');
        self
    }

    /// Where XMPP clients connect.
    pub fn client_port(&self) -> u16 {
        self.client_port
    }

    /// Where components connect.
    pub fn component_port(&self) -> u16 {
        self.component_port
    }

    /// Prosody's own log.
    pub fn log_path(&self) -> PathBuf {
        self.folder.path().join("prosody.log")
    }

    /// Writes configuration and accounts, starts, and waits until both ports answer. After [`Self::stop`] or
    /// [`Self::kill9`] it starts again on the same ports and data.
    ///
    /// # Errors
    /// With the end of the log.
    pub async fn start(&mut self) -> Result<()> {
        if self.process.is_some() {
            bail!("Prosody runs already");
        }
        self.write_files()?;
        let config = self.folder.path().join("prosody.cfg.lua");
        let mut command = server_user::command("prosody", SERVER_USER);
        command.arg("-F").arg("--config").arg(config);
        self.process = Some(Child::spawn("Prosody", &mut command, &self.folder.path().join("output.log"))?);
        for port in [self.component_port, self.client_port] {
            self.wait_for_port(port).await?;
        }
        Ok(())
    }

    /// Ends it in an orderly way: streams are closed.
    ///
    /// # Errors
    /// When it does not run, or does not end within 10 seconds.
    pub async fn stop(&mut self) -> Result<()> {
        let process = self.process.take().context("Prosody does not run")?;
        process.terminate(STOP_PATIENCE).await.map(drop)
    }

    /// Ends it at once: connections are cut by the kernel.
    ///
    /// # Errors
    /// When it does not run.
    pub async fn kill9(&mut self) -> Result<()> {
        self.process.take().context("Prosody does not run")?.kill9().await
    }

    async fn wait_for_port(&mut self, port: u16) -> Result<()> {
        let log = self.log_path();
        let process = self.process.as_mut().context("Prosody does not run")?;
        let what = format!("Prosody's port {port}");
        let connected = process.wait_until(&what, START_PATIENCE, async || {
            TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.ok().map(drop)
        });
        connected.await.with_context(|| tail(&log))
    }

    fn write_files(&self) -> Result<()> {
        let folder = self.folder.path();
        fs::write(folder.join("prosody.cfg.lua"), self.config())?;
        let accounts = folder.join(Self::HOST).join("accounts");
        fs::create_dir_all(&accounts)?;
        for (name, password) in &self.users {
            let account = format!("return {{ [\"password\"] = \"{password}\"; }};\n");
            fs::write(accounts.join(format!("{name}.dat")), account)?;
        }
        server_user::give(folder, SERVER_USER)
    }
}

fn which(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(program)).find(|file| file.is_file())
}
