use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, ChildStdout, Command, Output, Stdio};

use tempfile::TempDir;

/// A folder with a configuration, and what can be done there.
pub(crate) struct Bus {
    folder: TempDir,
    /// Where `init` was told to listen for gRPC.
    pub(crate) grpc: SocketAddr,
    /// Where `init` was told to listen for HTTP.
    pub(crate) http: SocketAddr,
}

/// What a command said.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) status: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// A command that goes on; killed when it is dropped.
pub(crate) struct Running {
    child: Child,
    output: BufReader<ChildStdout>,
}

impl Running {
    /// Waits for the next line.
    pub(crate) fn next_line(&mut self) -> String {
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        line
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A daemon that is up; killed when it is dropped.
pub(crate) struct Daemon {
    child: Child,
    log: BufReader<ChildStderr>,
    lines: Vec<String>,
}

impl Bus {
    /// An empty folder, and ports that nobody uses.
    pub(crate) fn empty() -> Self {
        // Both at once, so that they differ.
        let listeners = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
        let [grpc, http] = listeners.map(|listener| listener.local_addr().unwrap());
        Self { folder: tempfile::tempdir().unwrap(), grpc, http }
    }

    /// With what `init` writes. Its XMPP server is on a port where nobody listens.
    pub(crate) fn initialised() -> Self {
        let bus = Self::empty();
        let said = bus.init(&[]);
        assert_eq!(said.status, Some(0), "{said:?}");
        bus
    }

    pub(crate) fn init(&self, more: &[&str]) -> Said {
        let (grpc, http) = (self.grpc.to_string(), self.http.to_string());
        let ports = ["--server", "127.0.0.1:1", "--grpc-listen", &grpc, "--http-listen", &http];
        self.run(&[&["init", "--domain", "events.example.org"], &ports[..], more].concat())
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Replaces a piece of the configuration.
    pub(crate) fn edit(&self, from: &str, to: &str) {
        let path = self.path("stanzabus.toml");
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{from}");
        fs::write(path, text.replace(from, to)).unwrap();
    }

    pub(crate) fn write(&self, name: &str, content: &str) {
        fs::write(self.path(name), content).unwrap();
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Said {
        self.run_with(arguments, &[])
    }

    pub(crate) fn run_with(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Said {
        let mut command = command(self.folder.path(), arguments);
        command.envs(variables.iter().copied()).output().unwrap().into()
    }

    /// Starts the daemon and waits until it serves.
    pub(crate) fn serve(&self) -> Daemon {
        self.serve_with(&[])
    }

    /// Starts the daemon with more in its environment and waits until it serves.
    pub(crate) fn serve_with(&self, variables: &[(&str, &str)]) -> Daemon {
        let mut command = command(self.folder.path(), &["serve"]);
        let mut child = command.envs(variables.iter().copied()).stderr(Stdio::piped()).spawn().unwrap();
        let log = BufReader::new(child.stderr.take().unwrap());
        let mut daemon = Daemon { child, log, lines: Vec::new() };
        daemon.wait_for("gRPC is served");
        daemon
    }

    /// Starts a command that goes on, and whose output is read line by line.
    pub(crate) fn start(&self, arguments: &[&str]) -> Running {
        let mut command = command(self.folder.path(), arguments);
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        Running { child, output }
    }

    /// Status and body.
    pub(crate) fn get(&self, path: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(self.http).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head["HTTP/1.1 ".len()..][..3].parse().unwrap(), body.to_owned())
    }
}

impl Daemon {
    /// Waits until the log has a line with these words; it may be one that was read before.
    pub(crate) fn wait_for(&mut self, words: &str) {
        while !self.lines.iter().any(|line| line.contains(words)) {
            let mut line = String::new();
            let bytes = self.log.read_line(&mut line).unwrap();
            assert!(bytes > 0, "the daemon ended without {words:?}: {:?}", self.lines);
            self.lines.push(line);
        }
    }

    /// Waits until the log has one more line with these words than it had.
    pub(crate) fn wait_for_another(&mut self, words: &str) {
        let read = self.lines.len();
        let before = std::mem::take(&mut self.lines);
        self.wait_for(words);
        self.lines.splice(0..0, before);
        assert!(self.lines.len() > read);
    }

    /// Sends a signal by its name.
    pub(crate) fn signal(&self, name: &str) {
        let kill = format!("kill -{name} {}", self.child.id());
        assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
    }

    /// Sends SIGTERM and waits for the end.
    pub(crate) fn stop(mut self) -> Option<i32> {
        self.signal("TERM");
        // Or the pipe might fill up.
        self.log.read_to_string(&mut String::new()).unwrap();
        self.child.wait().unwrap().code()
    }

    pub(crate) fn is_alive(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl From<Output> for Said {
    fn from(output: Output) -> Self {
        Self {
            status: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

fn command(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_stanzabus"));
    command.current_dir(folder).args(arguments).stdin(Stdio::null());
    command
}
