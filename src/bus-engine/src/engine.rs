use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bus_domain::{BusError, NodeFacts, NodeId, NodeName, relation};
use bus_store::{Store, StoreError};
use tokio::sync::{Notify, mpsc, watch};
use tokio_util::sync::CancellationToken;

use crate::advisories::{Advisories, AdvisoryAbout};
use crate::committer::{self, BatchProgress, CommitQueue};
use crate::consumers::{self, Consumers};
use crate::dispatcher::{self, Mailbox};
use crate::doorbell;
use crate::epochs::{self, ProcessEpoch};
use crate::facts_cache::FactsCache;
use crate::feeds::{self, WantedFeeds};
use crate::known_heads::KnownHeads;
use crate::leases;
use crate::live_readers::LiveReaders;
use crate::notices::{Notice, Notices};
use crate::orphans;
use crate::outage::Outage;
use crate::presence::PresenceTable;
use crate::presence_effects;
use crate::presence_uses::KnownPresenceUses;
use crate::pulse::Pulse;
use crate::push_profiles::ProfileWatch;
use crate::recent::RecentEvents;
use crate::retention;
use crate::rosters::RostersLent;
use crate::{
    Clock, Command, DeliveryInput, EventIds, IdSource, NotificationSink, Outcome, Settings, Statistics, Verb,
};

/// Nodes above one that are looked at; more levels than any operator allows.
const RELATIONS_MAX: usize = 1_000;

/// The bus as legs see it. Cheap to clone.
#[derive(Clone)]
pub struct Engine(Arc<EngineShared>);

/// What the engine's tasks share.
pub(crate) struct EngineShared {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) settings: Settings,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) ids: Arc<dyn IdSource>,
    pub(crate) event_ids: EventIds,
    pub(crate) process_epoch: ProcessEpoch,
    pub(crate) known_heads: KnownHeads,
    pub(crate) facts: FactsCache,
    pub(crate) recent: RecentEvents,
    pub(crate) queue: CommitQueue,
    pub(crate) mailbox: Mailbox,
    pub(crate) feeds: WantedFeeds,
    pub(crate) consumers: Consumers,
    /// Counts what has changed about consumers with destinations.
    pub(crate) destinations: watch::Sender<u64>,
    pub(crate) push_profiles: ProfileWatch,
    pub(crate) live_readers: Arc<LiveReaders>,
    /// Counts what has changed about sources.
    pub(crate) sources: watch::Sender<u64>,
    pub(crate) notices: Notices,
    pub(crate) advisories: Advisories,
    pub(crate) rosters: RostersLent,
    pub(crate) presence: Arc<PresenceTable>,
    pub(crate) presence_uses: KnownPresenceUses,
    pub(crate) statistics: Statistics,
    pub(crate) store_outage: Outage,
    pub(crate) committer_pulse: Pulse,
    pub(crate) delivery_pulse: Pulse,
    pub(crate) batches: BatchProgress,
    /// Something was committed since other instances were told.
    pub(crate) committed: Notify,
    /// There may be nodes below one that is gone.
    pub(crate) orphaned: Notify,
}

/// A started engine and what its owner keeps.
pub struct EngineParts {
    /// The engine.
    pub engine: Engine,
    /// Ends when the committer has stopped: cancelled, and everything accepted has been answered.
    pub committer: tokio::task::JoinHandle<()>,
}

