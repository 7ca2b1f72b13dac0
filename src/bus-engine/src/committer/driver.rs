use std::panic::resume_unwind;
use std::sync::Arc;
use std::time::Duration;

use bus_domain::{BusError, EventKind, ItemId, NodeFacts, NodeName, presence};
use bus_store::{BatchId, CommitLevel, StoreError};
use futures::future::BoxFuture;
use futures::stream::{FuturesUnordered, StreamExt as _};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use super::emit::{self, emit_all};
use super::queue::Reply;
use super::{Action, Batch, BatchFailure, EntryResult, FactsAfter};
use crate::advisories::AdvisoryAbout;
use crate::dispatcher::RecipientChange;
use crate::engine::EngineShared;
use crate::statistics::microseconds;
use crate::transact::{CommittedNode, Sources, Written, write};
use crate::{Outcome, Published};

/// Questions about the fate of one batch, before its senders are told that the store is away.
const LOOKUPS_MAX: u32 = 20;
const LOOKUP_INTERVAL: Duration = Duration::from_millis(500);

type Loaded = (NodeName, Result<Option<Arc<NodeFacts>>, BusError>);

/// Runs the committer until it is cancelled and has answered everything that it had accepted.
pub(crate) async fn run(shared: Arc<EngineShared>, shutdown: CancellationToken) {
    let mut driver = Driver { shared: Arc::clone(&shared), loads: FuturesUnordered::new(), write: None };
    let mut is_open = true;
    while is_open || !shared.queue.lock().committer.is_idle() {
        tokio::select! {
            biased;
            result = async { driver.write.as_mut().expect("guarded").await }, if driver.write.is_some() => {
                driver.write = None;
                driver.written(result.unwrap_or_else(|failed| match failed.try_into_panic() {
                    Ok(panic) => resume_unwind(panic),
                    Err(_cancelled) => Err(BatchFailure::Unknown),
                }));
            }
            Some((name, loaded)) = driver.loads.next() => driver.facts_loaded(&name, loaded),
            () = shared.queue.changed() => {}
            () = shutdown.cancelled(), if is_open => {
                is_open = false;
                shared.queue.close();
            }
        }
        driver.start_loads();
        driver.start_batch();
    }
}

type Write = AbortOnDropHandle<Result<Written, BatchFailure>>;

struct Driver {
    shared: Arc<EngineShared>,
    loads: FuturesUnordered<BoxFuture<'static, Loaded>>,
    write: Option<Write>,
}

impl Driver {
    fn start_loads(&mut self) {
        let names = std::mem::take(&mut self.shared.queue.lock().loads);
        self.act(names.into_iter().map(Action::Load));
    }

    fn facts_loaded(&mut self, name: &NodeName, loaded: Result<Option<Arc<NodeFacts>>, BusError>) {
        let actions = self.shared.queue.lock().committer.facts_loaded(name, loaded);
        self.act(actions);
    }

    fn start_batch(&mut self) {
        let actions = {
            let mut queue = self.shared.queue.lock();
            queue.committer.rosters_are_readable(self.shared.rosters_are_readable());
            let next_item_id = || next_item_id(&self.shared);
            let actions = queue.committer.next_batch(&next_item_id);
            queue.committer.decide_ahead(&next_item_id);
            queue.count(&self.shared.statistics);
            emit_all(&self.shared, actions)
        };
        self.act(actions);
    }

