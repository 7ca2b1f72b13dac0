//! Apple's provider API: HTTP/2, with a token of ours (`.p8`) in place of a certificate.

mod client;
mod error;
mod provider_token;
mod settings;
mod sink;

pub use settings::{ApnsSettings, ApnsSettingsError};
pub use sink::ApnsSink;
