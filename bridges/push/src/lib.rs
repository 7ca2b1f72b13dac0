//! The push leg of the bus: what devices are told through APNs, FCM and Web Push.
//!
//! Each provider's folder has the same insides: `settings.rs` (credentials, checked when they are read), `client.rs` (its wire format
//! over the one HTTP client of `outbound-http`), `error.rs` (its one table from answers to [`bus_domain::push::PushVerdict`]s) and
//! `sink.rs` (the [`Sink`] that the engine sends through). [`mock`] is the other side of all three, for tests, benchmarks and
//! users.

pub mod apns;
mod decision;
pub mod fcm;
mod json_object;
mod jwt;
mod keys;
pub mod mock;

pub mod webpush;

pub use bus_engine::{Push, PushOutcome as Outcome, PushSink as Sink, Unfit};
pub use keys::KeyError;
