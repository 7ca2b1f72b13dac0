use std::fmt;
use std::sync::Arc;

use bus_domain::{BusError, NodeFacts, NodeName};
use bus_store::{Store, StoreError};
use tokio::sync::{Notify, mpsc};
use tokio_util::sync::CancellationToken;

use crate::committer::{self, CommitQueue};
use crate::dispatcher::{self, Mailbox};
use crate::doorbell;
use crate::facts_cache::FactsCache;
use crate::recent::RecentEvents;
use crate::{
    Clock, Command, DeliveryInput, EventIds, IdSource, NotificationSink, Outcome, Settings, Statistics,
};

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
    pub(crate) facts: FactsCache,
    pub(crate) recent: RecentEvents,
    pub(crate) queue: CommitQueue,
    pub(crate) mailbox: Mailbox,
    pub(crate) statistics: Statistics,
    /// Something was committed since other instances were told.
    pub(crate) committed: Notify,
}

/// A started engine and what its owner keeps.
pub struct EngineParts {
    /// The engine.
    pub engine: Engine,
    /// Ends when the committer has stopped: cancelled, and everything accepted has been answered.
    pub committer: tokio::task::JoinHandle<()>,
}

impl Engine {
    /// Starts the committer over a store, and listens for other instances if there can be any.
    pub async fn start(
        store: Arc<dyn Store>,
        settings: Settings,
        clock: Arc<dyn Clock>,
        ids: Arc<dyn IdSource>,
        shutdown: CancellationToken,
    ) -> Result<EngineParts, StoreError> {
        let event_ids = EventIds::new(store.id_key().await?);
        let shared = Arc::new(EngineShared {
            queue: CommitQueue::new(settings.clone(), store.is_shared()),
            facts: FactsCache::new(settings.engine.cached_nodes_max),
            recent: RecentEvents::new(settings.engine.recent_bytes_max),
            mailbox: Mailbox::default(),
            statistics: Statistics::default(),
            committed: Notify::new(),
            store,
            settings,
            clock,
            ids,
            event_ids,
        });
        tokio::spawn(doorbell::run(Arc::clone(&shared), shutdown.clone()));
        let committer = tokio::spawn(committer::run(Arc::clone(&shared), shutdown));
        Ok(EngineParts { engine: Self(shared), committer })
    }

    /// Delivers committed events to the sink until `inputs` is closed. One such task serves the XMPP leg.
    pub async fn deliver(&self, sink: impl NotificationSink, inputs: mpsc::Receiver<DeliveryInput>) {
        dispatcher::run(Arc::clone(&self.0), sink, inputs).await;
    }

    /// Carries a command out. The answer comes when the outcome is on disk, or when it is refused.
    pub async fn execute(&self, command: Command) -> Result<Outcome, BusError> {
        self.submit(command).await
    }

    /// Puts a command in its place in the queue and returns its answer to come. Commands on one node are decided in
    /// the order of these calls, whenever their answers are awaited.
    pub fn submit(&self, command: Command) -> impl Future<Output = Result<Outcome, BusError>> + Send + use<> {
        let known = self.0.facts.get(&command.node);
        let answer = self.0.queue.submit(command, known);
        async move { answer.await.unwrap_or(Err(BusError::StoreUnavailable)) }
    }

    /// The facts of a node, from memory or the store: those of now, because nothing that is read is checked by a
    /// commit.
    pub(crate) async fn facts(&self, node: &NodeName) -> Result<Arc<NodeFacts>, BusError> {
        if let Some(facts) = self.0.facts.get(node)
            && self.are_of_now(&facts).await?
        {
            return Ok(facts);
        }
        self.statistics().facts_loaded.add(1);
        let before = self.0.facts.before_read();
        let loaded = self.store().find_node(node).await.map_err(|error| unavailable(&error))?;
        let facts = Arc::new(loaded.ok_or(BusError::NodeNotFound)?);
        self.0.facts.put_read(Arc::clone(&facts), before);
        Ok(facts)
    }

    /// Whether no other instance has changed the node's rules since.
    async fn are_of_now(&self, facts: &NodeFacts) -> Result<bool, BusError> {
        if !self.store().is_shared() {
            return Ok(true);
        }
        let head = self.store().head(facts.id).await.map_err(|error| unavailable(&error))?;
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

    /// The source of ids and secrets.
    pub fn ids(&self) -> &dyn IdSource {
        &*self.0.ids
    }

    /// Whether the store answers.
    pub async fn store_is_available(&self) -> bool {
        self.store().ping().await.is_ok()
    }

    pub(crate) fn store(&self) -> &dyn Store {
        &*self.0.store
    }

    pub(crate) fn recent(&self) -> &RecentEvents {
        &self.0.recent
    }
}

impl fmt::Debug for Engine {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Engine").finish_non_exhaustive()
    }
}

/// What a requester hears of a store's error; the log has the cause.
pub(crate) fn unavailable(error: &StoreError) -> BusError {
    if error.is_transient() {
        tracing::warn!(%error, "the store is not available");
        BusError::StoreUnavailable
    } else {
        tracing::error!(%error, "the store failed");
        BusError::Internal
    }
}
