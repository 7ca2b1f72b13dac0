//! Real XMPP servers of our own: loopback only, no federation, data in a temporary folder.

mod ejabberd;
mod jabberd2;
mod prosody;
mod setup;

use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tempfile::TempDir;
use tokio::net::TcpStream;

use crate::child::tail;
use crate::{Child, free_port, wait_until};
use setup::{Readiness, Setup, give_to, is_root, which};

const START_PATIENCE: Duration = Duration::from_mins(2);
const STOP_PATIENCE: Duration = Duration::from_mins(1);

/// The servers that the daemon is tested behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServerKind {
    /// Prosody, as Debian has it.
    Prosody,
    /// ejabberd, as Debian has it, without Erlang distribution: no cookie, no epmd, no port but its own two.
    Ejabberd,
    /// jabberd2, as Debian has it: router, session manager and c2s.
    Jabberd2,
}

/// A server of one kind that serves the host `localhost`. Killed when dropped.
///
/// ```no_run
/// # async fn example() -> anyhow::Result<()> {
/// use harness::{ServerKind, XmppServer};
/// let server = XmppServer::new(ServerKind::Ejabberd)?.component("events.localhost", "secret");
/// let mut server = server.user("alice", "password");
/// server.start().await?;
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct XmppServer {
    // First, so that they are killed before their folder is removed. In the order in which they start.
    processes: Vec<Child>,
    folder: TempDir,
    setup: Setup,
}

impl XmppServer {
    /// The virtual host that users live on.
    pub const HOST: &str = "localhost";

    /// Picks ports and a folder; nothing runs yet.
    ///
    /// # Errors
    /// When the server is not installed, or there is no room for the folder.
    pub fn new(kind: ServerKind) -> Result<Self> {
        let (program, need) = match kind {
            ServerKind::Prosody => ("prosody", "prosody"),
            ServerKind::Ejabberd => ("ejabberdctl", "ejabberd"),
            ServerKind::Jabberd2 => ("jabberd2-router", "jabberd2"),
        };
        if which(program).is_none() {
            bail!("{kind:?} is missing; `examples/quickstart/install.sh {need}` installs it");
        }
        let folder = tempfile::Builder::new().prefix("stanzabus-server-").tempdir()?;
        let setup = Setup {
            kind,
            folder: folder.path().to_owned(),
            client_port: free_port(),
            component_port: free_port(),
            components: Vec::new(),
            users: Vec::new(),
            keeps_messages: true,
            global_options: String::new(),
            component_options: String::new(),
            component_tls: None,
            grants_privileges: false,
            pushes: false,
            websocket_port: None,
        };
        Ok(Self { processes: Vec::new(), folder, setup })
    }

    /// Which one it is.
    pub fn kind(&self) -> ServerKind {
        self.setup.kind
    }

    /// Adds an external component (XEP-0114), or gives one another secret from the next start on. On jabberd2 the last
    /// secret is that of all.
    #[must_use]
    pub fn component(mut self, domain: &str, secret: &str) -> Self {
        self.setup.components.retain(|(known, _)| known != domain);
        self.setup.components.push((domain.to_owned(), secret.to_owned()));
        self
    }

    /// Adds an account `name@localhost`.
    #[must_use]
    pub fn user(mut self, name: &str, password: &str) -> Self {
        self.setup.users.push((name.to_owned(), password.to_owned()));
        self
    }

    /// Has it keep no messages for users who are away: what comes for them goes back. jabberd2 has no say in that.
    #[must_use]
    pub fn without_offline_storage(mut self) -> Self {
        self.setup.keeps_messages = false;
        self
    }

    /// Adds lines to the global section of the configuration, in its own language; a later line wins over the
    /// harness's own. jabberd2 has no such section.
    #[must_use]
    pub fn global_options(mut self, lines: &str) -> Self {
        self.setup.global_options.push_str(lines);
        self.setup.global_options.push('\n');
        self
    }

    /// Adds an option of ejabberd's listener for components, as one line of YAML.
    #[must_use]
    pub fn component_option(mut self, line: &str) -> Self {
        self.setup.component_options.push_str("    ");
        self.setup.component_options.push_str(line);
        self.setup.component_options.push('\n');
        self
    }

    /// Lets its components read the rosters of its users and hear of their presence (XEP-0356), or not, from the next start
    /// on. On Prosody that takes modules of its community. jabberd2 knows nothing of the kind.
    #[must_use]
    pub fn grants_privileges(mut self, grants: bool) -> Self {
        self.setup.grants_privileges = grants;
        self
    }

