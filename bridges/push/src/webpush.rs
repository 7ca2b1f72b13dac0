//! Web Push (RFC 8030), encrypted for the receiver (RFC 8291) and signed by us (RFC 8292): browsers' services and `UnifiedPush`.

mod client;
mod encryption;
mod error;
mod settings;
mod sink;
mod vapid;

pub use settings::{WebPushSettings, WebPushSettingsError};
pub use sink::WebPushSink;
