use std::time::Duration;

use bridge_grpc::GrpcSettings;
use bridge_http::HttpSettings;
use bus_engine::EncodedEvents;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use xmpp_pubsub::RequestLimits;

/// The bounds on what comes in over XMPP, as in [`RequestLimits`], and over gRPC, as in [`GrpcSettings`], and over
/// HTTP, as in [`HttpSettings`]; and on the way out.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub(super) struct LegsConfig {
    /// XMPP requests that wait or are under way.
    xmpp_requests_in_flight_max: usize,
    /// Of them, those of one bare JID, of all its resources together.
    xmpp_requests_per_sender_max: usize,
    /// Bytes of XMPP requests that wait or are under way, about.
    xmpp_requests_bytes_max: usize,
    /// Of them, those of one bare JID. A single request may be over it.
    xmpp_requests_bytes_per_sender_max: usize,
    /// XMPP requests other than publishes that are under way at once; more wait. One bare JID has an eighth at most.
    xmpp_exclusive_in_flight_max: usize,
    /// Bytes of answers that may wait to be sent before no more XMPP requests are taken in.
    xmpp_answers_bytes_max: usize,
    /// Bytes of one gRPC request.
    grpc_message_bytes_max: usize,
    /// gRPC connections at a time; one more waits until another ends.
    grpc_connections_max: usize,
    /// gRPC calls, streams included, that may be open on one connection.
    grpc_streams_per_connection_max: u32,
    /// Bytes of events in the form in which gRPC sends them; readers of one node share them while they are new.
    grpc_encoded_events_bytes_max: usize,
    /// Bytes of the body of one HTTP request.
    http_body_bytes_max: usize,
    /// Connections of the HTTP API at a time, streams of events included; one more waits until another ends.
    http_connections_max: usize,
    /// How long a client of the HTTP API may read nothing of what is written to it.
    http_reading_patience_ms: u64,
    /// How often a stream of events says that it goes on, while nothing happens.
    http_heartbeat_ms: u64,
    /// Bytes of events in the form in which the HTTP API sends them; readers of one node share them while they are new.
    http_encoded_events_bytes_max: usize,
    /// How long the daemon may take, after SIGTERM, to finish what it has accepted. Of that, open gRPC calls and HTTP
    /// requests may take four tenths and the proof of the last notifications a quarter.
    drain_ms: u64,
}

impl LegsConfig {
    /// The bounds of requests over XMPP.
    pub(super) fn requests(&self) -> RequestLimits {
        RequestLimits {
            requests_in_flight_max: self.xmpp_requests_in_flight_max,
            requests_per_sender_max: self.xmpp_requests_per_sender_max,
            requests_bytes_max: self.xmpp_requests_bytes_max,
            requests_bytes_per_sender_max: self.xmpp_requests_bytes_per_sender_max,
            exclusive_in_flight_max: self.xmpp_exclusive_in_flight_max,
            answers_bytes_max: self.xmpp_answers_bytes_max,
        }
    }

    /// Settings of the gRPC leg with these bounds.
    pub(super) fn grpc(&self) -> GrpcSettings {
        GrpcSettings {
            message_bytes_max: self.grpc_message_bytes_max,
            connections_max: self.grpc_connections_max,
            streams_per_connection_max: self.grpc_streams_per_connection_max,
            encoded_events_bytes_max: self.grpc_encoded_events_bytes_max,
            shutdown_grace: self.drain() * 4 / 10,
            ..GrpcSettings::default()
        }
    }

    /// Settings of the HTTP leg with these bounds.
    pub(super) fn http(&self) -> HttpSettings {
        HttpSettings {
            body_bytes_max: self.http_body_bytes_max,
            connections_max: self.http_connections_max,
            reading_patience: Duration::from_millis(self.http_reading_patience_ms),
            heartbeat_interval: Duration::from_millis(self.http_heartbeat_ms),
            encoded: EncodedEvents::new(self.http_encoded_events_bytes_max),
            shutdown_grace: self.drain() * 4 / 10,
            ..HttpSettings::default()
        }
    }

    /// How long the way out may take.
    pub(super) fn drain(&self) -> Duration {
        Duration::from_millis(self.drain_ms)
    }
}

impl Default for LegsConfig {
    fn default() -> Self {
        let (requests, grpc) = (RequestLimits::default(), GrpcSettings::default());
        let http = HttpSettings::default();
        let ms = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        Self {
            xmpp_requests_in_flight_max: requests.requests_in_flight_max,
            xmpp_requests_per_sender_max: requests.requests_per_sender_max,
            xmpp_requests_bytes_max: requests.requests_bytes_max,
            xmpp_requests_bytes_per_sender_max: requests.requests_bytes_per_sender_max,
            xmpp_exclusive_in_flight_max: requests.exclusive_in_flight_max,
            xmpp_answers_bytes_max: requests.answers_bytes_max,
            grpc_message_bytes_max: grpc.message_bytes_max,
            grpc_connections_max: grpc.connections_max,
            grpc_streams_per_connection_max: grpc.streams_per_connection_max,
            grpc_encoded_events_bytes_max: grpc.encoded_events_bytes_max,
            http_body_bytes_max: http.body_bytes_max,
            http_connections_max: http.connections_max,
            http_reading_patience_ms: ms(http.reading_patience),
            http_heartbeat_ms: ms(http.heartbeat_interval),
            http_encoded_events_bytes_max: 16 * 1024 * 1024,
            drain_ms: 10_000,
        }
    }
}
