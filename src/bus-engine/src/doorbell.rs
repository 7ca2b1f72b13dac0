//! Other instances on the same database: what they have committed is seen here, and they are told of what is committed
//! here. Wakes only; the truth is read from the store.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bus_domain::NodeId;
use bus_store::{Head, StoreError};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use crate::engine::EngineShared;

/// Heads that are read at once.
const HEADS_MAX: usize = 1_000;

/// Listens until it is cancelled, or until the store says that nobody else can write to it.
pub(crate) async fn run(shared: Arc<EngineShared>, shutdown: CancellationToken) {
    let poll = Duration::from_millis(shared.settings.engine.doorbell_poll_ms);
    let listening = async {
        let mut is_reported = false;
        while let Err(error) = listen(&shared, poll, &mut is_reported).await {
            if !std::mem::replace(&mut is_reported, true) {
                tracing::warn!(%error, "other instances are not heard for now; what they commit is seen later");
            }
            tokio::time::sleep(poll).await;
        }
    };
    tokio::select! {
        () = shutdown.cancelled() => {}
        () = listening => {}
    }
}

/// Returns at the first error, after which rings may have been missed: the next one begins with a look at everything.
async fn listen(shared: &EngineShared, poll: Duration, is_reported: &mut bool) -> Result<(), StoreError> {
    let Some(mut doorbell) = shared.store.doorbell().await? else { return Ok(()) };
    // Those who thought that they were alone hear that they are not.
    doorbell.ring().await?;
    look(shared, Cause::Unknown).await?;
    if std::mem::take(is_reported) {
        tracing::info!("other instances are heard again");
    }
    let mut tick = tokio::time::interval(poll);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // Until they have been counted there may be some.
    let mut has_others = true;
    loop {
        tokio::select! {
            heard = doorbell.heard() => {
                heard?;
                has_others = true;
                look(shared, Cause::Ring).await?;
            }
            () = shared.committed.notified() => {
                if has_others {
                    doorbell.ring().await?;
                }
            }
            _ = tick.tick() => {
                let were_there = std::mem::replace(&mut has_others, doorbell.instances().await? > 1);
                // One that has just gone may have committed before.
                if has_others || were_there {
                    look(shared, Cause::Unknown).await?;
                }
            }
        }
    }
}

/// Why the store is looked at.
#[derive(Clone, Copy)]
enum Cause {
    /// Another instance has committed something.
    Ring,
    /// It may have, and rings may have been missed.
    Unknown,
}

/// Wakes the readers of logs that go on, lets go of rules that are no longer so where no commit would find that out, and
/// has the dispatcher look for nodes that it must deliver.
async fn look(shared: &EngineShared, cause: Cause) -> Result<(), StoreError> {
    shared.statistics.doorbell_looks.add(1);
    for facts in shared.facts.transient().chunks(HEADS_MAX) {
        let nodes: Vec<NodeId> = facts.iter().map(|facts| facts.id).collect();
        let heads: HashMap<NodeId, Head> = shared.store.heads(&nodes).await?.into_iter().collect();
        for facts in facts {
            if heads.get(&facts.id).is_none_or(|head| head.rules_version != facts.rules_version) {
                shared.facts.forget(&facts.name);
            }
        }
    }
    let mut read = shared.recent.watched();
    read.extend(shared.consumers.nodes());
    for nodes in read.chunks(HEADS_MAX) {
        let found = shared.store.heads(nodes).await?;
        for (node, head) in &found {
            shared.recent.note_head(*node, head.seq);
        }
        shared.statistics.consumer_looks.add(shared.consumers.found_heads(nodes, &found));
    }
    let newest = shared.store.newest_node().await?;
    match cause {
        Cause::Ring => shared.consumers.found_newest(newest),
        Cause::Unknown => shared.statistics.consumer_looks.add(shared.consumers.look_again()),
    }
    shared.mailbox.look_again();
    shared.feeds.look_again();
    shared.push_profiles.look_again();
    Ok(())
}
