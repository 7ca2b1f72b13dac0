//! The built binary as its users meet it: files, messages, exit statuses, refusals. No XMPP server is needed.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod bench;
mod bus;
mod init;
mod manager;
mod nodes;
mod push;
mod serve;
mod site;
mod subscriptions;
mod tls;
mod tokens;
mod usage;
