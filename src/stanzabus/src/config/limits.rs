mod legs;
mod push;
mod store;

use std::collections::BTreeMap;
use std::time::Duration;

use bridge_grpc::GrpcSettings;
use bridge_http::HttpSettings;
use bus_domain::Limits;
use bus_domain::quota::Quotas;
use bus_engine::{EngineLimits, PushLimits, Settings};
use bus_store_postgres::PostgresLimits;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use xmpp_component::LinkLimits;
use xmpp_pubsub::RequestLimits;

use super::ConfigError;
use legs::LegsConfig;
use push::PushLimitsConfig;
use store::StoreLimitsConfig;

/// `[limits]`: every bound, with its unit in its name. The crates that keep a bound describe it.
///
/// `deny_unknown_fields` does not go together with `flatten`; unknown keys are found by the schema before.
#[derive(Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub(crate) struct LimitsConfig {
    #[serde(flatten)]
    rules: Limits,
    #[serde(flatten)]
    quotas: Quotas,
    #[serde(flatten)]
    engine: EngineLimits,
    #[serde(flatten)]
    link: LinkConfig,
    #[serde(flatten)]
    legs: LegsConfig,
    #[serde(flatten)]
    push: PushLimitsConfig,
    #[serde(flatten)]
    store: StoreLimitsConfig,
}

/// The bounds of the link to the XMPP server, as in [`LinkLimits`].
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(default)]
#[expect(clippy::struct_field_names, reason = "the keys stand in one table with those of other crates")]
struct LinkConfig {
    /// The longest stanza that is read.
    link_stanza_bytes_max: usize,
    /// Levels of nesting of a stanza that is read.
    link_depth_max: usize,
    /// Stanzas that were read and wait for their turn.
    link_inbound_stanzas_max: usize,
    /// Bytes of them.
    link_inbound_bytes_max: usize,
    /// The longest stanza that is written; below the XMPP server's own limit (Prosody: `component_stanza_size_limit`,
    /// 512 KiB; ejabberd: `max_stanza_size` of the listener, none unless set).
    link_outbound_stanza_bytes_max: usize,
    /// Bytes of replies that wait to be written.
    link_reply_lane_bytes_max: usize,
    /// Bytes of notifications that wait to be written.
    link_notification_lane_bytes_max: usize,
    /// Notifications between two barriers while one is unanswered.
    link_barrier_every_stanzas: u32,
    /// How long a TCP connection may take.
    link_connect_timeout_ms: u64,
    /// How long the server may take to accept the handshake.
    link_handshake_timeout_ms: u64,
    /// Silence after which the server is pinged.
    link_idle_ping_ms: u64,
    /// How long a ping may be unanswered before it is followed by another.
    link_reprobe_ms: u64,
    /// Silence after which the connection counts as dead.
    link_dead_after_ms: u64,
    /// The first wait before a new connection.
    link_backoff_ms_min: u64,
    /// The longest wait before a new connection.
    link_backoff_ms_max: u64,
    /// The wait after a failure that only an administrator can mend.
    link_backoff_ms_fault: u64,
}

/// What an envelope around a payload may take: addresses, ids and a NodeID of 1023 bytes, escaped.
const ENVELOPE_BYTES_MAX: usize = 32 * 1024;

impl LimitsConfig {
    /// The bounds that the engine is started with.
    pub(crate) fn engine(&self) -> Settings {
        Settings {
            limits: self.rules.clone(),
            quotas: self.quotas.clone(),
            engine: self.engine.clone(),
            ..Settings::default()
        }
    }

    /// The bounds of requests over XMPP.
    pub(crate) fn requests(&self) -> RequestLimits {
        self.legs.requests()
    }

    /// Settings of the gRPC leg with its bounds.
    pub(crate) fn grpc(&self) -> GrpcSettings {
        self.legs.grpc()
    }

    /// Settings of the HTTP leg with its bounds.
    pub(crate) fn http(&self) -> HttpSettings {
        self.legs.http()
    }

    /// The bounds of pushing. What is under way at the end may take a quarter of the way out.
    pub(crate) fn push(&self) -> PushLimits {
        PushLimits { shutdown_grace: self.drain() / 4, ..self.push.push() }
    }

    /// Connections to one push service at a time.
    pub(crate) fn push_connections_per_origin_max(&self) -> usize {
        self.push.connections_per_origin_max()
    }

    /// The bounds of a store on PostgreSQL.
    pub(crate) fn postgres(&self) -> PostgresLimits {
        self.store.postgres()
    }

