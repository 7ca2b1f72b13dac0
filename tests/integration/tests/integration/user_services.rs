//! Sinks and sources: services of users in Python, made from the contract, which the daemon calls.

mod examples;

use std::collections::HashSet;
use std::fs;
use std::path::PathBuf;

use harness::{Authority, Child, Daemon, Postgres, Validity, free_port, wait_until, whole_lines};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::Command;

use crate::peers::{DOMAIN, GrpcCaller, PATIENCE, SECRET, impatient, wait_not_ready};
use crate::python_client::generate_stubs;

const NODE: &str = "orders";

#[tokio::test]
async fn a_source_is_read_once_whatever_ends_the_daemon_on_sqlite() {
    check_source("sqlite:stanzabus.db").await;
}

#[tokio::test]
async fn a_source_is_read_once_whatever_ends_the_daemon_on_postgresql() {
    check_source(&Postgres::shared().await.create_database().await.expect("a database")).await;
}

/// Each event of the service is in the log once, in its order.
async fn check_source(store: &str) {
    let (mut daemon, mut service) = daemon(store).await;
    let created = create_source(&daemon, &service).await;
    assert_eq!((&created["node"], &created["state"]), (&json!(NODE), &json!("pending")));
    for round in 1..=3 {
        service.feed(round * 60);
        wait_for_items(&daemon, round * 60 - 50).await;
        if round == 2 {
            daemon.terminate().await.expect("it runs");
        } else {
            daemon.kill9().await.expect("it runs");
        }
        daemon.start().expect("it starts again");
        wait_not_ready(&daemon, "xmpp: ").await;
    }
    wait_for_items(&daemon, 180).await;
    service.wait_read(4).await;
    // The service comes back elsewhere in time, and goes on.
    service.restart();
    service.feed(200);
    wait_for_items(&daemon, 200).await;
    let items = items(&daemon).await;
    let expected: Vec<String> = (1..=200).map(|number| format!("e-{number}")).collect();
    assert_eq!(items.iter().map(|(_, id, _)| id.clone()).collect::<Vec<_>>(), expected, "in their order");
    assert_eq!(
        items.iter().map(|(seq, ..)| *seq).collect::<Vec<_>>(),
        (1..=200).collect::<Vec<_>>(),
        "each once"
    );
    assert!(items.iter().all(|(.., publisher)| publisher == "cli@events.localhost/source:erp"), "{items:?}");
    service.wait_read(5).await;
    let calls = service.calls();
    let mut reads = calls.iter().filter(|call| call["call"] == "read");
    assert!(reads.all(|call| call["authorization"] == "Bearer t0ken"), "{calls:?}");
    let shown = daemon.cli(["source", "show", "erp"]).await.expect("it is its own");
    assert!(shown.contains("\"active\"") && !shown.contains("t0ken"), "{shown}");
    daemon.cli(["source", "delete", "erp"]).await.expect("it is its own");
    assert_eq!(daemon.cli(["source", "list"]).await.expect("none is left"), "");
}

#[tokio::test]
async fn what_cannot_be_published_holds_the_source_up_and_says_why() {
    let (daemon, service) = daemon("sqlite:stanzabus.db").await;
    service.write("feed", "e-1\n<&\n");
    create_source(&daemon, &service).await;
    let failing = async || {
        let shown = daemon.cli(["source", "show", "erp"]).await.expect("it is its own");
        let shown: Value = serde_json::from_str(&shown).expect("JSON");
        (shown["state"] == "failing").then_some(shown)
    };
    let shown = wait_until("its failure", PATIENCE, failing).await.expect("it fails");
    assert!(shown["reason"].as_str().is_some_and(|reason| reason.contains("events[1].xml")), "{shown}");
    assert_eq!(items(&daemon).await, [], "all or nothing");
    service.feed(3);
    wait_for_items(&daemon, 3).await;
}

