use std::fs;
use std::path::PathBuf;
use std::process::Stdio;

use harness::Daemon;
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::timeout;

use super::PATIENCE;

/// A program below `examples/` as a child process; killed when it is dropped.
pub(crate) struct Example {
    _process: Child,
    lines: Lines<BufReader<ChildStdout>>,
    stderr: PathBuf,
}

impl Example {
    /// With what all of them are called with: where the daemon is, its token, and what it is about.
    pub(crate) fn start(mut command: Command, daemon: &Daemon, about: &str) -> Self {
        let stderr = daemon.folder().join("example.log");
        command.arg(format!("127.0.0.1:{}", daemon.grpc_port()));
        command.arg(daemon.folder().join("stanzabus.token")).arg(about);
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        command.stderr(fs::File::create(&stderr).expect("the folder is ours"));
        let mut process = command.kill_on_drop(true).spawn().expect("it starts");
        let lines = BufReader::new(process.stdout.take().expect("it is piped")).lines();
        Self { _process: process, lines, stderr }
    }

    /// The next line that it prints.
    pub(crate) async fn line(&mut self) -> String {
        let line = timeout(PATIENCE, self.lines.next_line()).await;
        let complaint = || fs::read_to_string(&self.stderr).unwrap_or_default();
        let line = line.unwrap_or_else(|_| panic!("the example prints nothing more; {}", complaint()));
        line.expect("it prints UTF-8").unwrap_or_else(|| panic!("the example has ended: {}", complaint()))
    }
}
