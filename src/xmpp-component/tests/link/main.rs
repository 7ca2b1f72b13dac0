//! The link against a scripted server: every word of the server's side is in the test.

mod barriers;
mod fake_server;
mod handshake;
mod hostile;
mod lanes;
mod mutations;
mod reconnect;
mod shutdown;
