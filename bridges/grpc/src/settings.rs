use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bus_admission::{CredentialsInForce, Departure, PlaintextError, TlsServer};
use bus_domain::BareJid;
use bus_engine::{PushProfiles, Pushes};
use outbound_http::Guard;
use thiserror::Error;

/// What the leg is started with. It makes no connections and opens no ports: the listener comes from outside.
#[derive(Debug, Clone)]
pub struct GrpcSettings {
    /// Where the nodes are on XMPP: the component's domain, for the URIs of nodes.
    pub service: BareJid,
    /// Who may call. Without any, every call but health and reflection is refused.
    pub credentials: CredentialsInForce,
    /// With it, connections are encrypted, and no others are taken.
    pub tls: Option<Arc<TlsServer>>,
    /// Whether an address beyond loopback may be listened on without TLS, where tokens and events travel readably.
    pub allow_plaintext_beyond_loopback: bool,
    /// Bytes of one request. A longer one is refused with `OUT_OF_RANGE` by the gRPC library.
    pub message_bytes_max: usize,
    /// Connections at a time; one more waits until another ends.
    pub connections_max: usize,
    /// Calls, streams included, that may be open on one connection; the client waits with more.
    pub streams_per_connection_max: u32,
    /// Bytes of events in the form in which they are sent, which readers of one node share.
    pub encoded_events_bytes_max: usize,
    /// Where the leg counts.
    pub statistics: Arc<GrpcStatistics>,
    /// Where destinations of subscriptions may be.
    pub guard: Guard,
    /// What the instance says of itself to its admins.
    pub info: ServerInfo,
    /// Begins when an admin has the instance drained, and when the leg stops: the clients of all legs that share it are sent
    /// away.
    pub departure: Departure,
    /// Devices and pushes. Without, the service `Push` is not there.
    pub pushes: Option<Pushes>,
    /// Push profiles, where there is a push provider; without them the service is not there.
    pub push_profiles: Option<PushProfiles>,
    /// How long open calls may take to end once the leg has been told to stop.
    pub shutdown_grace: Duration,
}

impl Default for GrpcSettings {
    fn default() -> Self {
        Self {
            service: BareJid::new("localhost").expect("it is a domain"),
            credentials: CredentialsInForce::default(),
            tls: None,
            allow_plaintext_beyond_loopback: false,
            message_bytes_max: 4 * 1024 * 1024,
            connections_max: 512,
            streams_per_connection_max: 1_024,
            encoded_events_bytes_max: 16 * 1024 * 1024,
            statistics: Arc::default(),
            guard: Guard::default(),
            info: ServerInfo::default(),
            departure: Departure::default(),
            pushes: None,
            push_profiles: None,
            shutdown_grace: Duration::from_secs(5),
        }
    }
}

/// What an instance is, for its admins.
#[derive(Debug, Clone, Default)]
pub struct ServerInfo {
    /// Of the program.
    pub version: String,
    /// The component's.
    pub domain: String,
    /// Where events are kept.
    pub store: StoreKind,
    /// When the process started, in milliseconds since 1970.
    pub started_at_ms: i64,
    /// The bounds in force, by their names in the configuration.
    pub limits: BTreeMap<String, u64>,
}

/// Where events are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum StoreKind {
    /// In a file.
    #[default]
    Sqlite,
    /// In a database that other instances may share.
    Postgresql,
}

/// Counters of the leg, for metrics and for tests that assert counts.
#[derive(Debug, Default)]
pub struct GrpcStatistics {
    events_encoded: AtomicU64,
}

/// The counters at one moment; they only go up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GrpcStatisticsSnapshot {
    /// Events that were turned into what is sent to readers.
    pub events_encoded: u64,
}

impl GrpcStatistics {
    /// Reads all counters.
    pub fn snapshot(&self) -> GrpcStatisticsSnapshot {
        GrpcStatisticsSnapshot { events_encoded: self.events_encoded.load(Ordering::Relaxed) }
    }

    pub(crate) fn count_encoded(&self) {
        self.events_encoded.fetch_add(1, Ordering::Relaxed);
    }
}

/// Why the leg does not serve.
#[derive(Debug, Error)]
pub enum ServeError {
    /// The settings do not allow it.
    #[error(transparent)]
    Settings(#[from] PlaintextError),
    /// The listener has no address.
    #[error("the gRPC listener cannot be used")]
    Listener(#[source] std::io::Error),
    /// The gRPC library gave up.
    #[error("the gRPC server failed")]
    Transport(#[from] tonic::transport::Error),
    /// The descriptors of the API, which are compiled in, cannot be read.
    #[error("the descriptors of the API cannot be served")]
    Reflection(#[from] tonic_reflection::server::Error),
}
