//! The gRPC leg of the bus: `stanzabus.v1` of `schemas/proto`, beside `grpc.health.v1` and reflection.
//!
//! A call becomes a [`bus_engine::Command`] or a query with an authenticated actor, and an outcome becomes a message;
//! nothing is decided here. One file per service (`publisher.rs` with `publish_stream.rs`, `subscriber.rs` with `tail.rs`,
//! `subscribe_stream.rs` and `pull.rs`, `subscriptions.rs`, `sources.rs`, `nodes.rs` with `items.rs`, `push.rs`, `operations.rs`), one
//! mapping from errors to statuses (`status.rs`), one from credentials to callers (`auth.rs`, over bus-admission).

mod auth;
mod channel;
mod connections;
mod convert;
mod encoded;
mod frame_codec;
mod health;
mod items;
mod members;
mod nodes;
mod operations;
mod paging;
mod publish_stream;
mod publisher;
mod pull;
mod push;
mod push_profiles;
mod serve;
mod settings;
mod sink;
mod sources;
mod status;
mod subscribe_stream;
mod subscriber;
mod subscriptions;
mod tail;

/// Messages, clients and servers, generated from `schemas/proto/stanzabus/v1`.
///
/// `tests/tidy` writes it and fails when it is stale.
#[expect(
    missing_docs,
    clippy::allow_attributes,
    clippy::allow_attributes_without_reason,
    clippy::pedantic,
    reason = "generated"
)]
pub mod v1 {
    include!("generated/stanzabus.v1.rs");

    /// The files of the API as `google.protobuf.FileDescriptorSet`, for reflection.
    pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!("generated/descriptor.bin");

    /// The services that are served here, and not by users.
    pub const SERVED: [&str; 8] = [
        "stanzabus.v1.Publisher",
        "stanzabus.v1.Subscriber",
        "stanzabus.v1.Subscriptions",
        "stanzabus.v1.Sources",
        "stanzabus.v1.Nodes",
        "stanzabus.v1.Push",
        "stanzabus.v1.PushProfiles",
        "stanzabus.v1.Operations",
    ];
}

pub use bus_admission::{
    AccessToken, CertificateName, Credentials, CredentialsInForce, JwtIssuer, JwtRule, TlsIdentity,
    TlsProtocol, TlsServer, token_sha256_hex,
};
pub use health::Health;
pub use serve::serve;
pub use settings::{GrpcSettings, GrpcStatistics, GrpcStatisticsSnapshot, ServeError, ServerInfo, StoreKind};
pub use sink::SinkCarrier;
pub use sources::GrpcSourceReader;
