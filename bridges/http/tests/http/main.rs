//! The HTTP API over real connections: a server on a loopback port, an engine, an SQLite file.

#![expect(clippy::unwrap_used, reason = "the tests' helpers fail like tests")]

mod admission;
mod bounds;
mod events;
mod items;
mod publish;
mod retract;
mod rig;
mod tls;
mod web_push;
