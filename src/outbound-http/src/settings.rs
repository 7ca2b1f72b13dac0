use std::time::Duration;

use crate::Guard;

/// How a [`crate::Client`] behaves.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where requests may go.
    pub guard: Guard,
    /// Authorities in PEM that are trusted besides those of the machine.
    pub authorities_pem: Option<Vec<u8>>,
    /// Connections to one origin at a time. Another one is opened when all have [`Self::requests_per_connection`].
    pub connections_per_origin_max: usize,
    /// Requests on a connection at a time, as long as its server does not take fewer. Above it another connection is opened, or
    /// requests wait.
    pub requests_per_connection: usize,
    /// Origins whose connections are kept; those that were asked the longest ago go first.
    pub origins_max: usize,
    /// How long a connection without requests is kept.
    pub idle_max: Duration,
    /// How long resolving, connecting and agreeing on TLS may take together.
    pub connect_timeout: Duration,
    /// How long a request may take until its answer begins, with connecting. The answer's body is waited for a little beyond
    /// that; what has come by then is the body.
    pub request_timeout: Duration,
    /// Bytes of an answer's body; the rest is thrown away, the answer counts.
    pub response_bytes_max: usize,
    /// How often a request that the server has turned away is brought to another connection.
    pub attempts_max: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            guard: Guard::default(),
            authorities_pem: None,
            connections_per_origin_max: 2,
            requests_per_connection: 250,
            origins_max: 1_000,
            idle_max: Duration::from_mins(10),
            connect_timeout: Duration::from_secs(10),
            request_timeout: Duration::from_secs(30),
            response_bytes_max: 64 * 1024,
            attempts_max: 3,
        }
    }
}
