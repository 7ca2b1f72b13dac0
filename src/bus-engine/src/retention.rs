use std::sync::Arc;
use std::time::Duration;

use bus_domain::quota::StoredBytes;
use bus_domain::retention::{LogState, LoggedEvent, expired_through_ms, trim_through};
use bus_domain::{NodeId, Seq};
use bus_store::{RetainedNode, RetainedPage, StoreError};
use tokio_util::sync::CancellationToken;

use crate::engine::EngineShared;
use crate::statistics::Counter;

/// Nodes that are looked at with one read.
const NODES_MAX: u32 = 200;
/// Rows that one transaction deals with.
const ROWS_MAX: u32 = 2_000;
/// Transactions of one kind for a node, before it is the next one's turn.
const STEPS_MAX: usize = 16;
/// How long a store that failed is left alone.
const STORE_PAUSE: Duration = Duration::from_secs(1);

/// Goes round the nodes, one bounded transaction after the other, until it is told to stop. Commits come in between:
/// each transaction is a short one.
pub(crate) async fn run(shared: Arc<EngineShared>, shutdown: CancellationToken) {
    let interval = Duration::from_millis(shared.settings.engine.retention_interval_ms);
    let mut round = Round::default();
    loop {
        let turn = async {
            let pause = match tend_page(&shared, &mut round).await {
                Ok(Left::Nothing) => interval,
                Ok(Left::More) => Duration::ZERO,
                Err(error) => {
                    tracing::warn!(%error, "retention waits for the store");
                    STORE_PAUSE
                }
            };
            tokio::time::sleep(pause).await;
        };
        tokio::select! {
            biased;
            // A transaction that is dropped leaves nothing behind.
            () = shutdown.cancelled() => return,
            () = turn => {}
        }
    }
}

/// What a bounded piece of work has left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Left {
    Nothing,
    More,
}

/// A way round all nodes.
#[derive(Debug, Default)]
struct Round {
    after: Option<NodeId>,
    stored: StoredBytes,
}

impl Round {
    /// Takes a page in, and at the end tells the committer who stores too much.
    fn turn(&mut self, shared: &EngineShared, page: &RetainedPage) {
        self.after = page.next_after;
        for node in &page.nodes {
            self.stored.add(&node.creator, node.log.log_bytes);
        }
        if self.after.is_none() {
            let stored = std::mem::take(&mut self.stored);
            shared.statistics.stored_bytes.set(stored.total());
            shared.queue.stored_full(stored.full(&shared.settings.quotas));
        }
    }
}

/// Tends the next nodes. The round goes on even if some of it fails, so that one node does not hold up all.
async fn tend_page(shared: &EngineShared, round: &mut Round) -> Result<Left, StoreError> {
    let page = shared.store.retained(round.after, NODES_MAX).await?;
    round.turn(shared, &page);
    let mut left = Left::Nothing;
    for node in &page.nodes {
        match tend(shared, node).await {
            Ok(Left::Nothing) => {}
            Ok(Left::More) => left = Left::More,
            Err(error) if error.is_transient() => return Err(error),
            Err(error) => tracing::error!(node_id = node.node.0, %error, "a node keeps what should go"),
        }
    }
    Ok(left.and(forget_requests(shared).await?))
}

/// Forgets requests that carried a key and whose time is over, of whichever nodes.
async fn forget_requests(shared: &EngineShared) -> Result<Left, StoreError> {
    for _ in 0..STEPS_MAX {
        let forgotten = shared.store.forget_requests(shared.clock.now_ms(), ROWS_MAX).await?;
        if forgotten > 0 {
            shared.statistics.requests_forgotten.add(forgotten);
            shared.statistics.retention_steps.add(1);
        }
        if forgotten < u64::from(ROWS_MAX) {
            return Ok(Left::Nothing);
        }
    }
    Ok(Left::More)
}

async fn tend(shared: &EngineShared, node: &RetainedNode) -> Result<Left, StoreError> {
    let (store, statistics) = (&*shared.store, &shared.statistics);
    let id = node.node;
    let delivered = node.log.handed_over_through(shared.settings.limits.node_undelivered_events_max);
    let mut left = Left::Nothing;
    if node.has_purged_items {
        let step = || store.sweep_purged(id, ROWS_MAX);
        left = left.and(repeat(shared, &statistics.purged_items_removed, step).await?);
    }
    let items_kept = node.config.items_max(&shared.settings.limits);
    if node.item_count > u64::from(items_kept) {
        let step = || store.evict_items(node.rules(), items_kept, ROWS_MAX);
        left = left.and(repeat(shared, &statistics.items_evicted, step).await?);
    }
    if let Some(through_ms) = expired_through_ms(&node.config, shared.clock.now_ms())
        && node.oldest_item_published_at_ms.is_some_and(|oldest| oldest <= through_ms)
    {
        let step = || store.expire_items(node.rules(), through_ms, ROWS_MAX);
        left = left.and(repeat(shared, &statistics.items_expired, step).await?);
    }
    if node.oldest_retraction_seq.is_some_and(|seq| seq <= delivered) {
        let step = || store.blank_retracted(id, delivered, ROWS_MAX);
        left = left.and(repeat(shared, &statistics.payloads_blanked, step).await?);
    }
    Ok(left.and(trim(shared, node).await?))
}

/// Repeats a step until it has less to do than it may, or has had its turns.
async fn repeat<Step: Future<Output = Result<u64, StoreError>>>(
    shared: &EngineShared,
    counter: &Counter,
    step: impl Fn() -> Step,
) -> Result<Left, StoreError> {
    for _ in 0..STEPS_MAX {
        let rows = step().await?;
        counter.add(rows);
        shared.statistics.retention_steps.add(1);
        if rows < u64::from(ROWS_MAX) {
            return Ok(Left::Nothing);
        }
    }
    Ok(Left::More)
}

/// Takes the oldest events out of the log as far as the rules say.
async fn trim(shared: &EngineShared, node: &RetainedNode) -> Result<Left, StoreError> {
    let mut log = node.log;
    if decide(shared, node, &log, node.oldest_event.as_slice()).is_none() {
        return Ok(Left::Nothing);
    }
    for _ in 0..STEPS_MAX {
        let oldest = shared.store.oldest_events(node.node, ROWS_MAX).await?;
        let Some(through_seq) = decide(shared, node, &log, &oldest) else { return Ok(Left::Nothing) };
        let trimmed = shared.store.trim_log(node.rules(), through_seq, ROWS_MAX).await?;
        shared.statistics.events_trimmed.add(trimmed);
        shared.statistics.retention_steps.add(1);
        let gone = oldest.iter().filter(|event| event.seq <= through_seq);
        log.log_bytes = log.log_bytes.saturating_sub(gone.map(|event| event.payload_bytes).sum());
        if trimmed < u64::from(ROWS_MAX) {
            return Ok(Left::Nothing);
        }
    }
    Ok(Left::More)
}

fn decide(shared: &EngineShared, node: &RetainedNode, log: &LogState, oldest: &[LoggedEvent]) -> Option<Seq> {
    let undelivered_events_max = shared.settings.limits.node_undelivered_events_max;
    trim_through(&node.config, log, oldest, undelivered_events_max, shared.clock.now_ms())
}

impl Left {
    fn and(self, other: Self) -> Self {
        if self == Self::More { self } else { other }
    }
}
