use std::sync::Arc;
use std::time::Duration;

use bus_domain::{BusError, EventKind, ItemId, NodeFacts, NodeName};
use bus_store::{BatchId, StoreError};
use futures::future::BoxFuture;
use futures::stream::{FuturesUnordered, StreamExt as _};
use tokio_util::sync::CancellationToken;

use super::queue::Reply;
use super::{Action, Batch, BatchFailure, EntryResult, FactsAfter};
use crate::engine::{EngineShared, unavailable};
use crate::transact::{CommittedNode, Sources, Written, write};

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
                driver.written(result);
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

struct Driver {
    shared: Arc<EngineShared>,
    loads: FuturesUnordered<BoxFuture<'static, Loaded>>,
    write: Option<BoxFuture<'static, Result<Written, BatchFailure>>>,
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
        let (actions, (commands, bytes), refused) = {
            let committer = &mut self.shared.queue.lock().committer;
            let actions = committer.next_batch(&|| next_item_id(&self.shared));
            (actions, committer.queued(), committer.refused())
        };
        self.act(actions);
        self.shared.statistics.refused_busy.set(refused);
        self.shared.statistics.queued_commands.set(commands as u64);
        self.shared.statistics.queued_bytes.set(bytes as u64);
    }

    /// Commit, then what later decisions rest on, then the replies, then delivery.
    fn written(&mut self, result: Result<Written, BatchFailure>) {
        match result {
            Ok(Written { results, nodes }) => {
                self.note(&results, &nodes);
                let actions = self.shared.queue.lock().committer.batch_written(results);
                self.act(actions);
                self.shared.committed.notify_one();
                for node in nodes {
                    self.shared.recent.push(node.node.id, &node.events);
                    let events = node.events.len() as u64;
                    self.shared.mailbox.put(node.node, node.head_seq, events, node.delta);
                }
            }
            Err(failure) => {
                self.shared.statistics.commits_failed.add(1);
                let actions = self.shared.queue.lock().committer.batch_failed(failure);
                self.act(actions);
            }
        }
    }

    /// Readers must find the rules of now, and no node that is gone.
    fn note(&self, results: &[EntryResult], nodes: &[CommittedNode]) {
        for result in results {
            match result {
                EntryResult::Done { facts: FactsAfter::Now(Some(facts)), .. } => {
                    self.shared.facts.put_committed(Arc::clone(facts));
                }
                EntryResult::Stale => self.shared.statistics.stale_decisions.add(1),
                _ => {}
            }
        }
        for CommittedNode { node, events, .. } in nodes {
            if events.last().is_some_and(|event| event.kind == EventKind::Deleted) {
                self.shared.facts.forget(&node.name);
            }
        }
    }

    fn act(&mut self, actions: impl IntoIterator<Item = Action<Reply>>) {
        for action in actions {
            match action {
                Action::Load(name) => self.loads.push(Box::pin(load(Arc::clone(&self.shared), name))),
                // A requester that went away has no use for the answer.
                Action::Reply(reply, answer) => drop(reply.send(answer)),
                Action::Write(batch) => {
                    self.write = Some(Box::pin(write_batch(Arc::clone(&self.shared), batch)));
                }
            }
        }
    }
}

async fn load(shared: Arc<EngineShared>, name: NodeName) -> Loaded {
    shared.statistics.facts_loaded.add(1);
    shared.facts.evict(&name);
    let before = shared.facts.before_read();
    let loaded = match shared.store.find_node(&name).await {
        Ok(facts) => Ok(facts.map(Arc::new)),
        Err(error) => Err(unavailable(&error)),
    };
    if let Ok(Some(facts)) = &loaded {
        shared.facts.put_read(Arc::clone(facts), before);
    }
    (name, loaded)
}

async fn write_batch(shared: Arc<EngineShared>, batch: Batch) -> Result<Written, BatchFailure> {
    let started = tokio::time::Instant::now();
    let id = BatchId(shared.ids.random_bytes());
    let sources = Sources { now_ms: shared.clock.now_ms(), ids: &*shared.ids };
    let (written, commit) =
        write(&*shared.store, &batch, id, &sources).await.map_err(|error| failure(&error))?;
    match commit.finish().await {
        Ok(()) => {}
        Err(StoreError::OutcomeUnknown { .. }) if was_committed(&shared, id).await? => {}
        Err(error) => return Err(failure(&error)),
    }
    let events: usize = written.nodes.iter().map(|node| node.events.len()).sum();
    let elapsed_us = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX);
    shared.statistics.commits.add(1);
    shared.statistics.committed_events.add(events as u64);
    shared.statistics.commit_us_total.add(elapsed_us);
    Ok(written)
}

/// Nobody is answered before it is known whether the batch is there.
async fn was_committed(shared: &EngineShared, id: BatchId) -> Result<bool, BatchFailure> {
    for _ in 0..LOOKUPS_MAX {
        match shared.store.find_batch(id).await {
            Ok(found) => return Ok(found),
            Err(error) => tracing::warn!(%error, "the outcome of a commit is not known yet"),
        }
        tokio::time::sleep(LOOKUP_INTERVAL).await;
    }
    Err(BatchFailure::Unavailable)
}

fn failure(error: &StoreError) -> BatchFailure {
    if error.is_transient() {
        tracing::warn!(%error, "a batch was not written");
        BatchFailure::Unavailable
    } else {
        tracing::error!(%error, "the store refused a batch");
        BatchFailure::Refused
    }
}

/// A `UUIDv7`: sorted by time, and no item has it.
fn next_item_id(shared: &EngineShared) -> ItemId {
    let random = shared.ids.random_bytes();
    let now_ms = u64::try_from(shared.clock.now_ms()).unwrap_or_default();
    let counter_and_random = std::array::from_fn(|index| random[index]);
    let id = uuid::Builder::from_unix_timestamp_millis(now_ms, &counter_and_random).into_uuid();
    ItemId::new(&id.to_string()).expect("a UUID is a short ASCII text")
}
