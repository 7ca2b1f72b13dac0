use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use thiserror::Error;

use crate::{CredentialsInForce, TlsServer};

/// What the leg is started with. It makes no connections and opens no ports: the listener comes from outside.
#[derive(Debug, Clone)]
pub struct GrpcSettings {
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
    /// How long open calls may take to end once the leg has been told to stop.
    pub shutdown_grace: Duration,
}

impl Default for GrpcSettings {
    fn default() -> Self {
        Self {
            credentials: CredentialsInForce::default(),
            tls: None,
            allow_plaintext_beyond_loopback: false,
            message_bytes_max: 4 * 1024 * 1024,
            connections_max: 512,
            streams_per_connection_max: 1_024,
            encoded_events_bytes_max: 16 * 1024 * 1024,
            statistics: Arc::default(),
            shutdown_grace: Duration::from_secs(5),
        }
    }
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

/// What is wrong with the settings.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SettingsError {
    /// The principal's name does not make an address `name@<component domain>`.
    #[error(
        "the principal {principal:?} does not make an address with {domain:?}; use letters, digits, '-', '_', '.'"
    )]
    Principal {
        /// The name.
        principal: String,
        /// The component domain.
        domain: String,
    },
    /// The hash of a token is not one.
    #[error("the sha256 of the token of {principal:?} is not 64 hexadecimal digits")]
    TokenHash {
        /// Whose token.
        principal: String,
    },
    /// The name of certificates is none.
    #[error(
        "the certificate's name of {principal:?} must be a DNS name or a URI among its subject alternative names, without \
         wildcards"
    )]
    CertificateName {
        /// Whose certificate.
        principal: String,
    },
    /// Others on the network could read along.
    #[error(
        "gRPC on {address} would send tokens and events readably over the network; give it a certificate in [grpc.tls], \
         listen on 127.0.0.1, or set allow_plaintext_beyond_loopback = true in [grpc] if the network is trusted"
    )]
    PlaintextBeyondLoopback {
        /// The address.
        address: SocketAddr,
    },
}

/// Why the leg does not serve.
#[derive(Debug, Error)]
pub enum ServeError {
    /// The settings do not allow it.
    #[error(transparent)]
    Settings(#[from] SettingsError),
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

/// Refuses addresses beyond loopback without TLS, unless they are allowed explicitly.
pub fn check_address(
    address: SocketAddr,
    allow_plaintext_beyond_loopback: bool,
) -> Result<(), SettingsError> {
    if address.ip().to_canonical().is_loopback() || allow_plaintext_beyond_loopback {
        return Ok(());
    }
    Err(SettingsError::PlaintextBeyondLoopback { address })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plaintext_stays_on_loopback_unless_allowed() {
        for (address, expected) in [
            ("127.0.0.1:50051", true),
            ("127.8.9.1:50051", true),
            ("[::1]:50051", true),
            ("[::ffff:127.0.0.1]:50051", true),
            ("0.0.0.0:50051", false),
            ("[::]:50051", false),
            ("192.0.2.1:50051", false),
        ] {
            let address = address.parse().unwrap();
            assert_eq!(check_address(address, false).is_ok(), expected, "{address}");
            assert_eq!(check_address(address, true), Ok(()), "{address}");
        }
    }
}
