//! A client that nobody here wrote: slixmpp with its own plug-ins for XEP-0060 and XEP-0313. `slixmpp/pubsub.py` has the steps.

use harness::ServerKind;
use tokio::process::Command;

use crate::peers::{DOMAIN, PASSWORD, behind_each_server, on_server, steps_of};

behind_each_server! {
    slixmpp_does_its_pubsub_on_the_bus,
}

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/integration/slixmpp/pubsub.py");

/// What the script does and checks, in its order.
const STEPS: [&str; 20] = [
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
    "be asked about who waits, by a command",
    "a command that is for others: forbidden",
];

async fn slixmpp_does_its_pubsub_on_the_bus(kind: ServerKind) {
    let (server, _daemon) = on_server(kind).await;
    let mut script = Command::new(harness::python().expect("`tests/run` made the venv"));
    script.arg(SCRIPT).arg(server.client_port().to_string()).args([DOMAIN, PASSWORD]);
    assert_eq!(steps_of(&mut script).await, STEPS);
}