    /// Commit, then what later decisions rest on, then the next batch, which is being written while of this one the replies
    /// are given, and then it is delivered.
    fn written(&mut self, result: Result<Written, BatchFailure>) {
        match result {
            Ok(Written { results, mut nodes, children, moved }) => {
                self.shared.feeds.associated(&children);
                let notices = nodes.iter_mut().flat_map(|node| std::mem::take(&mut node.notices)).collect();
                let (transient, nodes): (Vec<_>, Vec<_>) =
                    nodes.into_iter().partition(|committed| committed.node.is_transient());
                for committed in &transient {
                    emit::committed(&self.shared, committed);
                }
                transient.iter().chain(&nodes).for_each(|committed| self.look_for_presence(committed));
                self.note(&results, &nodes);
                self.forget_deleted(&transient);
                for name in &moved {
                    self.shared.facts.forget(name);
                }
                let actions = {
                    let committer = &mut self.shared.queue.lock().committer;
                    let mut actions = committer.batch_written(results);
                    actions.extend(committer.rules_moved(&moved));
                    actions
                };
                self.start_batch();
                self.act(actions);
                if !moved.is_empty() {
                    self.shared.orphaned.notify_one();
                }
                self.shared.committed.notify_one();
                for node in nodes {
                    self.shared.recent.push_in(node.node.epoch, node.node.id, &node.events);
                    self.shared.feeds.committed(node.node.id);
                    self.shared.consumers.committed(node.node.id, &node.node.name);
                    self.shared.push_profiles.committed(node.node.id, &node.node.name);
                    self.shared.mailbox.put(node.node, node.head_seq, &node.events, node.delta);
                }
                let dropped = self.shared.notices.put(notices, self.shared.clock.now_ms());
                self.shared.statistics.notices_dropped.add(dropped);
            }
            Err(failure) => {
                self.shared.statistics.commits_failed.add(1);
                let actions = self.shared.queue.lock().committer.batch_failed(failure);
                self.act(actions);
            }
        }
        self.shared.batches.end();
    }

    /// Whether they are there is asked now, so that the next event need not wait for the answer; and the publisher's going
    /// is to be heard of, where something hangs on it.
    fn look_for_presence(&self, committed: &CommittedNode) {
        if committed.node.config.purge_when_publisher_goes
            && let Some(newest) = committed.events.last()
        {
            self.shared.presence.look(&newest.publisher.to_bare().into());
        }
        for change in committed.delta.iter().flat_map(|delta| &delta.changes) {
            if let RecipientChange::Added(recipient) | RecipientChange::Changed(recipient) = change
                && presence::matters(&committed.node.config, &recipient.subscription.options)
            {
                self.shared
                    .presence_uses
                    .note_options(&committed.node.config, &recipient.subscription.options);
                self.shared.presence.look(&recipient.subscription.jid);
            }
        }
    }

    /// Readers must find the rules of now, and no node that is gone.
    fn note(&self, results: &[EntryResult], nodes: &[CommittedNode]) {
        for result in results {
            match result {
                EntryResult::Done { facts: FactsAfter::Now(Some(facts)), .. } => {
                    self.shared.presence_uses.note_config(&facts.config);
                    self.shared.facts.put_committed(Arc::clone(facts));
                }
                EntryResult::Done { outcome, .. } => {
                    if let Outcome::Published(Published { duplicate: true, .. }) = &**outcome {
                        self.shared.statistics.publishes_repeated.add(1);
                    }
                }
                EntryResult::Stale => self.shared.statistics.stale_decisions.add(1),
                _ => {}
            }
        }
        for CommittedNode { node, events, head_seq, is_renewed, .. } in nodes {
            if *is_renewed {
                self.shared.advise(AdvisoryAbout::EpochRenewed(node.name.clone()));
            }
            self.shared.known_heads.note(node.id, node.epoch, *head_seq);
            let published = events.iter().filter(|event| matches!(event.kind, EventKind::Published { .. }));
            self.shared.statistics.published(node.config.durability).add(published.count() as u64);
        }
        self.forget_deleted(nodes);
    }

    fn forget_deleted(&self, nodes: &[CommittedNode]) {
        for CommittedNode { node, events, .. } in nodes {
            if events.last().is_some_and(|event| event.kind.is_deletion()) {
                self.shared.facts.forget(&node.name);
            }
        }
    }

