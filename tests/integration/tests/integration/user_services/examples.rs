//! The sink and the source of `examples/python`, as their README runs them.

use std::fs;
use std::path::PathBuf;

use harness::{Child, Daemon, free_port, wait_until};
use tempfile::TempDir;
use tokio::process::Command;

use super::{NODE, trusted_certificate, wait_for_items, wait_settled};
use crate::peers::{DOMAIN, GrpcCaller, PATIENCE, SECRET, impatient, wait_not_ready};
use crate::python_client::generate_stubs;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/python");
const ORDER: &str = "<order xmlns='urn:example:shop' number='7'/>";

#[tokio::test]
async fn the_sink_in_python_prints_what_is_published_and_takes_it() {
    let (daemon, example) = started("sink.py", &[]).await;
    let create = ["sub", "create", "billing", NODE, "--queue", "--sink", &example.url];
    let token = ["--sink-token-file", example.token.to_str().expect("UTF-8")];
    daemon.cli(create.into_iter().chain(token)).await.expect("an admin may");
    daemon.cli(["pub", NODE, "--id", "order-7", "--xml", ORDER]).await.expect("it may");
    example.prints(&format!("seq 1: order-7 {ORDER}\n")).await;
    wait_settled(&GrpcCaller::new(&daemon), "billing").await;
    // Only who has the token is listened to.
    let wrong = daemon.folder().join("wrong.token");
    fs::write(&wrong, "another\n").expect("the folder is ours");
    let create = ["sub", "create", "stranger", NODE, "--queue", "--sink", &example.url];
    let token = ["--sink-token-file", wrong.to_str().expect("UTF-8")];
    daemon.cli(create.into_iter().chain(token)).await.expect("an admin may");
    let refused = async || {
        let shown = daemon.cli(["sub", "show", "stranger"]).await.expect("it is its own");
        shown.contains("this is not the sink's token").then_some(())
    };
    wait_until("the refusal", PATIENCE, refused).await.expect("it is said");
}

#[tokio::test]
async fn the_source_in_python_is_read_line_by_line_and_on_after_a_kill() {
    let orders = tempfile::NamedTempFile::new().expect("a file");
    let path = orders.path().to_str().expect("UTF-8");
    let (mut daemon, example) = started("source.py", &[path]).await;
    let create = ["source", "create", "shop", NODE, &example.url, "--token-file"];
    let token = example.token.to_str().expect("UTF-8");
    fs::write(orders.path(), "tea\nmilk & honey\nhalf a l").expect("the file is ours");
    daemon.cli(create.into_iter().chain([token])).await.expect("an admin may");
    wait_for_items(&daemon, 2).await;
    daemon.kill9().await.expect("it runs");
    fs::write(orders.path(), "tea\nmilk & honey\nhalf a lemon\n").expect("the file is ours");
    daemon.start().expect("it starts again");
    wait_not_ready(&daemon, "xmpp: ").await;
    wait_for_items(&daemon, 3).await;
    let tail = ["tail", NODE, "--earliest", "--count", "3"];
    let tail = daemon.cli(tail).await.expect("it may read");
    for (line, text) in tail.lines().zip(["tea", "milk &amp; honey", "half a lemon"]) {
        assert!(line.contains(&format!(">{text}</order>")), "{line}");
    }
}

/// One of them as a process; killed when it is dropped.
struct Program {
    url: String,
    token: PathBuf,
    log: PathBuf,
    _process: Child,
    _stubs: TempDir,
}

/// With a daemon that trusts it, and that has no XMPP server.
async fn started(script: &str, more: &[&str]) -> (Daemon, Program) {
    let server = format!("127.0.0.1:{}", free_port());
    let mut daemon = Daemon::init(DOMAIN, &server, SECRET).await.expect("`init` succeeds");
    impatient(&mut daemon);
    let certificate = trusted_certificate(&daemon);
    let (port, stubs) = (free_port(), generate_stubs().await);
    let (token, log) = (daemon.folder().join("service.token"), daemon.folder().join("example.log"));
    fs::write(&token, "t0ken\n").expect("the folder is ours");
    let mut command = Command::new(harness::python().expect("`tests/run` made the venv"));
    command.arg(PathBuf::from(FOLDER).join(script)).arg(port.to_string()).arg(certificate).arg(&token);
    command.args(more).env("PYTHONPATH", stubs.path());
    let process = Child::spawn("the example", &mut command, &log).expect("it starts");
    let url = format!("https://localhost:{port}");
    let program = Program { url, token, log, _process: process, _stubs: stubs };
    program.prints("listening\n").await;
    daemon.start().expect("it starts");
    wait_not_ready(&daemon, "xmpp: ").await;
    GrpcCaller::new(&daemon).create_node(NODE).await.expect("no node yet");
    (daemon, program)
}

impl Program {
    async fn prints(&self, needle: &str) {
        let read = || fs::read_to_string(&self.log).unwrap_or_default();
        let found = async || read().contains(needle).then_some(());
        let found = wait_until("what the example prints", PATIENCE, found).await;
        found.unwrap_or_else(|error| panic!("{error:#}: {needle:?} in {}", read()));
    }
}
