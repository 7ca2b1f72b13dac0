use bus_engine::PushLimits;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The bounds of pushing, as in [`PushLimits`].
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(default)]
#[expect(clippy::struct_field_names, reason = "the keys stand in one table with those of other crates")]
pub(super) struct PushLimitsConfig {
    /// Devices that one address may have.
    push_devices_per_jid_max: u64,
    /// Pushes of one account that may be under way at a time.
    push_in_flight_max: usize,
    /// Connections to one push service at a time. Another one is opened when all carry 250 pushes.
    push_connections_per_origin_max: usize,
    /// How long jobs that are over are remembered with their ids, dead ones too.
    push_finished_kept_ms: i64,
    /// How long a device is kept whose app does not register again.
    push_devices_unseen_kept_ms: i64,
    /// How long a push whose `ttl_s` is 0 may wait for its one attempt.
    push_once_ms: i64,
    /// Addresses for Web Push that one address may have.
    push_inlets_per_jid_max: u64,
    /// Pushes that come in in a second for one registration. An XMPP server that is faster hears that it may try again.
    push_in_per_second_per_inlet_max: u64,
    /// The same for all registrations together.
    push_in_per_second_max: u64,
    /// For how long these rates may be saved up: so much may come at once.
    push_in_burst_ms: u64,
    /// Jobs of one account that wait, over which nothing more comes in from XMPP servers.
    push_jobs_waiting_max: u64,
}

impl PushLimitsConfig {
    /// The bounds that pushing is started with.
    pub(super) fn push(&self) -> PushLimits {
        PushLimits {
            devices_per_owner_max: self.push_devices_per_jid_max,
            in_flight_max: self.push_in_flight_max,
            finished_kept_ms: self.push_finished_kept_ms,
            unseen_kept_ms: self.push_devices_unseen_kept_ms,
            once_ms: self.push_once_ms,
            inlets_per_owner_max: self.push_inlets_per_jid_max,
            inlet_pushes_per_second_max: self.push_in_per_second_per_inlet_max,
            inlets_pushes_per_second_max: self.push_in_per_second_max,
            inlet_burst_ms: self.push_in_burst_ms,
            waiting_max: self.push_jobs_waiting_max,
            ..PushLimits::default()
        }
    }

    /// Connections to one push service at a time.
    pub(super) fn connections_per_origin_max(&self) -> usize {
        self.push_connections_per_origin_max
    }
}

impl Default for PushLimitsConfig {
    fn default() -> Self {
        let limits = PushLimits::default();
        Self {
            push_devices_per_jid_max: limits.devices_per_owner_max,
            push_in_flight_max: limits.in_flight_max,
            push_connections_per_origin_max: 4,
            push_finished_kept_ms: limits.finished_kept_ms,
            push_devices_unseen_kept_ms: limits.unseen_kept_ms,
            push_once_ms: limits.once_ms,
            push_inlets_per_jid_max: limits.inlets_per_owner_max,
            push_in_per_second_per_inlet_max: limits.inlet_pushes_per_second_max,
            push_in_per_second_max: limits.inlets_pushes_per_second_max,
            push_in_burst_ms: limits.inlet_burst_ms,
            push_jobs_waiting_max: limits.waiting_max,
        }
    }
}