    /// Has it push for users who are away (XEP-0357), where their clients enable that. On Prosody that takes a module of its
    /// community. jabberd2 cannot.
    #[must_use]
    pub fn with_pushes(mut self) -> Self {
        self.setup.pushes = true;
        self
    }

    /// Lets clients come over WebSocket (RFC 7395) too. jabberd2 cannot.
    #[must_use]
    pub fn with_websocket(mut self) -> Self {
        self.setup.websocket_port = Some(free_port());
        self
    }

    /// Lets ejabberd's listener for components speak TLS only, from the next start on.
    #[must_use]
    pub fn component_tls(mut self, key_and_certificates_pem: &str) -> Self {
        self.setup.component_tls = Some(key_and_certificates_pem.to_owned());
        self
    }

    /// Where XMPP clients connect.
    pub fn client_port(&self) -> u16 {
        self.setup.client_port
    }

    /// Where clients connect over WebSocket, if they may.
    pub fn websocket_url(&self) -> Option<String> {
        self.setup.websocket_port.map(|port| format!("ws://127.0.0.1:{port}/xmpp-websocket"))
    }

    /// Where components connect.
    pub fn component_port(&self) -> u16 {
        self.setup.component_port
    }

    /// The server's own log; jabberd2's router's.
    pub fn log_path(&self) -> PathBuf {
        self.setup.log_path()
    }

    /// Writes configuration and accounts, starts, and waits until users can log in. After [`Self::stop`] or
    /// [`Self::kill9`] it starts again on the same ports and data.
    ///
    /// # Errors
    /// With the end of the log.
    pub async fn start(&mut self) -> Result<()> {
        if !self.processes.is_empty() {
            bail!("{:?} runs already", self.setup.kind);
        }
        self.setup.write_files()?;
        if is_root() {
            give_to(self.setup.system_user(), self.folder.path())?;
        }
        let readiness = self.setup.readiness();
        let ready_before = readiness.as_ref().map_or(0, Readiness::count);
        for (name, mut command) in self.setup.commands()? {
            let output = self.folder.path().join(format!("{name}.output.log"));
            self.processes.push(Child::spawn(name, &mut command, &output)?);
        }
        let ports = [self.setup.component_port, self.setup.client_port];
        for port in ports.into_iter().chain(self.setup.websocket_port) {
            let listens = async || TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.ok().map(drop);
            self.wait_until(&format!("port {port}"), listens).await?;
        }
        if let Some(readiness) = readiness {
            self.wait_until("its log", async || (readiness.count() > ready_before).then_some(())).await?;
        }
        self.setup.register_users().await
    }

    /// Ends it in an orderly way: streams are closed.
    ///
    /// # Errors
    /// When it does not run, or does not end within a minute.
    pub async fn stop(&mut self) -> Result<()> {
        self.check_started()?;
        while let Some(process) = self.processes.pop() {
            process.terminate_and_wake(STOP_PATIENCE).await?;
        }
        Ok(())
    }

    /// Ends it at once: connections are cut by the kernel.
    ///
    /// # Errors
    /// When it does not run.
    pub async fn kill9(&mut self) -> Result<()> {
        self.check_started()?;
        while let Some(process) = self.processes.pop() {
            process.kill9().await?;
        }
        Ok(())
    }

    /// SIGSTOP: it keeps its connections, and does nothing.
    ///
    /// # Errors
    /// When it does not run.
    pub async fn suspend(&mut self) -> Result<()> {
        self.signal("STOP").await
    }

    /// SIGCONT: it goes on where it was suspended.
    ///
    /// # Errors
    /// When it does not run.
    pub async fn resume(&mut self) -> Result<()> {
        self.signal("CONT").await
    }

    async fn signal(&mut self, name: &str) -> Result<()> {
        self.check_started()?;
        for process in &mut self.processes {
            process.signal(name).await?;
        }
        Ok(())
    }

    fn check_started(&self) -> Result<()> {
        if self.processes.is_empty() {
            bail!("{:?} does not run", self.setup.kind);
        }
        Ok(())
    }

    async fn wait_until(&mut self, what: &str, mut probe: impl AsyncFnMut() -> Option<()>) -> Result<()> {
        let (processes, kind) = (&mut self.processes, self.setup.kind);
        let what = format!("{kind:?}: {what}");
        let answer = wait_until(&what, START_PATIENCE, async || {
            match processes.iter_mut().try_for_each(Child::check_running) {
                Err(ended) => Some(Err(ended)),
                Ok(()) => probe().await.map(Ok),
            }
        });
        answer.await.flatten().with_context(|| tail(&self.setup.log_path()))
    }
}