    /// The bounds of the link.
    pub(crate) fn link(&self) -> LinkLimits {
        let link = &self.link;
        LinkLimits {
            stanza_bytes_max: link.link_stanza_bytes_max,
            depth_max: link.link_depth_max,
            inbound_stanzas_max: link.link_inbound_stanzas_max,
            inbound_bytes_max: link.link_inbound_bytes_max,
            outbound_stanza_bytes_max: link.link_outbound_stanza_bytes_max,
            reply_lane_bytes_max: link.link_reply_lane_bytes_max,
            notification_lane_bytes_max: link.link_notification_lane_bytes_max,
            barrier_every_stanzas: link.link_barrier_every_stanzas,
            connect_timeout_ms: link.link_connect_timeout_ms,
            handshake_timeout_ms: link.link_handshake_timeout_ms,
            idle_ping_ms: link.link_idle_ping_ms,
            reprobe_ms: link.link_reprobe_ms,
            dead_after_ms: link.link_dead_after_ms,
            backoff_ms_min: link.link_backoff_ms_min,
            backoff_ms_max: link.link_backoff_ms_max,
            backoff_ms_fault: link.link_backoff_ms_fault,
            drain_ms: u64::try_from(self.drain().as_millis() / 4).unwrap_or(u64::MAX),
        }
    }

    /// How long the way out may take, from SIGTERM on.
    pub(crate) fn drain(&self) -> Duration {
        self.legs.drain()
    }

    /// The bounds in force, by their names; one that stands for no bound is left out.
    pub(crate) fn by_name(&self) -> BTreeMap<String, u64> {
        let fields = serde_json::to_value(self).expect("bounds are plain numbers");
        let fields = fields.as_object().into_iter().flatten();
        fields.filter_map(|(name, value)| Some((name.clone(), value.as_u64()?))).collect()
    }

    /// Finds bounds that allow nothing, or contradict each other.
    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        let fields = serde_json::to_value(self).expect("bounds are plain numbers");
        let zero = fields.as_object().and_then(|fields| fields.iter().find(|(_, value)| **value == 0));
        if let Some((name, _)) = zero {
            return Err(ConfigError::invalid(
                "limits",
                format!("{name} = 0 allows nothing; it must be at least 1"),
            ));
        }
        let link = &self.link;
        let payload_room = link.link_outbound_stanza_bytes_max.saturating_sub(ENVELOPE_BYTES_MAX);
        let contradictions = [
            (
                self.rules.payload_bytes_max > payload_room,
                "payload_bytes_max must be at least 32 KiB below link_outbound_stanza_bytes_max, for the envelope",
            ),
            (
                link.link_idle_ping_ms >= link.link_dead_after_ms,
                "link_idle_ping_ms must be below link_dead_after_ms, or no ping is ever sent",
            ),
            (
                link.link_backoff_ms_min > link.link_backoff_ms_max,
                "link_backoff_ms_min must not be above link_backoff_ms_max",
            ),
            (
                self.engine.lagging_backoff_ms_min > self.engine.lagging_backoff_ms_max,
                "lagging_backoff_ms_min must not be above lagging_backoff_ms_max",
            ),
            (
                self.postgres().lock_timeout_ms >= self.postgres().call_timeout_ms,
                "store_lock_timeout_ms must be below store_call_timeout_ms, or a lock that is held looks like an outage",
            ),
        ];
        match contradictions.into_iter().find(|(wrong, _)| *wrong) {
            Some((_, message)) => Err(ConfigError::invalid("limits", message)),
            None => Ok(()),
        }
    }
}

impl Default for LinkConfig {
    fn default() -> Self {
        let limits = LinkLimits::default();
        Self {
            link_stanza_bytes_max: limits.stanza_bytes_max,
            link_depth_max: limits.depth_max,
            link_inbound_stanzas_max: limits.inbound_stanzas_max,
            link_inbound_bytes_max: limits.inbound_bytes_max,
            link_outbound_stanza_bytes_max: limits.outbound_stanza_bytes_max,
            link_reply_lane_bytes_max: limits.reply_lane_bytes_max,
            link_notification_lane_bytes_max: limits.notification_lane_bytes_max,
            link_barrier_every_stanzas: limits.barrier_every_stanzas,
            link_connect_timeout_ms: limits.connect_timeout_ms,
            link_handshake_timeout_ms: limits.handshake_timeout_ms,
            link_idle_ping_ms: limits.idle_ping_ms,
            link_reprobe_ms: limits.reprobe_ms,
            link_dead_after_ms: limits.dead_after_ms,
            link_backoff_ms_min: limits.backoff_ms_min,
            link_backoff_ms_max: limits.backoff_ms_max,
            link_backoff_ms_fault: limits.backoff_ms_fault,
        }
    }
}
