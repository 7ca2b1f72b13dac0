use std::fs;
use std::path::PathBuf;

use harness::{Authority, Child, Daemon, Validity, free_port, wait_until, whole_lines};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::process::Command;

use crate::peers::PATIENCE;

/// What requests are signed with.
pub(super) const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// A receiver of webhooks in Python, which answers as it is told.
pub(super) struct Receiver {
    pub(super) port: u16,
    folder: TempDir,
    _process: Child,
}

impl Receiver {
    /// One that agrees and takes everything, and that the daemon trusts once it starts again.
    pub(super) async fn start(daemon: &Daemon) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let authority = Authority::new().expect("an authority");
        let pem =
            authority.key_and_certificate_pem(&["localhost"], Validity::Current).expect("a certificate");
        let certificate = folder.path().join("server.pem");
        fs::write(&certificate, pem).expect("the folder is ours");
        fs::write(daemon.folder().join("authority.pem"), authority.certificate_pem()).expect("it is ours");
        let mut config = fs::read_to_string(daemon.config_path()).expect("`init` wrote it");
        config.push_str(
            "\n[outbound]\nallow_addresses = ['127.0.0.0/8', '::1']\nauthorities_file = 'authority.pem'\n",
        );
        config.push_str("callback_url = 'https://bus.example.org'\n");
        fs::write(daemon.config_path(), config).expect("the folder is ours");
        let port = free_port();
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/integration/webhooks/receiver.py");
        let mut command = Command::new(harness::python().expect("`tests/run` made the venv"));
        command.arg(script).arg(port.to_string()).arg(&certificate).arg(folder.path()).arg(SECRET);
        let process =
            Child::spawn("the receiver", &mut command, &folder.path().join("log")).expect("it starts");
        let receiver = Self { port, folder, _process: process };
        receiver.agree(
            &json!({ "WebHook-Allowed-Origin": "*", "WebHook-Allowed-Rate": "*" }),
            204,
            &json!({}),
        );
        let listening = async || TcpStream::connect(("127.0.0.1", port)).await.ok().map(drop);
        wait_until("the receiver", PATIENCE, listening).await.expect("it listens");
        receiver
    }

    /// A key and a certificate for localhost that the daemon trusts.
    pub(super) fn certificate(&self) -> PathBuf {
        self.folder.path().join("server.pem")
    }

    pub(super) fn url(&self) -> String {
        format!("https://localhost:{}/hook", self.port)
    }

    /// Answers deliveries with a status from now on.
    pub(super) fn answer(&self, status: u16, headers: &Value) {
        self.agree(&json!({ "WebHook-Allowed-Origin": "*" }), status, headers);
    }

    /// Answers OPTIONS with these headers, and deliveries with a status, from now on.
    pub(super) fn agree(&self, agreement: &Value, status: u16, headers: &Value) {
        let answers = json!({
            "OPTIONS": { "status": 200, "headers": agreement },
            "POST": { "status": status, "headers": headers },
            "GET": { "status": 500 },
        });
        let (path, new) = (self.folder.path().join("answers.json"), self.folder.path().join("new"));
        fs::write(&new, answers.to_string()).expect("the folder is ours");
        fs::rename(new, path).expect("the folder is ours");
    }

    /// What has come until now.
    pub(super) fn requests(&self) -> Vec<Value> {
        let lines = whole_lines(&self.folder.path().join("requests"));
        lines.iter().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect()
    }

    /// The deliveries that have come until now.
    pub(super) fn deliveries(&self) -> Vec<Value> {
        self.requests().into_iter().filter(|request| request["method"] == "POST").collect()
    }

    /// Waits until what has come is as it should be.
    pub(super) async fn wait(&self, what: &str, is_so: impl Fn(&[Value]) -> bool) -> Vec<Value> {
        let found = async || Some(self.requests()).filter(|requests| is_so(requests));
        match wait_until(what, PATIENCE, found).await {
            Ok(requests) => requests,
            Err(error) => panic!("{error:#}; it has {:#?}", self.requests()),
        }
    }
}
