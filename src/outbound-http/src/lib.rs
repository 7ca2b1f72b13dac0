//! Requests that leave the bus: one guard for every URL that somebody else has named, and one HTTP client behind it.
//!
//! [`Guard`] says where a request may go: over https, to no address of a private network unless it is allowed. [`Client`]
//! asks it before each connection, on the very address that it then connects to, so that a name cannot resolve to
//! another one in between. It speaks HTTP/2, and HTTP/1.1 with servers that know nothing else; follows no redirect;
//! and says of each failure whether the server can have begun the request.

mod address_range;
mod client;
mod connect;
mod dialer;
mod error;
mod guard;
mod pool;
mod retry_after;
mod settings;
mod tls;

pub use address_range::{AddressRange, NotARange};
pub use client::{Client, Request, Response};
pub use dialer::Dialer;
pub use error::{ConnectError, SendError, SettingsError};
pub use guard::{Guard, Refused, Target};
pub use retry_after::retry_after_ms;
pub use settings::Settings;
