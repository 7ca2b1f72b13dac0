//! The API over a real connection: a server on a loopback port, an engine, an SQLite file.

#![expect(clippy::unwrap_used, reason = "the tests' helpers fail like tests")]

mod auth;
mod bounds;
mod cloud_events;
mod filters;
mod hostile;
mod items;
mod jwt;
mod members;
mod nodes;
mod operations;
mod ordering;
mod placement;
mod probes;
mod publish;
mod publish_stream;
mod pulls;
mod push;
mod push_profiles;
mod readers;
mod repeats;
mod rig;
mod subscriptions;
mod tail;
mod tls;
