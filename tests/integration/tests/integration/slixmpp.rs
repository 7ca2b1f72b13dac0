//! A client that nobody here wrote: slixmpp with its own plug-ins for XEP-0060 and XEP-0313. `slixmpp/pubsub.py` has the steps.

use std::time::Duration;

use harness::ServerKind;
use tokio::process::Command;
use tokio::time::timeout;

use crate::peers::{DOMAIN, PASSWORD, behind_each_server, on_server};

behind_each_server! {
    slixmpp_does_its_pubsub_on_the_bus,
}

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/integration/slixmpp/pubsub.py");
const SCRIPT_PATIENCE: Duration = Duration::from_mins(2);

/// What the script does and checks, in its order.
const STEPS: [&str; 18] = [
    "discover the service",
    "create a named node",
    "create again: conflict",
    "create an instant node",
    "subscribe",
    "publish under an id",
    "publish under a generated id",
    "overwrite an item",
    "get items by count",
    "get items by id",
    "get items by pages",
    "query the archive",
    "ask for what is not there: item-not-found",
    "another user publishes, retracts, deletes: forbidden",
    "subscribe somebody else: invalid-jid",
    "retract",
    "unsubscribe",
    "delete",
];

async fn slixmpp_does_its_pubsub_on_the_bus(kind: ServerKind) {
    let (server, _daemon) = on_server(kind).await;
    let mut script = Command::new(harness::python().unwrap());
    script.arg(SCRIPT).arg(server.client_port().to_string()).args([DOMAIN, PASSWORD]).kill_on_drop(true);
    let ended = timeout(SCRIPT_PATIENCE, script.output()).await.expect("the script ends").unwrap();

    let steps = String::from_utf8(ended.stdout).unwrap();
    let complaint = String::from_utf8_lossy(&ended.stderr);
    assert!(ended.status.success(), "{}; the steps before:\n{steps}{complaint}", ended.status);
    assert_eq!(steps.lines().map(step).collect::<Vec<_>>(), STEPS);
}

fn step(line: &str) -> String {
    let line: serde_json::Value = serde_json::from_str(line).expect("a step is a line of JSON");
    line["step"].as_str().expect("it has a name").to_owned()
}
