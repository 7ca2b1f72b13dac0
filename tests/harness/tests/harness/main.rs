//! The harness against the real thing: needs every server and the built daemon.

mod child;
mod components;
mod daemon;
mod http;
mod ports;
mod postgres;
mod raw_stream;
mod servers;
mod wait;
