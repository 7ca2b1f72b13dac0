mod commit;
mod deliver;
mod faults;
mod finish;
mod house;
mod retain;
mod step;
mod submit;

use std::collections::BTreeMap;

use bus_domain::bounce::BounceClass;
use bus_domain::{BareJid, NodeId, NodeName};
use bus_engine::{Command, PresenceTable};

use crate::commands::{Sender, Ticket};
use crate::instance::{Delivering, Instance};
use crate::link::{Link, Notification};
use crate::model::Model;
use crate::scenario::admin;
use crate::store::SimulatedStore;
use crate::subscribers::Subscribers;
use crate::violation::Checked;
use crate::{Mutation, Random, Scenario, SimulatedIds, Trace};

/// Everything that takes part: instances over one store, the link that the first of them has, who receives, and what
/// must be true.
pub struct World {
    scenario: Scenario,
    mutation: Option<Mutation>,
    random: Random,
    ids: SimulatedIds,
    clock_ms: i64,
    /// A clock that never jumps.
    uptime_ms: u64,
    store: SimulatedStore,
    instances: Vec<Instance>,
    link: Link,
    /// Of nobody: no option here asks for it.
    presence: PresenceTable,
    subscribers: Subscribers,
    model: Model,
    /// Commands that are not answered.
    open: BTreeMap<Ticket, Submitted>,
    /// The newest command of a sender on a node that was carried out and answered so.
    answered: BTreeMap<(Sender, NodeName), Ticket>,
    last_ticket: Ticket,
    /// Who is not there, and what is said to whoever sends them something.
    away: BTreeMap<BareJid, BounceClass>,
    /// Notifications that will come back some time.
    late: Vec<(Notification, BounceClass)>,
    /// Where retention goes on.
    tended_through: Option<NodeId>,
    /// Whether faults are over.
    is_settling: bool,
    trace: Trace,
    counts: Counts,
}

/// A command under way.
struct Submitted {
    sender: Sender,
    instance: usize,
    command: Command,
}

/// What happened in a run, for tests that want to know that it did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Commands carried out and answered.
    pub acknowledged: usize,
    /// Commits taken by the store.
    pub commits: usize,
    /// Decisions that had to be made again.
    pub stale: usize,
    /// Entries that waited for another instance.
    pub postponed: usize,
    /// Commits with an unknown outcome.
    pub unknown: usize,
    /// Commits whose outcome nobody could say.
    pub given_up: usize,
    /// Events that retention has taken from the log.
    pub trimmed: u64,
    /// Processes that died.
    pub crashes: usize,
    /// Processes that died between a commit and its answers.
    pub crashes_after_commit: usize,
    /// Streams that were cut with something on the way.
    pub cuts: usize,
    /// Notifications that came back.
    pub bounced: usize,
    /// How often something was to be sent again.
    pub sent_again: usize,
    /// Subscriptions that were to be parked.
    pub parked: usize,
    /// First sightings of events by subscribers.
    pub arrived: usize,
    /// Notifications handed to the lane.
    pub handed_over: usize,
}

/// From this seed on, owners change nodes and subscriptions as well. Those before draw what they always did, so that seeds
/// which failed once still name their runs.
pub const FIRST_MANAGED_SEED: u64 = 20_000;

impl World {
    /// The world of a seed.
    pub fn new(seed: u64, mutation: Option<Mutation>) -> Self {
        let (seed, is_managed) = match seed.checked_sub(FIRST_MANAGED_SEED) {
            None => (seed, false),
            Some(seed) => (seed, true),
        };
        let mut random = Random::new(seed);
        let scenario = Scenario { is_managed, ..Scenario::draw(&mut random) };
        let store = SimulatedStore::default();
        store.disk().faults.ignores_rules_version = mutation == Some(Mutation::RulesVersionIgnored);
        store.disk().faults.counts_what_is_reaped = mutation == Some(Mutation::ReapedStillCounted);
        let ids = SimulatedIds::new(seed);
        let has_others = scenario.instances > 1;
        store.disk().is_shared = has_others;
        let instance = |_| Instance::new(&scenario.settings, &ids, has_others);
        let instances = (0..scenario.instances).map(instance).collect();
        let mut trace = Trace::default();
        trace.note(format!("{scenario:?}"));
        let mut world = Self {
            link: Link::new(scenario.link_room),
            presence: PresenceTable::default(),
            ids,
            clock_ms: 1_700_000_000_000,
            uptime_ms: 0,
            away: BTreeMap::new(),
            late: Vec::new(),
            subscribers: Subscribers::default(),
            model: Model::new(admin()),
            open: BTreeMap::new(),
            answered: BTreeMap::new(),
            last_ticket: 0,
            tended_through: None,
            is_settling: false,
            counts: Counts::default(),
            scenario,
            mutation,
            random,
            store,
            instances,
            trace,
        };
        world.start_delivery();
        world
    }

    /// Steps with faults, then rest, then the checks of the whole.
    pub fn run(&mut self) -> Checked {
        for _ in 0..self.scenario.steps {
            self.step()?;
        }
        self.settle()?;
        self.finish()
    }

    /// What happened.
    pub fn trace(&self) -> &Trace {
        &self.trace
    }

    /// How much of it.
    pub fn counts(&self) -> Counts {
        Counts { arrived: self.subscribers.arrived(), ..self.counts }
    }

    fn note(&mut self, line: String) {
        self.trace.note(line);
    }

    fn is(&self, mutation: Mutation) -> bool {
        self.mutation == Some(mutation)
    }

    /// True in so many of a hundred cases, while there is trouble.
    fn trouble(&mut self, percent: usize) -> bool {
        !self.is_settling && self.random.below(10_000) < percent * self.scenario.trouble
    }

    /// Delivery starts, in the first instance, with nothing in memory.
    fn start_delivery(&mut self) {
        let delivery = Delivering::new(&self.scenario, self.model.commits());
        self.instances[0].delivery = Some(delivery);
    }

    fn delivery(&mut self) -> &mut Delivering {
        self.instances[0].delivery.as_mut().expect("the first instance delivers")
    }
}
