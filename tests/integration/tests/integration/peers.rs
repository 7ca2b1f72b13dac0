//! Those on the other side of the daemon: XMPP users, components, a scripted server, callers of gRPC; and what its
//! operator sees.

mod example;
mod grpc;
mod http;
mod notification;
mod operator;
mod script;
mod xmpp;

pub(crate) use example::Example;
pub(crate) use grpc::GrpcCaller;
pub(crate) use http::HttpCaller;
pub(crate) use notification::{Notification, assert_in_order};
pub(crate) use operator::{
    attached, impatient, init, metric, on_prosody, on_script, on_server, wait_for_log, wait_not_ready,
    wait_until_proven,
};
pub(crate) use script::steps_of;
pub(crate) use xmpp::{StanzaKind, XmppPeer, kind_of, ping, stanzas};

use std::time::Duration;

use harness::{ServerKind, XmppServer};

/// Nothing here takes that long: what must come comes, or the test fails.
pub(crate) const PATIENCE: Duration = Duration::from_mins(2);

/// The daemon's domain and its secret.
pub(crate) const DOMAIN: &str = "events.localhost";
pub(crate) const SECRET: &str = "secret";

/// What a user's stanzas to the daemon carry: the server adds the sender.
pub(crate) const TO_US: &str = "to='events.localhost'";

/// What a server's stanzas to the daemon carry.
pub(crate) const FROM_ALICE: &str = "from='alice@localhost/here' to='events.localhost'";

/// The password of every user.
pub(crate) const PASSWORD: &str = "password";

/// A server with the daemon's component and the users alice, bob and mallory; not started yet.
pub(crate) fn server(kind: ServerKind) -> XmppServer {
    let server = XmppServer::new(kind).expect("it is installed").component(DOMAIN, SECRET);
    ["alice", "bob", "mallory"].into_iter().fold(server, |server, name| server.user(name, PASSWORD))
}

/// For tests where the server does not matter, or only this one does it.
pub(crate) fn prosody() -> XmppServer {
    server(ServerKind::Prosody)
}

/// Makes of each `async fn name(server: ServerKind)` one test `prosody::name` and one `ejabberd::name`.
macro_rules! behind_each_server {
    ($($test:ident),+ $(,)?) => {
        mod prosody {
            $(#[tokio::test]
            async fn $test() {
                super::$test(harness::ServerKind::Prosody).await;
            })+
        }
        mod ejabberd {
            $(#[tokio::test]
            async fn $test() {
                super::$test(harness::ServerKind::Ejabberd).await;
            })+
        }
    };
}
pub(crate) use behind_each_server;