impl Engine {
    /// Starts the committer over a store. If the store was not closed in order ([`bus_store::EpochStore`]), nodes that may
    /// have lost events begin new epochs first. Whoever stops the engine in order closes the store behind it. Listens for
    /// other instances if there can be any.
    pub async fn start(
        store: Arc<dyn Store>,
        settings: Settings,
        clock: Arc<dyn Clock>,
        ids: Arc<dyn IdSource>,
        shutdown: CancellationToken,
    ) -> Result<EngineParts, StoreError> {
        let event_ids = EventIds::new(store.id_key().await?);
        let renewed = epochs::start(&*store, &*ids).await?;
        let shared = Arc::new(EngineShared {
            process_epoch: ProcessEpoch::new(&*ids),
            known_heads: KnownHeads::new(settings.engine.cached_nodes_max),
            queue: CommitQueue::new(settings.clone(), store.is_shared(), &*ids),
            facts: FactsCache::new(settings.engine.cached_nodes_max),
            recent: RecentEvents::new(settings.engine.recent_bytes_max),
            mailbox: Mailbox::default(),
            feeds: WantedFeeds::default(),
            consumers: Consumers::new(&*ids, settings.service()),
            destinations: watch::Sender::new(0),
            push_profiles: ProfileWatch::default(),
            live_readers: Arc::default(),
            sources: watch::Sender::new(0),
            notices: Notices::default(),
            advisories: Advisories::default(),
            rosters: RostersLent::new(),
            presence: Arc::new(PresenceTable::new(Duration::from_millis(
                settings.engine.presence_answer_ms_max,
            ))),
            presence_uses: KnownPresenceUses::default(),
            statistics: Statistics::default(),
            store_outage: Outage::default(),
            committer_pulse: Pulse::default(),
            delivery_pulse: Pulse::default(),
            batches: BatchProgress::default(),
            committed: Notify::new(),
            orphaned: Notify::new(),
            store,
            settings,
            clock,
            ids,
            event_ids,
        });
        if renewed > 0 {
            shared.advise(AdvisoryAbout::EpochsRenewed { nodes: renewed });
        }
        feeds::start(&shared).await?;
        tokio::spawn(feeds::run(Arc::clone(&shared), shutdown.clone()));
        tokio::spawn(orphans::run(Arc::clone(&shared), shutdown.clone()));
        tokio::spawn(doorbell::run(Arc::clone(&shared), shutdown.clone()));
        let consumers = tokio::spawn(consumers::run(Arc::clone(&shared), shutdown.clone()));
        let committing = Arc::clone(&shared);
        let committer = tokio::spawn(async move {
            committing.committer_pulse.during(committer::run(Arc::clone(&committing), shutdown)).await;
            // It ends with the same signal, and has answers to write, too.
            let _panicked = consumers.await;
        });
        Ok(EngineParts { engine: Self(shared), committer })
    }

    /// Delivers committed events to the sink until `inputs` is closed. One such task serves the XMPP leg.
    pub async fn deliver(&self, sink: impl NotificationSink, inputs: mpsc::Receiver<DeliveryInput>) {
        self.0.delivery_pulse.during(dispatcher::run(Arc::clone(&self.0), sink, inputs)).await;
    }

    /// Who is available, as far as a leg is told.
    pub fn presence(&self) -> &PresenceTable {
        &self.0.presence
    }

    /// Does what follows when somebody comes or goes, for as long as it is polled. One such task serves the leg that hears of
    /// presence.
    pub async fn follow_presence(&self) {
        presence_effects::run(self).await;
    }

    /// Waits for the next notice to an address. One reader is enough.
    pub async fn next_notice(&self) -> Notice {
        self.0.notices.take().await
    }

    /// Takes away what nodes need not keep, and subscriptions whose lease is over, until it is told to stop. One such task
    /// is enough.
    pub async fn retain(&self, shutdown: CancellationToken) {
        let leases = leases::run(Arc::clone(&self.0), shutdown.clone());
        tokio::join!(retention::run(Arc::clone(&self.0), shutdown), leases);
    }

    /// Carries a command out. The answer comes when the outcome is on disk, or when it is refused.
    pub async fn execute(&self, command: Command) -> Result<Outcome, BusError> {
        self.submit(command).await
    }

