use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bus_domain::consumer::{Consumer, ConsumerError, ConsumerId, ConsumerName, may_use};
use bus_domain::{Actor, BareJid, BusError, NodeId, NodeName, Seq};
use bus_store::{Claim, Head};
use tokio::sync::Notify;
use tokio_util::task::TaskTracker;

use super::changing::Changing;
use super::driver;
use super::lookout::Lookout;
use super::running::Running;
use super::sieve::Sieves;
use super::state::ConsumerState;
use crate::engine::EngineShared;
use crate::{Engine, IdSource};

/// How long a claim holds without being renewed, in milliseconds. When an instance dies, another one waits so long.
pub(super) const CLAIM_MS: i64 = 15_000;

/// Names of nodes that nobody reads, of which that is remembered.
const STRANGERS_MAX: usize = 100_000;

/// The consumers that this instance serves.
#[derive(Debug)]
pub(crate) struct Consumers {
    instance: [u8; 16],
    inner: Mutex<Inner>,
    pub(super) changing: Changing,
    dirty: Mutex<BTreeMap<ConsumerId, Arc<Running>>>,
    sieves: Sieves,
    /// Somebody waits for what is to be written.
    pub(super) flush: Notify,
    /// Those that serve consumers, and write their dead letters.
    pub(super) tasks: TaskTracker,
}

#[derive(Debug, Default)]
struct Inner {
    running: HashMap<ConsumerId, Arc<Running>>,
    by_node: HashMap<NodeId, Vec<Arc<Running>>>,
    /// Nodes whose names were looked at, and are read by no consumer that does not know them.
    strangers: HashSet<NodeId>,
    lookout: Lookout,
}

impl Consumers {
    pub(crate) fn new(ids: &dyn IdSource, service: BareJid) -> Self {
        Self {
            instance: ids.random_bytes(),
            inner: Mutex::default(),
            changing: Changing::default(),
            dirty: Mutex::default(),
            sieves: Sieves::new(service),
            flush: Notify::new(),
            tasks: TaskTracker::new(),
        }
    }

    /// Who claims things for this instance.
    pub(crate) fn instance(&self) -> [u8; 16] {
        self.instance
    }

    /// Leaves word that something was committed on a node. Never waits.
    pub(crate) fn committed(&self, node: NodeId, name: &NodeName) {
        let mut inner = self.lock();
        if inner.running.is_empty() {
            return;
        }
        for running in inner.by_node.get(&node).into_iter().flatten() {
            running.hear(|heard| heard.moved.extend([node]));
        }
        if inner.strangers.len() >= STRANGERS_MAX {
            inner.strangers.clear();
        }
        if inner.strangers.insert(node) {
            for running in inner.running.values().filter(|it| it.consumer.config.covers(name)) {
                running.hear(|heard| heard.found.extend([name.clone()]));
            }
        }
    }

    /// Leaves word that anything may have been committed, of which nobody tells. Says for how many.
    pub(crate) fn look_again(&self) -> u64 {
        let inner = self.lock();
        for running in inner.running.values() {
            running.hear(|heard| heard.look_again = true);
        }
        inner.running.len() as u64
    }

    /// Takes where logs are, as they were found in a store that others write to. Leaves word for consumers of those that have
    /// moved, and says for how many.
    pub(crate) fn found_heads(&self, asked: &[NodeId], found: &[(NodeId, Head)]) -> u64 {
        let mut inner = self.lock();
        let mut told = 0;
        for node in inner.lookout.moved(asked, found) {
            for running in inner.by_node.get(&node).into_iter().flatten() {
                running.hear(|heard| heard.moved.extend([node]));
                told += 1;
            }
        }
        told
    }

    /// Takes the newest node, as it was found in such a store. If there are new ones, word is left for all consumers.
    pub(crate) fn found_newest(&self, newest: Option<NodeId>) {
        let mut inner = self.lock();
        let Inner { by_node, lookout, running, .. } = &mut *inner;
        lookout.keep(|node| by_node.contains_key(&node));
        if lookout.is_new(newest) {
            for running in running.values() {
                running.hear(|heard| heard.discover = true);
            }
        }
    }

