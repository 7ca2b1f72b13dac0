//! Serves one consumer: reads for it, hands out, and lets go of it when nobody has read it for a while.

use std::sync::Arc;
use std::time::Duration;

use bus_domain::BusError;
use bus_domain::consumer::ConsumerError;
use tokio::time::Instant;

use super::letters;
use super::running::{Heard, Running};
use super::state::Action;
use crate::Engine;

/// How long a consumer is kept in memory that nobody reads.
const IDLE: Duration = Duration::from_secs(10);
/// How soon a clock is noticed that was set, while something is due.
const CLOCK_INTERVAL: Duration = Duration::from_millis(250);
/// How often readers are looked at that do not read.
const STALL_INTERVAL: Duration = Duration::from_secs(5);
/// How long a reader may leave what waits for it.
const STALLED: Duration = Duration::from_mins(1);
/// How long a store that failed is left alone.
const STORE_PAUSE: Duration = Duration::from_secs(1);

/// Serves the consumer from now on.
pub(super) fn start(engine: &Engine, running: &Arc<Running>) {
    engine.register(running);
    engine.shared().consumers.tasks.spawn(run(engine.clone(), Arc::clone(running)));
}

async fn run(engine: Engine, running: Arc<Running>) {
    let mut idle_since = None;
    loop {
        let heard = running.take_heard();
        listen(&engine, &running, heard).await;
        let (actions, next_due_ms, is_idle) = {
            let mut inner = running.lock();
            if inner.ended.is_some() {
                return;
            }
            end_stalled(&mut inner);
            let actions = inner.act(engine.now_ms());
            (actions, inner.state.next_due_ms(), inner.readers.is_empty() && inner.state.is_idle())
        };
        engine.shared().consumers.has_moved(&running);
        if !actions.is_empty() {
            for action in actions {
                if let Err(error) = carry_out(&engine, &running, action).await {
                    tokio::time::sleep(STORE_PAUSE).await;
                    tracing::debug!(%error, consumer = %running.consumer.name, "a subscription waits for the store");
                }
            }
            continue;
        }
        idle_since = is_idle.then(|| idle_since.unwrap_or_else(Instant::now));
        if idle_since.is_some_and(|since| since.elapsed() >= IDLE)
            && engine.shared().consumers.stop_if_idle(&running)
        {
            return;
        }
        tokio::select! {
            () = running.wake.notified() => {}
            () = tokio::time::sleep(rest(&engine, next_due_ms)) => {}
        }
    }
}

/// Until something is due by itself.
fn rest(engine: &Engine, next_due_ms: Option<i64>) -> Duration {
    let Some(due_ms) = next_due_ms else { return STALL_INTERVAL };
    let left_ms = due_ms.saturating_sub(engine.now_ms()).max(1);
    Duration::from_millis(left_ms.unsigned_abs()).min(CLOCK_INTERVAL)
}

fn end_stalled(inner: &mut super::running::Inner) {
    let stalled =
        inner.readers.iter().filter(|(_, reader)| reader.outbox.is_stalled(STALLED)).map(|(id, _)| *id);
    for session in stalled.collect::<Vec<_>>() {
        inner.end_session(session, ConsumerError::Stalled { seconds: STALLED.as_secs() }.into());
    }
}

async fn listen(engine: &Engine, running: &Arc<Running>, heard: Heard) {
    {
        let mut inner = running.lock();
        for node in &heard.moved {
            inner.state.log_has_moved(*node);
        }
        if heard.look_again {
            inner.state.all_logs_may_have_moved();
        }
    }
    let found = if heard.look_again || heard.discover {
        engine.discover(running).await
    } else {
        engine.discovered(running, heard.found.iter()).await
    };
    if let Err(error) = found {
        tracing::debug!(%error, consumer = %running.consumer.name, "a subscription cannot look for its nodes now");
        running.hear(|heard| heard.look_again = true);
        tokio::time::sleep(STORE_PAUSE).await;
    }
}

async fn carry_out(engine: &Engine, running: &Arc<Running>, action: Action) -> Result<(), BusError> {
    match action {
        Action::Read { facts, after_seq, items_through_seq } => {
            engine.read_for(running, &facts, (after_seq, items_through_seq)).await
        }
        Action::ReadOne { facts, seq } => engine.read_one_for(running, &facts, seq).await,
        Action::DeadLetter { facts, seq, attempts, reason } => {
            let (engine, running) = (engine.clone(), Arc::clone(running));
            engine.shared().consumers.tasks.clone().spawn(async move {
                letters::write(&engine, &running, &facts, seq, attempts, reason).await;
            });
            Ok(())
        }
        // Carried out before.
        Action::Deliver { .. } | Action::Gap { .. } => Ok(()),
    }
}
