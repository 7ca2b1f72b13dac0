//! The link to the XMPP server: a component stream (XEP-0114) that reconnects for as long as it lives.
//!
//! [`spawn`] starts the one task that owns the connection. It hands out a [`Link`] to write with and a
//! [`LinkEvents`] to read from. The crate knows stanzas, and nothing of what they mean.
//!
//! * Inbound: `frame` finds stanza boundaries in bytes, `inbound` turns them into element trees under caps.
//!   No stanza of a remote user ends the stream, however long or deep it is, or with whatever unbound prefixes.
//!   `dialect` reads jabberd2's.
//! * Outbound: `outbound` holds the two lanes (replies before notifications) and `barrier` the proofs that the
//!   server took what was written. `contest` tells from their answers whether somebody else is
//!   attached as our domain. `liveness` decides when to ask and when to give the connection up. The four know neither
//!   sockets nor clocks: time is passed in. `padding` sees to it that the server's parser does not sit
//!   on the last stanza.
//! * `tls` says whom a link over TLS trusts. `handshake` opens a stream, `session` runs it, `supervisor` opens the next one.

mod address;
mod backoff;
mod barrier;
mod config;
mod contest;
mod dialect;
mod down_reason;
mod event;
mod frame;
mod handshake;
mod inbound;
mod link;
mod liveness;
mod outbound;
mod padding;
mod random;
mod session;
mod shared;
mod state;
mod supervisor;
mod tls;

pub use address::{AddressError, ServerAddress};
pub use config::{ComponentConfig, LinkLimits, Secret};
pub use down_reason::{DownReason, StreamCondition};
pub use event::{LinkEvent, LinkEvents};
pub use link::{Link, NotifyRefused, ReplyRefused};
pub use outbound::Notification;
pub use state::{LinkState, LinkStatistics};
pub use supervisor::spawn;
pub use tls::{TlsClient, TlsError};

/// The namespace of stanzas on a component stream (XEP-0114 §3).
pub const COMPONENT_NAMESPACE: &str = "jabber:component:accept";
