//! Firebase Cloud Messaging, HTTP v1: one request per device, with an access token for our service account (OAuth 2.0).

mod access_token;
mod client;
mod error;
mod settings;
mod sink;

pub use settings::{FcmSettings, FcmSettingsError};
pub use sink::FcmSink;