    fn act(&mut self, actions: impl IntoIterator<Item = Action<Reply>>) {
        for action in actions {
            match action {
                // Carried out before, under the lock of the queue.
                Action::Emit(_) => {}
                Action::Load(name) => self.loads.push(Box::pin(load(Arc::clone(&self.shared), name))),
                // A requester that went away has no use for the answer.
                Action::Reply(reply, answer) => {
                    self.shared.statistics.count_answer(&answer);
                    drop(reply.send(answer));
                }
                Action::Write(batch) => {
                    self.shared.batches.begin();
                    let write = write_batch(Arc::clone(&self.shared), batch);
                    self.write = Some(AbortOnDropHandle::new(tokio::spawn(write)));
                }
            }
        }
    }
}

async fn load(shared: Arc<EngineShared>, name: NodeName) -> Loaded {
    shared.facts.evict(&name);
    let loaded = shared.load_facts(&name).await;
    (name, loaded)
}

async fn write_batch(shared: Arc<EngineShared>, batch: Batch) -> Result<Written, BatchFailure> {
    let started = tokio::time::Instant::now();
    let id = BatchId(shared.ids.random_bytes());
    let sources = Sources {
        now_ms: shared.clock.now_ms(),
        ids: &*shared.ids,
        process_epoch: shared.process_epoch,
        limits: &shared.settings.limits,
        quotas: &shared.settings.quotas,
        known_heads: &shared.known_heads,
        presence: &shared.presence,
    };
    let (written, commit) =
        write(&*shared.store, &batch, id, &sources).await.map_err(|error| failure(&shared, &error))?;
    match commit.finish().await {
        Ok(()) => {}
        Err(StoreError::OutcomeUnknown { .. }) => match was_committed(&shared, id).await {
            Some(true) => {}
            Some(false) => return Err(BatchFailure::Unavailable),
            None => {
                suspect(&shared, &batch);
                return Err(BatchFailure::Unknown);
            }
        },
        Err(error) => return Err(failure(&shared, &error)),
    }
    shared.store_worked();
    let events: usize = written.nodes.iter().map(|node| node.events.len()).sum();
    shared.statistics.commits.add(1);
    shared.statistics.syncs.add(u64::from(batch.level == CommitLevel::Fsync));
    shared.statistics.committed_events.add(events as u64);
    shared.statistics.batch_events.note(events as u64);
    shared.statistics.commit_us.note(microseconds(started.elapsed()));
    Ok(written)
}

/// Nobody is answered before it is known whether the batch is there, or nobody can say.
async fn was_committed(shared: &EngineShared, id: BatchId) -> Option<bool> {
    for _ in 0..LOOKUPS_MAX {
        match shared.store.find_batch(id).await {
            Ok(found) => return Some(found),
            Err(error) => shared.store_failed(&error, "the outcome of a commit is not known yet"),
        }
        tokio::time::sleep(LOOKUP_INTERVAL).await;
    }
    None
}

/// The batch may be there: what memory has of its nodes may be old, and its events are to be found by their cursors.
fn suspect(shared: &EngineShared, batch: &Batch) {
    for entry in &batch.entries {
        shared.facts.forget(&entry.node);
    }
    // Rules may have moved below these nodes, where no commit would find out.
    for facts in shared.facts.transient() {
        shared.facts.forget(&facts.name);
    }
    shared.mailbox.look_again();
    shared.feeds.look_again();
    shared.consumers.look_again();
}

fn failure(shared: &EngineShared, error: &StoreError) -> BatchFailure {
    if error.is_transient() {
        shared.store_failed(error, "a batch was not written");
        BatchFailure::Unavailable
    } else {
        tracing::error!(%error, "the store refused a batch");
        BatchFailure::Refused
    }
}

/// A `UUIDv7`: sorted by time, and no item has it.
pub(super) fn next_item_id(shared: &EngineShared) -> ItemId {
    let random = shared.ids.random_bytes();
    let now_ms = u64::try_from(shared.clock.now_ms()).unwrap_or_default();
    let counter_and_random = std::array::from_fn(|index| random[index]);
    let id = uuid::Builder::from_unix_timestamp_millis(now_ms, &counter_and_random).into_uuid();
    ItemId::new(&id.to_string()).expect("a UUID is a short ASCII text")
}
