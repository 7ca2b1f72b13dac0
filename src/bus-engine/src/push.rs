//! Pushing: devices, messages for them as durable jobs, and senders that bring the jobs to the providers.
//!
//! What is answered is on disk ([`Pushes::send`]). [`Pushes::run`] sends: `sender.rs` decides what is done with each job, `window.rs` how
//! many are under way; both are state machines without I/O, which `driver.rs` carries out on a store and on a bridge's
//! [`PushSink`]s. What others push comes in through inlets ([`Pushes::push_in`]). A job that is tried is claimed for a while and due again when the claim ends, so nothing is lost with the
//! process. Each of our accounts at a provider is a lane of its own (`lane.rs`): what is wrong with one holds up no other.

mod devices;
mod driver;
mod error;
mod feedback;
mod inlet_rates;
mod inlets;
mod jobs;
mod lane;
mod sender;
mod sink;
mod statistics;
mod web_inlets;
mod window;

use std::collections::HashSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bus_domain::push::{Device, PushAct, PushLane, may_push};
use bus_domain::{Actor, BareJid};
use bus_store::{PushQueue, PushStore};
use tokio_util::sync::CancellationToken;

use crate::pulse::Pulse;
use crate::{Clock, IdSource};

pub use devices::Registration;
pub use error::PushError;
pub use feedback::{PushFact, PushFactKind, PushFeedback};
pub use inlets::IncomingPush;
pub(crate) use jobs::job_id;
pub use jobs::{JobFilter, PushOrder, PushTargets, QueuedPush};
pub use lane::PushAccount;
pub use sink::{Push, PushOutcome, PushSink, Unfit};
pub use statistics::{PushCount, PushGauges, PushInCount};

use inlet_rates::InletRates;
use lane::Lane;
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
    /// Inlets that one address may have that lead to no device.
    pub inlets_per_owner_max: u64,
    /// Pushes that one inlet takes in a second.
    pub inlet_pushes_per_second_max: u64,
    /// Pushes that all inlets together take in a second.
    pub inlets_pushes_per_second_max: u64,
    /// For how long these rates may be saved up, in milliseconds: so much may come at once.
    pub inlet_burst_ms: u64,
    /// Jobs of one lane that wait, over which nothing more comes in; those of the bus itself still do.
    pub waiting_max: u64,
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
            inlets_per_owner_max: 100,
            inlet_pushes_per_second_max: 1,
            inlets_pushes_per_second_max: 2_000,
            inlet_burst_ms: 60_000,
            waiting_max: 2_000_000,
            shutdown_grace: Duration::from_secs(5),
        }
    }
}

/// What pushing is started with.
#[derive(Default)]
pub struct PushSettings {
    /// Our accounts at the providers. Of several that a device could be of, it is of the first one.
    pub accounts: Vec<PushAccount>,
    /// Who may send besides the operator's admins.
    pub senders: HashSet<BareJid>,
    /// Whom to tell what was found out for good.
    pub feedback: Option<Arc<dyn PushFeedback>>,
    /// Bounds.
    pub limits: PushLimits,
}

/// Pushing as legs see it. Cheap to clone.
#[derive(Clone)]
pub struct Pushes(Arc<Shared>);

struct Shared {
    store: Arc<dyn PushStore>,
    lanes: Vec<Lane>,
    senders: HashSet<BareJid>,
    feedback: Option<Arc<dyn PushFeedback>>,
    limits: PushLimits,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn IdSource>,
    counts: Counts,
    inlet_rates: InletRates,
    /// How much waits, as last counted.
    queues: Mutex<Vec<PushQueue>>,
    /// Of what runs the senders.
    pulse: Pulse,
}

impl Pushes {
    /// Pushing through these accounts.
    pub fn new(
        store: Arc<dyn PushStore>,
        settings: PushSettings,
        clock: Arc<dyn Clock>,
        ids: Arc<dyn IdSource>,
    ) -> Self {
        let PushSettings { accounts, senders, feedback, limits } = settings;
        let lanes = accounts.into_iter().map(Lane::new).collect();
        Self(Arc::new(Shared {
            store,
            lanes,
            senders,
            feedback,
            inlet_rates: InletRates::new(&limits),
            limits,
            clock,
            ids,
            counts: Counts::default(),
            queues: Mutex::default(),
            pulse: Pulse::default(),
        }))
    }

    /// The accounts through which anything can be sent, in the order of the settings.
    pub fn lanes(&self) -> impl Iterator<Item = &PushLane> {
        self.0.lanes.iter().map(|lane| &lane.id)
    }

    /// Has an account send through another sink from now on, as when its credentials are read anew. What waits because the provider
    /// did not let us in is tried at once. Says whether there is such an account.
    pub fn replace_sink(&self, lane: &PushLane, sink: Arc<dyn PushSink>) -> bool {
        match self.0.lane(lane) {
            Ok(lane) => {
                lane.sink.send_replace(Some(sink));
                true
            }
            Err(_) => false,
        }
    }

    /// Sends what is enqueued until it is told to stop, then lets what is under way end.
    pub async fn run(&self, shutdown: CancellationToken) {
        self.0.pulse.during(driver::run(&self.0, &shutdown)).await;
    }

    /// Whether what runs the senders has not come back to the runtime for so long: then only a restart helps.
    pub fn is_stuck(&self, silence: Duration) -> bool {
        self.0.pulse.silent_for() >= silence
    }

    /// Whether anything can be sent to a device.
    pub(crate) fn has_lane_of(&self, device: &Device) -> bool {
        let lane = PushLane { provider: device.address.provider(), account: device.account.clone() };
        self.0.lane(&lane).is_ok()
    }

    /// Leaves word that there may be something new to send.
    pub(crate) fn has_enqueued(&self) {
        self.0.lanes.iter().for_each(|lane| lane.enqueued.notify_one());
    }

    pub(crate) fn store(&self) -> &dyn PushStore {
        &*self.0.store
    }

    fn now_ms(&self) -> i64 {
        self.0.clock.now_ms()
    }
}

impl Shared {
    fn lane(&self, id: &PushLane) -> Result<&Lane, PushError> {
        let found = self.lanes.iter().find(|lane| lane.id == *id);
        found.ok_or_else(|| PushError::AccountNotConfigured { lane: id.clone() })
    }

    /// Asks the access table.
    fn check(&self, actor: &Actor, act: PushAct<'_>) -> Result<(), PushError> {
        let is_sender = self.senders.contains(actor.bare());
        if may_push(actor, is_sender, act) { Ok(()) } else { Err(PushError::Forbidden) }
    }
}

impl std::fmt::Debug for Pushes {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_list().entries(self.lanes()).finish()
    }
}