    /// Puts a command in its place in the queue and returns its answer to come. Commands on one node are decided in
    /// the order of these calls, whenever their answers are awaited.
    pub fn submit(&self, command: Command) -> impl Future<Output = Result<Outcome, BusError>> + Send + use<> {
        // Nobody looks at rosters before it is known that they decide.
        let again = matches!(command.verb, Verb::Subscribe(_)).then(|| command.clone());
        let is_about_what_is_there = !matches!(command.verb, Verb::Create(_) | Verb::CreateAmong(..));
        let (engine, node) = (self.clone(), command.node.clone());
        let answer = self.0.queue.submit(command, &self.0);
        async move {
            let outcome = answer.await.unwrap_or(Err(BusError::StoreUnavailable));
            match (outcome, again) {
                (Err(BusError::RosterUnavailable), Some(command)) => engine.submit_acquainted(command).await,
                // A publish on a free name by who may not make nodes is forbidden.
                (Err(error @ (BusError::NodeNotFound | BusError::Forbidden)), _)
                    if is_about_what_is_there && engine.0.facts.get(&node).is_none() =>
                {
                    Err(engine.told_where(&node, error).await)
                }
                (outcome, _) => outcome,
            }
        }
    }

    /// The facts of a node, from memory or the store: those of now, because nothing that is read is checked by a
    /// commit.
    pub(crate) async fn facts(&self, node: &NodeName) -> Result<Arc<NodeFacts>, BusError> {
        if let Some(facts) = self.0.facts.get(node)
            && self.are_of_now(&facts).await?
        {
            return Ok(facts);
        }
        match self.0.load_facts(node).await? {
            Some(facts) => Ok(facts),
            None => Err(self.told_where(node, BusError::NodeNotFound).await),
        }
    }

    /// An error that may come of there being no node: whoever asks for one that has moved is told where to.
    async fn told_where(&self, node: &NodeName, error: BusError) -> BusError {
        match self.store().find_redirect(node).await {
            Ok(Some(to)) => BusError::NodeMoved { to },
            Ok(None) => error,
            Err(error) => self.unavailable(&error),
        }
    }

    /// Whether no other instance has changed the node's rules since.
    async fn are_of_now(&self, facts: &NodeFacts) -> Result<bool, BusError> {
        if !self.store().is_shared() {
            return Ok(true);
        }
        let head = self.store().head(facts.id).await.map_err(|error| self.unavailable(&error))?;
        Ok(head.is_some_and(|head| head.rules_version == facts.rules_version))
    }

    /// The ids that events and messages carry outside.
    pub fn event_ids(&self) -> &EventIds {
        &self.0.event_ids
    }

    /// The bounds in force.
    pub fn settings(&self) -> &Settings {
        &self.0.settings
    }

    /// The counters.
    pub fn statistics(&self) -> &Statistics {
        &self.0.statistics
    }

    /// Bytes of committed events that are kept in memory.
    pub fn recent_bytes(&self) -> usize {
        self.0.recent.bytes()
    }

    /// The source of ids and secrets.
    pub fn ids(&self) -> &dyn IdSource {
        &*self.0.ids
    }

    /// Whether the store answers.
    pub async fn store_is_available(&self) -> bool {
        self.store().ping().await.is_ok()
    }

    /// The time of day, in milliseconds since 1970.
    pub fn now_ms(&self) -> i64 {
        self.0.clock.now_ms()
    }

    pub(crate) fn notices(&self) -> &Notices {
        &self.0.notices
    }

    /// The tasks that have not come back to the runtime for so long: they are stuck, and only a restart helps.
    pub fn stuck_tasks(&self, silence: Duration) -> Vec<&'static str> {
        let pulses = [("the committer", &self.0.committer_pulse), ("delivery", &self.0.delivery_pulse)];
        let stuck = pulses.into_iter().filter(|(_, pulse)| pulse.silent_for() >= silence);
        stuck.map(|(task, _)| task).collect()
    }

    pub(crate) fn unavailable(&self, error: &StoreError) -> BusError {
        self.0.unavailable(error)
    }

    pub(crate) fn shared(&self) -> &EngineShared {
        &self.0
    }

    pub(crate) fn store(&self) -> &dyn Store {
        &*self.0.store
    }

    pub(crate) fn recent(&self) -> &RecentEvents {
        &self.0.recent
    }
}

