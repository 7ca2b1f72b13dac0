//! The HTTP leg of the bus: CloudEvents in, over POST, and out, as Server-Sent Events and to webhooks.
//!
//! | request | what it does | file |
//! |---|---|---|
//! | `POST /v1/nodes/{node}/events` | publishes: a CloudEvent in structured or binary mode, or a batch | `publish.rs` |
//! | `GET /v1/nodes/{node}/events` | reads the log from a position on, as a stream that goes on | `events.rs`, `sse.rs` |
//! | `GET /v1/nodes/{node}/items/{item_id}` | reads an item | `items.rs` |
//! | `DELETE /v1/nodes/{node}/items/{item_id}` | takes an item back | `retract.rs` |
//! | `GET`, `POST /v1/webhooks/{subscription}/agreement` | lets a server agree to get events | `webhook/agreement.rs` |
//! | `POST /v1/push/{token}` | takes a push of an application server (RFC 8030, `UnifiedPush`), without a caller | `web_push.rs`, `web_push/vapid.rs` |
//!
//! A request becomes a [`bus_engine::Command`] or a query with an authenticated actor; nothing is decided here. One mapping
//! makes errors to problem documents (`problem.rs`), one makes callers (`auth.rs`), one reads headers as attributes
//! (`binary_mode.rs`).

mod auth;
mod binary_mode;
mod events;
mod items;
mod path;
mod problem;
mod publish;
mod query;
mod retract;
mod routes;
mod serve;
mod settings;
mod sse;
mod web_push;
mod webhook;

pub use serve::serve;
pub use settings::{HttpSettings, ServeError};
pub use web_push::WebPushSettings;
pub use webhook::{WebhookCarrier, WebhookSettings};
