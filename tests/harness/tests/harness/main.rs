//! The harness against the real thing: needs Prosody, PostgreSQL and the built daemon.

mod child;
mod components;
mod daemon;
mod http;
mod ports;
mod postgres;
mod prosody;
mod raw_stream;
mod wait;