#[tokio::test]
async fn a_sink_gets_what_is_due_and_not_what_its_source_has_written() {
    let (mut daemon, service) = daemon("sqlite:stanzabus.db").await;
    let token = service.write("token", "t0ken\n");
    let token = token.to_str().expect("UTF-8");
    let url = service.url();
    let sink = ["--sink", &url, "--sink-token-file", token, "--sink-paired-source", "erp", "--queue"];
    daemon.cli(["sub", "create", "queue", NODE].into_iter().chain(sink)).await.expect("an admin may");
    service.feed(10);
    create_source(&daemon, &service).await;
    wait_for_items(&daemon, 10).await;
    let caller = GrpcCaller::new(&daemon);
    for number in 0..60 {
        caller.publish(NODE, &format!("own-{number}"), "<e xmlns='urn:e'/>").await.expect("it may");
        if number == 30 {
            daemon.kill9().await.expect("it runs");
            daemon.start().expect("it starts again");
            wait_not_ready(&daemon, "xmpp: ").await;
        }
    }
    let delivered =
        service.wait_delivered(|items| (0..60).all(|it| items.contains(&format!("own-{it}")))).await;
    assert!(!delivered.iter().any(|item| item.starts_with("e-")), "its own source has written these");
    let calls = service.calls();
    let first = calls.iter().find(|call| call["call"] == "deliver").expect("it was called");
    assert_eq!((&first["items"], &first["authorization"]), (&json!([]), &json!("Bearer t0ken")));
    wait_settled(&caller, "queue").await;
}

#[tokio::test]
async fn a_sink_of_a_stream_gets_events_in_order_also_when_it_does_not_take_one() {
    let (daemon, service) = daemon("sqlite:stanzabus.db").await;
    service.write("answer", "later");
    let url = service.url();
    let sink = ["--sink", &url, "--sink-batch", "4", "--earliest"];
    let caller = GrpcCaller::new(&daemon);
    for number in 0..5 {
        caller.publish(NODE, &format!("a-{number}"), "<e xmlns='urn:e'/>").await.expect("it may");
    }
    caller.publish(NODE, "poison", "<e xmlns='urn:e'/>").await.expect("it may");
    for number in 0..5 {
        caller.publish(NODE, &format!("b-{number}"), "<e xmlns='urn:e'/>").await.expect("it may");
    }
    daemon.cli(["sub", "create", "stream", NODE].into_iter().chain(sink)).await.expect("an admin may");
    let tried = |items: &[String]| items.iter().filter(|item| *item == "poison").count() >= 3;
    service.wait_delivered(tried).await;
    service.write("answer", "taken");
    service.wait_delivered(|items| items.iter().any(|item| item == "b-4")).await;
    let mut taken: Vec<String> = Vec::new();
    for call in service.calls().iter().filter(|call| call["call"] == "deliver") {
        let items = call["items"].as_array().expect("a list").iter().filter_map(Value::as_str);
        let until = items.take_while(|item| call["answer"] == "taken" || *item != "poison");
        taken.extend(until.map(str::to_owned));
    }
    let expected = (0..5)
        .map(|it| format!("a-{it}"))
        .chain(["poison".to_owned()])
        .chain((0..5).map(|it| format!("b-{it}")));
    assert_eq!(taken, expected.collect::<Vec<_>>(), "each once, and in order");
}

