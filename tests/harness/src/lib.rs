//! What the integration tests run against: real XMPP servers, the daemon as a child process, and sockets that can send
//! what no library would.
//!
//! Everything listens on loopback, on free ports, with its data in a temporary folder, and is killed when its handle
//! is dropped. What is missing is an error that says how to get it: no test is skipped.

mod certificates;
mod child;
mod clock;
mod compose;
mod daemon;
mod http;
mod javascript;
mod ports;
mod postgres;
mod python;
mod raw_stream;
mod scripted_server;
mod server;
mod server_user;
mod wait;

pub use certificates::{Authority, Validity};
pub use child::Child;
pub use clock::Clock;
pub use compose::{Compose, ComposeFile};
pub use daemon::Daemon;
pub use http::{EventStream, HttpRequest, HttpResponse, ServerSentEvent, http_get, http_send};
pub use javascript::node_modules;
pub use ports::free_port;
pub use postgres::Postgres;
pub use python::python;
pub use raw_stream::RawStream;
pub use scripted_server::ScriptedServer;
pub use server::{ServerKind, XmppServer};
pub use wait::{wait_until, whole_lines};
