//! Those on the other side of the daemon: XMPP users, components, a scripted server, callers of gRPC; and what its
//! operator sees.

mod grpc;
mod notification;
mod operator;
mod xmpp;

pub(crate) use grpc::GrpcCaller;
pub(crate) use notification::{Notification, assert_in_order};
pub(crate) use operator::{
    attached, impatient, init, metric, on_prosody, on_script, wait_for_log, wait_not_ready,
};
pub(crate) use xmpp::{StanzaKind, XmppPeer, kind_of, ping};

use std::time::Duration;

/// Nothing here takes that long: what must come comes, or the test fails.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// The daemon's domain and its secret.
pub(crate) const DOMAIN: &str = "events.localhost";
pub(crate) const SECRET: &str = "secret";

/// What a user's stanzas to the daemon carry: the server adds the sender.
pub(crate) const TO_US: &str = "to='events.localhost'";

/// What a server's stanzas to the daemon carry.
pub(crate) const FROM_ALICE: &str = "from='alice@localhost/here' to='events.localhost'";

/// The password of every user.
pub(crate) const PASSWORD: &str = "password";

/// A Prosody with the daemon's component and the users alice, bob and mallory; not started yet.
pub(crate) fn prosody() -> harness::Prosody {
    let prosody = harness::Prosody::new().expect("Prosody is installed").component(DOMAIN, SECRET);
    ["alice", "bob", "mallory"].into_iter().fold(prosody, |prosody, name| prosody.user(name, PASSWORD))
}