    /// The nodes that are read.
    pub(crate) fn nodes(&self) -> Vec<NodeId> {
        self.lock().by_node.keys().copied().collect()
    }

    /// Whether somebody reads a consumer here that reads a node.
    pub(crate) fn has_reader(&self, node: NodeId, jid: &BareJid) -> bool {
        let running = self.lock().by_node.get(&node).cloned().unwrap_or_default();
        running.iter().any(|running| running.lock().readers.values().any(|it| it.actor.bare() == jid))
    }

    /// Consumers that are served here.
    pub(super) fn all(&self) -> Vec<Arc<Running>> {
        self.lock().running.values().cloned().collect()
    }

    /// Takes note that a consumer reads a node.
    pub(super) fn reads(&self, running: &Arc<Running>, node: NodeId) {
        let mut inner = self.lock();
        if inner.running.contains_key(&running.consumer.id) {
            inner.by_node.entry(node).or_default().push(Arc::clone(running));
        }
    }

    /// Takes note that a consumer has something to be written.
    pub(super) fn has_moved(&self, running: &Arc<Running>) {
        let (wants, wants_now) = {
            let inner = running.lock();
            (inner.state.wants_flush(), inner.state.wants_flush_now())
        };
        if wants {
            let mut dirty = self.dirty.lock().unwrap_or_else(PoisonError::into_inner);
            dirty.entry(running.consumer.id).or_insert_with(|| Arc::clone(running));
        }
        if wants_now {
            self.flush.notify_one();
        }
    }

    /// Takes note that what was taken of a consumer could not be written.
    pub(super) fn put_back(&self, running: &Arc<Running>) {
        let mut dirty = self.dirty.lock().unwrap_or_else(PoisonError::into_inner);
        dirty.entry(running.consumer.id).or_insert_with(|| Arc::clone(running));
    }