#[tokio::test]
async fn a_sink_by_key_gets_each_key_in_order_and_goes_on_beside_one_that_does_not_take_an_event() {
    const ROUNDS: usize = 12;
    let (daemon, service) = daemon("sqlite:stanzabus.db").await;
    service.write("answer", "later");
    let caller = GrpcCaller::new(&daemon);
    for _ in 0..ROUNDS {
        for item in ["a", "poison", "b"] {
            caller.publish(NODE, item, "<e xmlns='urn:e'/>").await.expect("it may");
        }
    }
    let url = service.url();
    let sink = ["--sink", &url, "--sink-batch", "4", "--earliest"];
    let queue = ["--queue", "--key-ordered", "--retry-seconds", "0"];
    let create = ["sub", "create", "keys", NODE].into_iter().chain(sink).chain(queue);
    daemon.cli(create).await.expect("an admin may");
    let count = |items: &[String], key: &str| items.iter().filter(|item| *item == key).count();
    let others_are_through = |items: &[String]| {
        ["a", "b"].iter().all(|key| count(items, key) == ROUNDS) && count(items, "poison") >= 3
    };
    service.wait_delivered(others_are_through).await;
    let first = service.positions("poison")[0];
    assert!(service.positions("poison").iter().all(|seq| *seq == first), "the others of its key wait");
    service.write("answer", "taken");
    wait_settled(&caller, "keys").await;
    for key in ["a", "b", "poison"] {
        let mut positions = service.positions(key);
        assert!(positions.is_sorted(), "{key}: {positions:?}");
        positions.dedup();
        assert_eq!(positions.len(), ROUNDS, "{key}: {positions:?}");
    }
    for call in service.calls().iter().filter(|call| call["call"] == "deliver") {
        let items = call["items"].as_array().expect("a list");
        let keys: HashSet<_> = items.iter().collect();
        assert_eq!(keys.len(), items.len(), "one event of a key at a time: {call}");
    }
}

/// A service of a user in Python.
struct Service {
    port: u16,
    folder: TempDir,
    certificate: PathBuf,
    stubs: TempDir,
    process: Option<Child>,
}

impl Service {
    async fn start(daemon: &Daemon) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let certificate = trusted_certificate(daemon);
        let stubs = generate_stubs().await;
        let mut service = Self { port: free_port(), folder, certificate, stubs, process: None };
        service.feed(0);
        service.write("answer", "taken");
        service.restart();
        let listening = async || service.calls().iter().any(|call| call["call"] == "listening").then_some(());
        wait_until("the service", PATIENCE, listening).await.expect("it listens");
        service
    }

    /// Kills it, if it runs, and starts it again.
    fn restart(&mut self) {
        self.process = None;
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/integration/user_services/service.py");
        let mut command = Command::new(harness::python().expect("`tests/run` made the venv"));
        command.arg(script).arg(self.port.to_string()).arg(&self.certificate);
        command.arg(self.folder.path()).env("PYTHONPATH", self.stubs.path());
        let log = self.folder.path().join("log");
        self.process = Some(Child::spawn("the service", &mut command, &log).expect("it starts"));
    }

    fn url(&self) -> String {
        format!("https://localhost:{}", self.port)
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let (path, new) = (self.folder.path().join(name), self.folder.path().join("new"));
        fs::write(&new, text).expect("the folder is ours");
        fs::rename(new, &path).expect("the folder is ours");
        path
    }

    /// Has the source have so many events.
    fn feed(&self, events: usize) {
        let lines: Vec<String> = (1..=events).map(|number| format!("e-{number}\n")).collect();
        self.write("feed", &lines.concat());
    }

    fn calls(&self) -> Vec<Value> {
        let lines = whole_lines(&self.folder.path().join("calls"));
        lines.iter().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect()
    }

    /// Waits until its stream was asked for so often.
    async fn wait_read(&self, times: usize) {
        let reads = || self.calls().iter().filter(|call| call["call"] == "read").count();
        let enough = async || (reads() >= times).then_some(());
        wait_until("its stream to be asked for", PATIENCE, enough).await.expect("the daemon reads");
    }

    /// Where each event of the item stood that was delivered, in the order of the deliveries.
    fn positions(&self, item: &str) -> Vec<u64> {
        let calls = self.calls();
        let deliveries = calls.iter().filter(|call| call["call"] == "deliver").flat_map(|call| {
            let list = |name: &str| call[name].as_array().expect("a list").clone();
            list("items").into_iter().zip(list("positions"))
        });
        let of_the_item = deliveries.filter(|(name, _)| name == item);
        of_the_item.map(|(_, seq)| seq.as_u64().expect("a position")).collect()
    }

    /// The items of all deliveries until now, once they are as they should be.
    async fn wait_delivered(&self, is_so: impl Fn(&[String]) -> bool) -> Vec<String> {
        let delivered = || {
            let calls = self.calls();
            let items = calls.iter().filter_map(|call| call["items"].as_array()).flatten();
            items.filter_map(Value::as_str).map(str::to_owned).collect::<Vec<_>>()
        };
        let found = async || Some(delivered()).filter(|items| is_so(items));
        match wait_until("deliveries", PATIENCE, found).await {
            Ok(items) => items,
            Err(error) => panic!("{error:#}; it has {:?}", self.calls()),
        }
    }
}

