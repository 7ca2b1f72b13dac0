use std::fmt;
use std::time::Duration;

use bus_xml::XmlLimits;

use crate::{ServerAddress, TlsClient};

/// What one component link needs to know.
#[derive(Debug, Clone)]
pub struct ComponentConfig {
    /// The component's own domain, for example `events.example.org`.
    pub domain: String,
    /// The XMPP server's host domain, where barriers go. Usually the parent of `domain`.
    pub host: String,
    /// Where the server listens for components.
    pub server: ServerAddress,
    /// Whom to trust; needed exactly when `server` is one with TLS.
    pub tls: Option<TlsClient>,
    /// The secret shared with the server.
    pub secret: Secret,
    /// Every bound of the link.
    pub limits: LinkLimits,
}

/// A shared secret. It is never printed.
#[derive(Clone)]
pub struct Secret(String);

impl Secret {
    /// Wraps the secret's text.
    pub fn new(secret: String) -> Self {
        Self(secret)
    }

    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Secret")
    }
}

/// The bounds of a link, each with its unit in its name.
#[derive(Debug, Clone)]
pub struct LinkLimits {
    /// The longest inbound stanza; a longer one becomes [`crate::LinkEvent::Rejected`].
    pub stanza_bytes_max: usize,
    /// Levels of nesting of an inbound stanza, its root counted as 1.
    pub depth_max: usize,
    /// Events that wait for the reader of [`crate::LinkEvents`]; beyond it the link stops reading.
    pub inbound_stanzas_max: usize,
    /// Bytes (as on the wire) of the stanzas among them. A tree may take some fifty times as much memory.
    pub inbound_bytes_max: usize,
    /// The longest stanza that is written. Over its own limit a server closes the stream: Prosody at 512 KiB.
    pub outbound_stanza_bytes_max: usize,
    /// Bytes of replies that wait to be written.
    pub reply_lane_bytes_max: usize,
    /// Bytes of notifications that wait to be written; at least twice `outbound_stanza_bytes_max` counts.
    pub notification_lane_bytes_max: usize,
    /// Notifications between two barriers when the one before is still unanswered.
    pub barrier_every_stanzas: u32,
    /// How long a TCP connection may take, name resolution included.
    pub connect_timeout_ms: u64,
    /// How long the server may take from the stream header to the accepted handshake.
    pub handshake_timeout_ms: u64,
    /// Silence after which the server is pinged.
    pub idle_ping_ms: u64,
    /// How long a barrier may be unanswered before it is followed by another: an answer may have gone elsewhere. A
    /// quarter of it lies between pings while somebody else seems to be attached as our domain.
    pub reprobe_ms: u64,
    /// Silence after which the connection counts as dead; longer than `idle_ping_ms`. A barrier that is not answered
    /// for as long is overdue.
    pub dead_after_ms: u64,
    /// The first wait before a new connection.
    pub backoff_ms_min: u64,
    /// The longest wait before a new connection.
    pub backoff_ms_max: u64,
    /// The wait after a failure that only an administrator can mend.
    pub backoff_ms_fault: u64,
    /// How long a shutdown may wait for the lanes and the last barrier.
    pub drain_ms: u64,
}

impl Default for LinkLimits {
    fn default() -> Self {
        Self {
            stanza_bytes_max: 1024 * 1024,
            depth_max: 64,
            inbound_stanzas_max: 256,
            inbound_bytes_max: 4 * 1024 * 1024,
            outbound_stanza_bytes_max: 480 * 1024,
            reply_lane_bytes_max: 4 * 1024 * 1024,
            notification_lane_bytes_max: 8 * 1024 * 1024,
            barrier_every_stanzas: 256,
            connect_timeout_ms: 10_000,
            handshake_timeout_ms: 10_000,
            idle_ping_ms: 20_000,
            reprobe_ms: 1_000,
            dead_after_ms: 60_000,
            backoff_ms_min: 250,
            backoff_ms_max: 30_000,
            backoff_ms_fault: 60_000,
            drain_ms: 2_000,
        }
    }
}

impl LinkLimits {
    pub(crate) fn xml(&self) -> XmlLimits {
        XmlLimits { depth_max: self.depth_max, bytes_max: self.stanza_bytes_max }
    }

    pub(crate) fn connect_timeout(&self) -> Duration {
        Duration::from_millis(self.connect_timeout_ms)
    }

    pub(crate) fn handshake_timeout(&self) -> Duration {
        Duration::from_millis(self.handshake_timeout_ms)
    }
}
