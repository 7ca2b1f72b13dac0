//! Group commit of what consumers have moved: what has come while the last transaction was under way goes into the next
//! one, of however many consumers it is.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use bus_domain::BusError;
use bus_domain::consumer::{ConsumerError, ConsumerId};
use bus_store::{ConsumerMoves, StoreError};
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use super::running::Running;
use crate::engine::EngineShared;

/// How soon what nobody waits for is written.
const INTERVAL: Duration = Duration::from_millis(500);
/// How often claims are renewed; three times before they end.
const RENEWAL_INTERVAL: Duration = Duration::from_secs(5);
/// Rows in one transaction.
const ROWS_MAX: usize = 20_000;
/// How long a store that failed is left alone.
const STORE_PAUSE: Duration = Duration::from_millis(500);

/// Writes until it is told to stop, and then what is left.
pub(crate) async fn run(shared: Arc<EngineShared>, shutdown: CancellationToken) {
    let mut tick = tokio::time::interval(INTERVAL);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut renewed, mut whole) = (Instant::now(), Instant::now());
    loop {
        tokio::select! {
            biased;
            () = shutdown.cancelled() => break,
            () = shared.consumers.flush.notified() => {}
            _ = tick.tick() => {}
        }
        // However busy those are who wait for something.
        let is_whole = whole.elapsed() >= INTERVAL;
        if is_whole {
            whole = Instant::now();
        }
        let flushed = async {
            while let Err(error) = flush(&shared, is_whole).await {
                shared.store_failed(&error, "acknowledgements wait for the store");
                tokio::time::sleep(STORE_PAUSE).await;
            }
        };
        tokio::select! {
            biased;
            () = flushed => {}
            // What could not be written is handed out again after the next start.
            () = shutdown.cancelled() => break,
        }
        if renewed.elapsed() >= RENEWAL_INTERVAL {
            renewed = Instant::now();
            renew(&shared).await;
        }
    }
    finish(&shared).await;
}

/// Writes what waits, until nothing does. What could not be written stays with its consumers, and is the same when they are
/// asked again.
async fn flush(shared: &EngineShared, is_whole: bool) -> Result<(), StoreError> {
    let mut waiting = shared.consumers.take_dirty();
    while !waiting.is_empty() {
        let mut taken: Vec<(Arc<Running>, ConsumerMoves)> = Vec::new();
        let mut rows = 0;
        while rows < ROWS_MAX
            && let Some(running) = waiting.pop()
        {
            let moves = take(&running, is_whole);
            rows += moves.rows();
            taken.push((running, moves));
        }
        let written = write(shared, &taken).await;
        if let Err(error) = written {
            let taken = taken.iter().map(|(running, _)| running);
            taken.chain(&waiting).for_each(|running| shared.consumers.put_back(running));
            return Err(error);
        }
    }
    Ok(())
}

fn take(running: &Running, is_whole: bool) -> ConsumerMoves {
    let mut inner = running.lock();
    let moves = inner.state.take_moves(is_whole);
    ConsumerMoves {
        consumer: running.consumer.id,
        fence: running.fence,
        cursors: moves.cursors,
        put: moves.put,
        removed: moves.removed,
    }
}

async fn write(shared: &EngineShared, taken: &[(Arc<Running>, ConsumerMoves)]) -> Result<(), StoreError> {
    let with_rows: Vec<ConsumerMoves> =
        taken.iter().filter(|(_, moves)| moves.rows() > 0).map(|(_, moves)| moves.clone()).collect();
    let mut lost: HashSet<ConsumerId> = HashSet::new();
    if !with_rows.is_empty() {
        let held: HashSet<ConsumerId> = shared.store.move_consumers(&with_rows).await?.into_iter().collect();
        lost = with_rows.iter().map(|moves| moves.consumer).filter(|id| !held.contains(id)).collect();
        shared.statistics.consumer_flushes.add(1);
        shared.statistics.syncs.add(1);
        shared.store_worked();
    }
    for (running, _) in taken {
        if lost.contains(&running.consumer.id) {
            shared.consumers.stop(running, &ConsumerError::Elsewhere.into());
            continue;
        }
        let mut inner = running.lock();
        let names: HashMap<_, _> = inner.state.names().collect();
        inner.stored(|node| names.get(&node).cloned());
        drop(inner);
        running.wake.notify_one();
        shared.consumers.has_moved(running);
    }
    Ok(())
}

/// Other instances must not take over what is served here.
async fn renew(shared: &EngineShared) {
    let all = shared.consumers.all();
    if all.is_empty() || !shared.store.is_shared() {
        return;
    }
    let claims: Vec<_> = all.iter().map(|running| (running.consumer.id, running.fence)).collect();
    let until_ms = shared.clock.now_ms().saturating_add(super::registry::CLAIM_MS);
    match shared.store.renew_claims(&claims, until_ms).await {
        Ok(held) => {
            let held: HashSet<ConsumerId> = held.into_iter().collect();
            for running in all.iter().filter(|running| !held.contains(&running.consumer.id)) {
                shared.consumers.stop(running, &ConsumerError::Elsewhere.into());
            }
        }
        Err(error) => shared.store_failed(&error, "subscriptions may be taken over by another instance"),
    }
}

/// Writes what is left, and gives the claims back.
async fn finish(shared: &EngineShared) {
    let all = shared.consumers.all();
    for running in &all {
        shared.consumers.put_back(running);
    }
    if let Err(error) = flush(shared, true).await {
        shared.store_failed(&error, "what was handed out last is handed out again after the next start");
    }
    let claims: Vec<_> = all.iter().map(|running| (running.consumer.id, running.fence)).collect();
    if !claims.is_empty()
        && shared.store.is_shared()
        && let Err(error) = shared.store.renew_claims(&claims, 0).await
    {
        shared.store_failed(&error, "other instances take subscriptions over after a while");
    }
    for running in &all {
        shared.consumers.stop(running, &BusError::StoreUnavailable);
    }
    // They hold the store, which whoever comes next may want to open.
    shared.consumers.tasks.close();
    shared.consumers.tasks.wait().await;
}
