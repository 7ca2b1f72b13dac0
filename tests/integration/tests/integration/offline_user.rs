//! A user who was away gets everything on return, with the client command that the README shows, whether or not the
//! server keeps messages for users who are away.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::Stdio;

use harness::{Daemon, ServerKind, XmppServer, wait_until};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout};
use tokio::time::timeout;

use crate::peers::{GrpcCaller, PASSWORD, PATIENCE, attached, behind_each_server, metric, server};

const MISSED: u64 = 500;
const LIVE: u64 = 20;

behind_each_server!(
    a_user_away_for_500_events_gets_all_of_them_on_return,
    a_user_whose_server_has_kept_them_too_sees_each_once,
);

async fn a_user_away_for_500_events_gets_all_of_them_on_return(kind: ServerKind) {
    come_back(server(kind).without_offline_storage(), MISSED).await;
}

async fn a_user_whose_server_has_kept_them_too_sees_each_once(kind: ServerKind) {
    come_back(server(kind), 0).await;
}

async fn come_back(mut server: XmppServer, bounces: u64) {
    server.start().await.expect("the server starts");
    let daemon = attached(server.component_port()).await;
    let publisher = GrpcCaller::new(&daemon);
    publisher.create_node("news").await.expect("it may create");
    let publish = async |number: u64| {
        let payload = "<e xmlns='urn:example:event'/>";
        publisher.publish("news", &number.to_string(), payload).await.expect("it is published");
    };

    let mut alice = Tail::start(&daemon, &server, &["--count", "1"]);
    alice.until_listening().await;
    publish(1).await;
    let (first, last_event_id) = alice.next().await;
    assert_eq!(first, 1);
    alice.until_ended().await;

    for number in 2..=MISSED + 1 {
        publish(number).await;
    }
    let handed_over = async || {
        let is_done = metric(&daemon, "stanzabus_nodes_undelivered").await == 0
            && metric(&daemon, "stanzabus_bounces_failing_total").await == bounces;
        is_done.then_some(())
    };
    wait_until("the end of delivery", PATIENCE, handed_over).await.expect("the server takes or refuses each");

    let count = (MISSED + LIVE).to_string();
    let mut alice = Tail::start(&daemon, &server, &["--after", &last_event_id, "--count", &count]);
    alice.until_listening().await;
    // Half of the new ones come while she is still fetching, or not; the others when she has all that she missed.
    let mut shown = Vec::new();
    for number in MISSED + 2..=MISSED + 1 + LIVE / 2 {
        publish(number).await;
    }
    for _ in 0..MISSED + LIVE / 2 {
        shown.push(alice.next().await.0);
    }
    for number in MISSED + 2 + LIVE / 2..=MISSED + 1 + LIVE {
        publish(number).await;
        shown.push(alice.next().await.0);
    }
    alice.until_ended().await;
    assert_eq!(shown, (2..=MISSED + 1 + LIVE).collect::<Vec<_>>(), "no hole, and nothing twice");
}

/// `stanzabus tail news --as alice@localhost` as a child process; killed when dropped.
struct Tail {
    process: Child,
    lines: Lines<BufReader<ChildStdout>>,
    stderr: PathBuf,
}

impl Tail {
    fn start(daemon: &Daemon, xmpp: &XmppServer, arguments: &[&str]) -> Self {
        let stderr = daemon.folder().join("tail.log");
        let server = format!("127.0.0.1:{}", xmpp.client_port());
        let mut command = daemon.command();
        command.args(["tail", "news", "--as", "alice@localhost", "--xmpp-server", &server]).args(arguments);
        command.env("STANZABUS_PASSWORD", PASSWORD).stdin(Stdio::null()).stdout(Stdio::piped());
        command.stderr(File::create(&stderr).expect("the folder is ours")).kill_on_drop(true);
        let mut process = command.spawn().expect("it starts");
        let lines = BufReader::new(process.stdout.take().expect("it is piped")).lines();
        Self { process, lines, stderr }
    }

    async fn until_listening(&self) {
        let listens = async || self.complaint().contains("subscribed to news").then_some(());
        wait_until("the subscription", PATIENCE, listens)
            .await
            .unwrap_or_else(|_| panic!("{}", self.complaint()));
    }

    /// The number of the next event, and its id.
    async fn next(&mut self) -> (u64, String) {
        let line = timeout(PATIENCE, self.lines.next_line()).await;
        let line = line.unwrap_or_else(|_| panic!("nothing more comes: {}", self.complaint()));
        let line = line.expect("it prints UTF-8").unwrap_or_else(|| panic!("it ended: {}", self.complaint()));
        let event: Value = serde_json::from_str(&line).expect("each line is an object");
        let text =
            |name: &str| event[name].as_str().unwrap_or_else(|| panic!("no {name} in {line}")).to_owned();
        (text("item_id").parse().expect("the items are numbered"), text("event_id"))
    }

    async fn until_ended(&mut self) {
        let ended = timeout(PATIENCE, self.process.wait()).await.expect("it ends").expect("it ran");
        assert!(ended.success(), "{ended}: {}", self.complaint());
    }

    fn complaint(&self) -> String {
        fs::read_to_string(&self.stderr).unwrap_or_default()
    }
}
