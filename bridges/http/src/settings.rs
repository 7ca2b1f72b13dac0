use std::sync::Arc;
use std::time::Duration;

use bus_admission::{CredentialsInForce, Departure, PlaintextError, TlsServer};
use bus_domain::BareJid;
use bus_engine::EncodedEvents;
use thiserror::Error;

use crate::WebPushSettings;

/// What the leg is started with. It makes no connections and opens no ports: the listener comes from outside.
#[derive(Debug, Clone)]
pub struct HttpSettings {
    /// Where the nodes are on XMPP: the component's domain, for the URIs of nodes.
    pub service: BareJid,
    /// Who may call. Without any, every call is refused.
    pub credentials: CredentialsInForce,
    /// With it, connections are encrypted, and no others are taken.
    pub tls: Option<Arc<TlsServer>>,
    /// Whether an address beyond loopback may be listened on without TLS, where tokens and events travel readably.
    pub allow_plaintext_beyond_loopback: bool,
    /// Bytes of one request's body. A longer one is refused with 413.
    pub body_bytes_max: usize,
    /// Connections at a time; one more waits until another ends. A stream of events is one.
    pub connections_max: usize,
    /// How long a request's head, and then its body, may take to come.
    pub request_patience: Duration,
    /// How long a client may read nothing of what is written to it before its connection ends.
    pub reading_patience: Duration,
    /// How often a stream of events says that it goes on, while nothing happens.
    pub heartbeat_interval: Duration,
    /// The newest events as readers get them, shared by all who read a node.
    pub encoded: EncodedEvents<()>,
    /// With it, application servers push to addresses that users have given them.
    pub web_push: Option<WebPushSettings>,
    /// Begins when an admin has the instance drained, and when the leg stops: streams of events end, and nothing is published
    /// any more.
    pub departure: Departure,
    /// How long requests that are under way may take to end once the leg has been told to stop.
    pub shutdown_grace: Duration,
}

impl Default for HttpSettings {
    fn default() -> Self {
        Self {
            service: BareJid::new("localhost").expect("it is a domain"),
            credentials: CredentialsInForce::default(),
            tls: None,
            allow_plaintext_beyond_loopback: false,
            body_bytes_max: 4 * 1024 * 1024,
            connections_max: 512,
            request_patience: Duration::from_secs(30),
            reading_patience: Duration::from_mins(1),
            heartbeat_interval: Duration::from_secs(15),
            encoded: EncodedEvents::new(16 * 1024 * 1024),
            web_push: None,
            departure: Departure::default(),
            shutdown_grace: Duration::from_secs(5),
        }
    }
}

/// Why the leg does not serve.
#[derive(Debug, Error)]
pub enum ServeError {
    /// The settings do not allow it.
    #[error(transparent)]
    Settings(#[from] PlaintextError),
    /// The listener has no address.
    #[error("the HTTP listener cannot be used")]
    Listener(#[source] std::io::Error),
}