    pub(super) fn take_dirty(&self) -> Vec<Arc<Running>> {
        let mut dirty = self.dirty.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *dirty).into_values().collect()
    }

    /// Serves a consumer no longer, and says why to who reads it.
    pub(super) fn stop(&self, running: &Arc<Running>, why: &BusError) {
        let mut inner = self.lock();
        let is_this = inner.running.get(&running.consumer.id).is_some_and(|it| Arc::ptr_eq(it, running));
        if is_this {
            inner.running.remove(&running.consumer.id);
        }
        inner.by_node.retain(|_, readers| {
            readers.retain(|it| !Arc::ptr_eq(it, running));
            !readers.is_empty()
        });
        drop(inner);
        running.end(why);
    }

    /// Serves a consumer no longer if nothing is left to do; whoever comes in this moment tries again.
    pub(super) fn stop_if_idle(&self, running: &Arc<Running>) -> bool {
        let is_idle = {
            let mut inner = running.lock();
            let is_idle = inner.readers.is_empty() && inner.state.is_idle();
            if is_idle {
                inner.ended = Some(BusError::Contended);
            }
            is_idle
        };
        if is_idle {
            self.stop(running, &BusError::Contended);
        }
        is_idle
    }

    pub(super) fn find(&self, id: ConsumerId) -> Option<Arc<Running>> {
        self.lock().running.get(&id).cloned()
    }

    fn add(&self, running: &Arc<Running>, nodes: &[NodeId]) {
        let mut inner = self.lock();
        inner.running.insert(running.consumer.id, Arc::clone(running));
        for node in nodes {
            inner.by_node.entry(*node).or_default().push(Arc::clone(running));
        }
        inner.strangers.clear();
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Engine {
    /// A consumer as its owner or an admin sees it.
    pub(super) async fn find_consumer(
        &self,
        actor: &Actor,
        name: &ConsumerName,
    ) -> Result<Consumer, BusError> {
        let found = self.store().find_consumer(name).await.map_err(|error| self.unavailable(&error))?;
        let consumer = found.ok_or(ConsumerError::NotFound)?;
        may_use(&consumer.owner, actor)?;
        Ok(consumer)
    }

    /// Serves a consumer, if another instance does not.
    pub(super) async fn run_consumer(
        &self,
        actor: &Actor,
        name: &ConsumerName,
    ) -> Result<Arc<Running>, BusError> {
        let consumers = &self.shared().consumers;
        let consumer = self.find_consumer(actor, name).await?;
        if let Some(running) = consumers.find(consumer.id) {
            return Ok(running);
        }
        let _changing = consumers.changing.turn(consumer.id).await;
        if let Some(running) = consumers.find(consumer.id) {
            return Ok(running);
        }
        let fence = self.shared().claim(&consumer).await?;
        // Read anew, because it may have changed before the claim; another one of its name is not meant.
        let claimed = consumer.id;
        let consumer = self.find_consumer(actor, name).await?;
        if consumer.id != claimed {
            return Err(ConsumerError::NotFound.into());
        }
        let running = Arc::new(self.load(consumer, fence).await?);
        driver::start(self, &running);
        Ok(running)
    }

    async fn load(&self, consumer: Consumer, fence: u64) -> Result<Running, BusError> {
        let unavailable = |error| self.unavailable(&error);
        let progress = self.store().consumer_progress(consumer.id).await.map_err(unavailable)?;
        let unsettled_max = self.settings().limits.consumer_unsettled_max;
        let (config, is_paused) = (consumer.config.clone(), consumer.is_paused);
        let mut state = ConsumerState::new(config, unsettled_max, generation_of(fence), is_paused);
        for cursor in &progress.cursors {
            match self.facts(&cursor.name).await {
                Ok(facts) if facts.id == cursor.node => {
                    // Another instance may have committed since this one was last told of the node.
                    self.recent().note_head(cursor.node, cursor.head.seq);
                    state.add_node(facts, cursor.through_seq, cursor.items_through_seq);
                }
                // Deleted since; what is left of it goes with it.
                Ok(_) | Err(BusError::NodeNotFound | BusError::NodeMoved { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        state.add_rows(progress.deliveries);
        let sieve = consumer.config.filter.as_ref().map(|filter| self.shared().consumers.sieves.of(filter));
        Ok(Running::new(consumer, fence, sieve, state))
    }

    /// Has the committer leave word for a consumer from now on.
    pub(super) fn register(&self, running: &Arc<Running>) {
        let nodes = running.lock().state.node_ids();
        self.shared().consumers.add(running, &nodes);
        running.hear(|heard| heard.look_again = true);
    }
}

/// The first generation of leases under a claim. Each redrive makes another one, of which there are fewer than this leaves room
/// for, before the next claim.
fn generation_of(fence: u64) -> u64 {
    fence << 32
}

impl EngineShared {
    /// Claims a consumer for this instance.
    pub(super) async fn claim(&self, consumer: &Consumer) -> Result<u64, BusError> {
        let now_ms = self.clock.now_ms();
        // Nobody else can have what is in a store of one process, whatever the last one has left.
        let claims_at_ms = if self.store.is_shared() { now_ms } else { i64::MAX };
        let until_ms = now_ms.saturating_add(CLAIM_MS);
        let claim = Claim { instance: self.consumers.instance, now_ms: claims_at_ms, until_ms };
        let claimed = self.store.claim_consumer(consumer.id, &claim).await;
        let claimed = claimed.map_err(|error| self.unavailable(&error))?;
        Ok(claimed.ok_or(ConsumerError::Elsewhere)?)
    }

    /// Where a log stands, for a consumer's position.
    pub(super) async fn head_of(&self, node: NodeId) -> Result<Option<(Seq, Seq)>, BusError> {
        let head = self.store.head(node).await.map_err(|error| self.unavailable(&error))?;
        Ok(head.map(|head| (head.trimmed_through_seq, head.seq)))
    }
}
