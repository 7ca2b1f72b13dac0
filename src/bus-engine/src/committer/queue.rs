use std::collections::HashSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bus_domain::quota::StoredFull;
use bus_domain::{BusError, LimitKind, NodeId, NodeName};
use tokio::sync::{Notify, oneshot};

use super::driver::next_item_id;
use super::emit::emit;
use super::{Action, Committer};
use crate::engine::EngineShared;
use crate::publish_rates::PublishRates;
use crate::statistics::Statistics;
use crate::{Command, IdSource, Outcome, Settings, Verb};

/// Where an answer goes.
pub(super) type Reply = oneshot::Sender<Result<Outcome, BusError>>;

/// The committer as its callers and its driver share it. A command is in its place in the queue when [`Self::submit`]
/// returns, so that callers decide the order; the queue's bounds are the committer's.
pub(crate) struct CommitQueue {
    inner: Mutex<Inner>,
    changed: Notify,
}

pub(super) struct Inner {
    pub(super) committer: Committer<Reply>,
    /// Nodes whose facts are to be loaded.
    pub(super) loads: Vec<NodeName>,
    rates: PublishRates,
    is_closed: bool,
}

impl Inner {
    /// Before anything else: a publish that comes too fast costs no more than this.
    fn admit(&mut self, command: &Command, shared: &EngineShared) -> Result<(), LimitKind> {
        match &command.verb {
            Verb::Publish(request) => {
                self.rates.admit(&command.actor, request.items.len(), shared.clock.now_ms())
            }
            Verb::PublishSourced(sourced) => {
                self.rates.admit(&command.actor, sourced.items.len(), shared.clock.now_ms())
            }
            _ => Ok(()),
        }
    }

    /// How much waits or is under way, for the metrics.
    pub(super) fn count(&self, statistics: &Statistics) {
        let (commands, bytes) = self.committer.queued();
        statistics.refused_busy.set(self.committer.refused());
        statistics.queued_commands.set(commands as u64);
        statistics.queued_bytes.set(bytes as u64);
    }
}

impl CommitQueue {
    pub(crate) fn new(settings: Settings, store_is_shared: bool, ids: &dyn IdSource) -> Self {
        let rates = PublishRates::new(&settings, ids);
        let committer = Committer::new(settings).on_shared_store(store_is_shared);
        let inner = Inner { committer, loads: Vec::new(), rates, is_closed: false };
        Self { inner: Mutex::new(inner), changed: Notify::new() }
    }

    /// Puts a command behind the others of its node. The answer comes when it is on disk, or refused; a publish on a node
    /// in memory with none before it is done when this returns.
    pub(crate) fn submit(
        &self,
        command: Command,
        shared: &EngineShared,
    ) -> oneshot::Receiver<Result<Outcome, BusError>> {
        let (reply, answer) = oneshot::channel();
        let mut inner = self.lock();
        if inner.is_closed {
            // Nobody listens yet, so it cannot have gone away.
            let _ = reply.send(Err(BusError::StoreUnavailable));
            return answer;
        }
        if let Err(limit) = inner.admit(&command, shared) {
            shared.statistics.count_refusal(limit);
            // As above.
            let _ = reply.send(Err(BusError::LimitReached(limit)));
            return answer;
        }
        // Looked up under the lock: a change of rules is in the cache before its command leaves the queue.
        let known = shared.facts.get(&command.node);
        // The driver looks here by itself when the batch under way is written: it is not woken for each command until then.
        let mut is_news = !inner.committer.is_writing();
        let action = inner.committer.submit(command, reply, known);
        inner.committer.decide_ahead(&|| next_item_id(shared));
        match action {
            Some(Action::Load(name)) => {
                inner.loads.push(name);
                is_news = true;
            }
            Some(Action::Emit(emission)) => {
                emit(shared, emission);
                return answer;
            }
            Some(Action::Reply(reply, refused)) => drop(reply.send(refused)),
            Some(Action::Write(_)) | None => {}
        }
        inner.count(&shared.statistics);
        drop(inner);
        if is_news {
            self.changed.notify_one();
        }
        answer
    }

    /// Takes note of the nodes of which too much waits for delivery.
    pub(crate) fn undelivered_full(&self, nodes: HashSet<NodeId>) {
        self.lock().committer.undelivered_full(nodes);
    }

    /// Takes note of who stores too much.
    pub(crate) fn stored_full(&self, full: StoredFull) {
        self.lock().committer.stored_full(full);
    }

    /// Takes no more commands.
    pub(super) fn close(&self) {
        self.lock().is_closed = true;
    }

    /// Resolves when a command has come since the last time.
    pub(super) async fn changed(&self) {
        self.changed.notified().await;
    }

    /// Every call leaves the committer consistent, so a panic elsewhere cannot have left it half changed.
    pub(super) fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
