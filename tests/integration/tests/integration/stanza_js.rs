//! A client in JavaScript that nobody here wrote: stanza.js over WebSocket, with its own plugin for XEP-0060.
//! `stanza_js/pubsub.cjs` has the steps.

use harness::ServerKind;
use tokio::process::Command;

use crate::peers::{DOMAIN, PASSWORD, attached, behind_each_server, server, steps_of};

behind_each_server! {
    stanza_js_does_its_pubsub_on_the_bus,
}

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/integration/stanza_js/pubsub.cjs");

/// What the script does and checks, in its order.
const STEPS: [&str; 12] = [
    "discover the service",
    "read the default configuration",
    "create a node with a configuration",
    "configure it",
    "subscribe",
    "publish",
    "get items",
    "query the archive",
    "be refused, with the errors of XEP-0060",
    "make a publisher, who publishes",
    "unsubscribe, and subscribe with options",
    "retract, purge, delete",
];

async fn stanza_js_does_its_pubsub_on_the_bus(kind: ServerKind) {
    let mut server = server(kind).with_websocket();
    server.start().await.expect("the server starts");
    let _daemon = attached(server.component_port()).await;
    let url = server.websocket_url().expect("it has one");
    let mut script = Command::new("node");
    script.arg(SCRIPT).args([&url, DOMAIN, PASSWORD]);
    script.env("NODE_PATH", harness::node_modules().expect("`tests/run` made it"));
    assert_eq!(steps_of(&mut script).await, STEPS);
}
