//! Bad input costs its sender only: hostile stanzas through a real Prosody, what no real server lets through from a
//! scripted one, random bytes, and hostile strings over gRPC. The link lives, and the next ping is answered.

mod barriers;
mod grpc;
mod long_tags;
mod malformed;
mod memory;
mod mutations;
mod payloads;
mod pending;
mod route;
mod stanzas;
