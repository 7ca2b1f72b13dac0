//! The clients of `examples/` that people copy, as their READMEs run them; Python's is in `python_client.rs`, its services in
//! `user_services/examples.rs`.

use std::path::Path;

use harness::Daemon;
use tokio::process::Command;

use crate::peers::{Example, on_prosody};

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

#[tokio::test]
async fn the_javascript_client_publishes_and_then_reads_what_others_publish() {
    let (_prosody, daemon) = on_prosody().await;
    daemon.cli(["node", "create", "orders"]).await.unwrap();
    let mut node = Command::new("node");
    node.arg(Path::new(ROOT).join("examples/javascript/publish_and_tail.cjs"));
    node.env("NODE_PATH", harness::node_modules().expect("`tests/run` made it"));
    let mut example = Example::start(node, &daemon, "orders");
    assert_eq!(example.line().await, "on disk: order-7 is seq 1");
    assert_eq!(example.line().await, "seq 1: order-7 <order xmlns='urn:example:shop' number='7'/>");
    publish(&daemon, "order-8").await;
    assert_eq!(example.line().await, "seq 2: order-8 <order xmlns='urn:example:shop'/>");
}

#[tokio::test]
async fn the_worker_in_rust_acknowledges_what_it_has_dealt_with() {
    let (_prosody, daemon) = on_prosody().await;
    daemon.cli(["node", "create", "orders"]).await.unwrap();
    daemon.cli(["sub", "create", "billing", "orders", "--queue"]).await.unwrap();
    let built = Daemon::binary().unwrap().with_file_name("examples").join("worker");
    let mut example = Example::start(Command::new(built), &daemon, "billing");
    for (seq, id) in [(1, "order-1"), (2, "order-2")] {
        publish(&daemon, id).await;
        let expected = format!("seq {seq}, attempt 1: {id} <order xmlns='urn:example:shop'/>");
        assert_eq!(example.line().await, expected);
        assert_eq!(example.line().await, "settled: 1");
    }
}

async fn publish(daemon: &Daemon, id: &str) {
    let order = ["pub", "orders", "--id", id, "--xml", "<order xmlns='urn:example:shop'/>"];
    daemon.cli(order).await.expect("it publishes");
}
