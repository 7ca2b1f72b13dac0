//! Pushing: devices, messages for them as durable jobs, and senders that bring the jobs to the providers.
//!
//! What is answered is on disk ([`Pushes::send`]). [`Pushes::run`] sends: `sender.rs` decides what is done with each job, `window.rs` how
//! many are under way; both are state machines without I/O, which `driver.rs` carries out on a store and on a bridge's
//! [`PushSink`]s. A job that is tried is claimed for a while and due again when the claim ends, so nothing is lost with the
//! process.

mod devices;
mod driver;
mod error;
mod jobs;
mod sender;
mod sink;
mod statistics;
mod window;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bus_domain::push::PushProvider;
use bus_domain::{Actor, BareJid, Role};
use bus_store::PushStore;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::{Clock, IdSource};

pub use devices::Registration;
pub use error::PushError;
pub use jobs::{PushOrder, PushTargets, QueuedPush};
pub use sink::{Push, PushOutcome, PushSink, Unfit};
pub use statistics::{PushCount, PushGauges};

use statistics::Counts;

/// Bounds of pushing.
#[derive(Debug, Clone)]
pub struct PushLimits {
    /// Devices that one address may have.
    pub devices_per_owner_max: u64,
    /// Pushes of one provider that may be under way at a time.
    pub in_flight_max: usize,
    /// How long jobs that are over are remembered, with their ids, in milliseconds.
    pub finished_kept_ms: i64,
    /// How long a device is kept whose app does not show itself, in milliseconds.
    pub unseen_kept_ms: i64,
    /// How long a push that is to be tried once may wait for that, in milliseconds.
    pub once_ms: i64,
    /// How long the senders may take to end what is under way.
    pub shutdown_grace: Duration,
}

impl Default for PushLimits {
    fn default() -> Self {
        const DAY_MS: i64 = 24 * 3_600 * 1_000;
        Self {
            devices_per_owner_max: 100,
            in_flight_max: 1_000,
            finished_kept_ms: DAY_MS,
            unseen_kept_ms: 180 * DAY_MS,
            once_ms: 30_000,
            shutdown_grace: Duration::from_secs(5),
        }
    }
}

/// Pushing as legs see it. Cheap to clone.
#[derive(Clone)]
pub struct Pushes(Arc<Shared>);

struct Shared {
    store: Arc<dyn PushStore>,
    lanes: BTreeMap<PushProvider, Lane>,
    limits: PushLimits,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn IdSource>,
    counts: Counts,
}

/// What belongs to one provider.
struct Lane {
    sink: Arc<dyn PushSink>,
    /// There is something new to send.
    enqueued: Notify,
    gauges: statistics::LaneGauges,
}

impl Pushes {
    /// Pushing through these sinks, one of each provider.
    pub fn new(
        store: Arc<dyn PushStore>,
        sinks: Vec<Arc<dyn PushSink>>,
        limits: PushLimits,
        clock: Arc<dyn Clock>,
        ids: Arc<dyn IdSource>,
    ) -> Self {
        let lane = |sink: Arc<dyn PushSink>| {
            (
                sink.provider(),
                Lane { sink, enqueued: Notify::new(), gauges: statistics::LaneGauges::default() },
            )
        };
        let lanes = sinks.into_iter().map(lane).collect();
        Self(Arc::new(Shared { store, lanes, limits, clock, ids, counts: Counts::default() }))
    }

    /// The providers through whom anything can be sent.
    pub fn providers(&self) -> impl Iterator<Item = PushProvider> {
        self.0.lanes.keys().copied()
    }

    /// Sends what is enqueued until it is told to stop, then lets what is under way end.
    pub async fn run(&self, shutdown: CancellationToken) {
        driver::run(&self.0, &shutdown).await;
    }

    fn lane(&self, provider: PushProvider) -> Result<&Lane, PushError> {
        self.0.lanes.get(&provider).ok_or(PushError::ProviderNotConfigured { provider })
    }

    fn now_ms(&self) -> i64 {
        self.0.clock.now_ms()
    }
}

/// Whether somebody may see and change what belongs to the owner: everybody their own, service principals and admins all.
fn may_manage(actor: &Actor, owner: &BareJid) -> Result<(), PushError> {
    if actor.role() == Role::User && actor.bare() != owner { Err(PushError::Forbidden) } else { Ok(()) }
}

/// Whether somebody may send: service principals and admins.
fn may_send(actor: &Actor) -> Result<(), PushError> {
    if actor.role() == Role::User { Err(PushError::Forbidden) } else { Ok(()) }
}