impl EngineShared {
    /// Reads a node's facts from the store and keeps them in memory.
    pub(crate) async fn load_facts(&self, node: &NodeName) -> Result<Option<Arc<NodeFacts>>, BusError> {
        self.statistics.facts_loaded.add(1);
        let before = self.facts.before_read();
        let loaded = self.store.find_node(node).await.map_err(|error| self.unavailable(&error))?;
        let facts = match loaded {
            Some(facts) => Some(self.with_above(self.process_epoch.applied_to(facts)).await?),
            None => None,
        };
        if let Some(facts) = &facts {
            self.facts.put_read(Arc::clone(facts), before);
        }
        Ok(facts)
    }

    /// The facts of a deleted node with those of what is above it: who may hear of it still.
    pub(crate) async fn load_deleted(&self, node: NodeId) -> Result<Option<Arc<NodeFacts>>, BusError> {
        match self.find_deleted(node).await? {
            Some(facts) => self.with_above(facts).await.map(Some),
            None => Ok(None),
        }
    }

    async fn find_deleted(&self, node: NodeId) -> Result<Option<NodeFacts>, BusError> {
        let found = self.store.find_deleted(node).await.map_err(|error| self.unavailable(&error))?;
        Ok(found.map(|facts| NodeFacts { is_orphan: true, ..self.process_epoch.applied_to(facts) }))
    }

    /// The facts with those of what is above the node. These are read behind them, one after the other: whoever changes rules
    /// there moves the version of the node's own, so that what is put together here is of that version or found to be old.
    async fn with_above(&self, facts: NodeFacts) -> Result<Arc<NodeFacts>, BusError> {
        let mut chain = vec![facts];
        let mut upper = None;
        while let Some(relation) = chain.last().and_then(|lowest| lowest.config.relation.clone())
            && chain.len() <= RELATIONS_MAX
        {
            let found =
                self.store.find_node(&relation.name).await.map_err(|error| self.unavailable(&error))?;
            let Some(found) = found.filter(|found| found.id == relation.node) else {
                match self.find_deleted(relation.node).await? {
                    Some(deleted) => chain.push(deleted),
                    None => break,
                }
                continue;
            };
            let is_known =
                |known: &Arc<NodeFacts>| known.id == found.id && known.rules_version == found.rules_version;
            upper = self.facts.get(&relation.name).filter(is_known);
            if upper.is_some() {
                break;
            }
            chain.push(self.process_epoch.applied_to(found));
        }
        let mut node = chain.pop().map(|topmost| match (&topmost.config.relation, &upper) {
            (None, _) => topmost,
            (Some(_), upper) => relation::below(topmost, upper.as_ref()),
        });
        while let Some(lower) = chain.pop() {
            node = Some(relation::below(lower, node.map(Arc::new).as_ref()));
        }
        node.map(Arc::new).ok_or(BusError::Internal)
    }
}

impl fmt::Debug for Engine {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Engine").finish_non_exhaustive()
    }
}

impl EngineShared {
    /// What a requester hears of a store's error; the log has the cause.
    pub(crate) fn unavailable(&self, error: &StoreError) -> BusError {
        if error.is_transient() {
            self.store_failed(error, "the store is not available");
            BusError::StoreUnavailable
        } else {
            tracing::error!(%error, "the store failed");
            BusError::Internal
        }
    }

    /// Tells of a store that is away: once, and then ever more rarely.
    pub(crate) fn store_failed(&self, error: &StoreError, consequence: &str) {
        if let Some(failures) = self.store_outage.failed() {
            tracing::warn!(%error, failures, "{consequence}");
            if failures == 1 {
                self.advise(AdvisoryAbout::StoreAway { cause: AdvisoryAbout::cause(error) });
            }
        }
    }

    /// Tells of a store that is back.
    pub(crate) fn store_worked(&self) {
        if let Some(failures) = self.store_outage.over() {
            tracing::info!(failures, "the store takes writes again");
            self.advise(AdvisoryAbout::StoreBack);
        }
    }

    /// Tells operators something.
    pub(crate) fn advise(&self, about: AdvisoryAbout) {
        self.advisories.put(self.clock.now_ms(), about);
    }
}
