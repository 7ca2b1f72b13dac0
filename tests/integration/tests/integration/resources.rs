//! Trouble with what the daemon stands on: the disk, the XMPP server, the clock.

mod clock;
mod full_store;
mod stopped_server;