/// A key and a certificate for localhost, which the daemon trusts from its next start on.
fn trusted_certificate(daemon: &Daemon) -> PathBuf {
    let authority = Authority::new().expect("an authority");
    let pem = authority.key_and_certificate_pem(&["localhost"], Validity::Current).expect("a certificate");
    let certificate = daemon.folder().join("server.pem");
    fs::write(&certificate, pem).expect("the folder is ours");
    fs::write(daemon.folder().join("authority.pem"), authority.certificate_pem()).expect("it is ours");
    let mut config = fs::read_to_string(daemon.config_path()).expect("`init` wrote it");
    config.push_str(
        "\n[outbound]\nallow_addresses = ['127.0.0.0/8', '::1']\nauthorities_file = 'authority.pem'\n",
    );
    fs::write(daemon.config_path(), config).expect("the folder is ours");
    certificate
}

/// A daemon that serves gRPC and trusts a service; there is no XMPP server.
async fn daemon(store: &str) -> (Daemon, Service) {
    let server = format!("127.0.0.1:{}", free_port());
    let mut daemon = Daemon::init_on_store(store, DOMAIN, &server, SECRET).await.expect("`init` succeeds");
    impatient(&mut daemon);
    let service = Service::start(&daemon).await;
    daemon.start().expect("it starts");
    wait_not_ready(&daemon, "xmpp: ").await;
    GrpcCaller::new(&daemon).create_node(NODE).await.expect("no node yet");
    (daemon, service)
}

async fn create_source(daemon: &Daemon, service: &Service) -> Value {
    let token = service.write("token", "t0ken\n");
    let (url, token) = (service.url(), token.to_str().expect("UTF-8").to_owned());
    let create = ["source", "create", "erp", NODE, &url, "--token-file", &token];
    let created = daemon.cli(create).await.expect("an admin may");
    serde_json::from_str(&created).expect("JSON")
}

/// Position, item id and publisher of what the node has, in order.
async fn items(daemon: &Daemon) -> Vec<(u64, String, String)> {
    let mut items = Vec::new();
    let mut tail = GrpcCaller::new(daemon).tail_from_start(NODE).await.expect("it may read");
    let head = loop {
        let response = tail.message().await.expect("it goes on").expect("it goes on");
        if let Some(bridge_grpc::v1::tail_response::Frame::Opened(opened)) = response.frame {
            break opened.head_seq;
        }
    };
    while items.len() < usize::try_from(head).expect("a few") {
        let response = tail.message().await.expect("it goes on").expect("it goes on");
        if let Some(bridge_grpc::v1::tail_response::Frame::Event(event)) = response.frame {
            items.push((event.seq, event.item_id, event.publisher));
        }
    }
    items
}

async fn wait_for_items(daemon: &Daemon, events: usize) {
    let enough = async || (items(daemon).await.len() >= events).then_some(());
    wait_until("events", PATIENCE, enough).await.expect("they come");
}

/// Waits until nothing is left to do.
async fn wait_settled(caller: &GrpcCaller, name: &str) {
    let settled = async || {
        let left = caller.backlog(name).await.ok()?;
        let is_settled = left.nodes.iter().all(|node| node.leased + node.waiting == 0);
        (is_settled && left.oldest_unsettled_time.is_none()).then_some(())
    };
    wait_until("the end of the backlog", PATIENCE, settled).await.expect("all is acknowledged");
}
