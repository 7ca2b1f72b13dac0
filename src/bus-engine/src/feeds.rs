//! What is committed on a child reaches the logs of its collections (XEP-0248): after its commit and beside it, so that a
//! publish pays nothing for it. A feed is a row with a position in the child's log, which moves in the transaction that
//! appends to the collection's; so each event gets there once, whoever feeds, and after a crash the feed goes on.

mod wanted;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use bus_domain::collection::{self, Forwarding};
use bus_domain::{Actor, BusError, Event, NodeId, Role};
use bus_store::{Feed, StoreError};
use tokio_util::sync::CancellationToken;

use crate::dispatcher::read_events;
use crate::engine::EngineShared;
use crate::{Command, Verb};

use wanted::Wanted;
pub(crate) use wanted::WantedFeeds;

/// Feeds that are looked at with one read.
const FEEDS_MAX: u32 = 500;
/// Feeds that are moved at the same time.
const MOVES_MAX: usize = 32;
/// How long a store that failed is left alone.
const STORE_PAUSE: Duration = Duration::from_secs(1);

/// Reads which nodes have feeds, so that their commits are noticed from now on.
pub(crate) async fn start(shared: &EngineShared) -> Result<(), StoreError> {
    let mut after = None;
    let mut children = Vec::new();
    loop {
        let page = shared.store.feeds(after, FEEDS_MAX).await?;
        children.extend(page.iter().map(|feed| feed.child.id));
        after = page.last().map(|feed| (feed.child.id, feed.collection));
        if page.len() < FEEDS_MAX as usize {
            break;
        }
    }
    // What was committed before has to be looked for, if there can be any.
    if !children.is_empty() {
        shared.feeds.add(&children);
        shared.feeds.look_again();
    }
    Ok(())
}

/// Feeds until it is told to stop.
pub(crate) async fn run(shared: Arc<EngineShared>, shutdown: CancellationToken) {
    loop {
        let turn = async {
            let wanted = shared.feeds.take().await;
            if let Err(error) = feed(&shared, &wanted).await {
                shared.store_failed(&error, "collections wait for the store");
                shared.feeds.put_back(wanted);
                tokio::time::sleep(STORE_PAUSE).await;
            }
        };
        tokio::select! {
            biased;
            () = shutdown.cancelled() => return,
            () = turn => {}
        }
    }
}

/// Looks at the feeds that may be behind, page by page, and moves those that are.
async fn feed(shared: &Arc<EngineShared>, wanted: &Wanted) -> Result<(), StoreError> {
    if !wanted.look_again {
        let children: Vec<NodeId> = wanted.children.iter().copied().collect();
        // Known before they are read, so that no later commit is missed.
        shared.feeds.add(&children);
        let feeds = shared.store.feeds_of(&children).await?;
        let fed: HashSet<NodeId> = feeds.iter().map(|feed| feed.child.id).collect();
        shared.feeds.forget(children.into_iter().filter(|child| !fed.contains(child)));
        return move_all(shared, feeds).await;
    }
    let mut after = None;
    let mut moved_all = Ok(());
    loop {
        let page = shared.store.feeds(after, FEEDS_MAX).await?;
        after = page.last().map(|feed| (feed.child.id, feed.collection));
        let is_last = page.len() < FEEDS_MAX as usize;
        shared.feeds.found(&page.iter().map(|feed| feed.child.id).collect::<Vec<_>>());
        moved_all = move_all(shared, page).await.and(moved_all);
        if is_last {
            return moved_all;
        }
    }
}

/// Moves each feed by a stretch; those that are not at their end then come again. One that cannot be moved is in nobody's
/// way: it comes again, too.
async fn move_all(shared: &Arc<EngineShared>, feeds: Vec<Feed>) -> Result<(), StoreError> {
    let behind: Vec<Feed> = feeds.into_iter().filter(Feed::is_behind).collect();
    let mut failed = None;
    for some in behind.chunks(MOVES_MAX) {
        let moved = futures::future::join_all(some.iter().map(|feed| move_on(shared, feed))).await;
        for (feed, moved) in some.iter().zip(moved) {
            match moved {
                Ok(Left::Nothing) => {}
                Ok(Left::More) => shared.feeds.committed(feed.child.id),
                Err(error) => failed = Some(error),
            }
        }
    }
    failed.map_or(Ok(()), Err)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Left {
    More,
    Nothing,
}

async fn move_on(shared: &Arc<EngineShared>, feed: &Feed) -> Result<Left, StoreError> {
    let Feed { collection, child, position, head_seq, .. } = feed;
    let events_max = shared.settings.engine.log_page_events_max;
    let events = match read_events(shared, child.id, position.through_seq, events_max).await {
        Ok(events) => events,
        Err(error) if error.is_transient() => return Err(error),
        Err(error) => {
            tracing::error!(%error, node_id = child.id.0, "a node's collections get nothing, because it cannot be read");
            return Ok(Left::Nothing);
        }
    };
    let mut bytes = 0;
    let fits = |event: &&Arc<Event>| {
        let is_first = bytes == 0;
        bytes += event.weight_bytes();
        is_first || bytes <= shared.settings.engine.log_page_bytes_max
    };
    let events: Vec<_> = events.iter().take_while(fits).map(|event| (**event).clone()).collect();
    let (events, to) = collection::forward(child, *position, &events, *head_seq, shared.clock.now_ms());
    let is_behind = to.is_some_and(|to| to.through_seq < *head_seq || to.ends_at_seq.is_some());
    let forwarding = Forwarding { collection: *collection, child: child.id, from: *position, to, events };
    let actor = Actor::new(child.changed_by.clone(), Role::User);
    let command = Command { actor, node: feed.collection_name.clone(), verb: Verb::Forward(forwarding) };
    let left = if is_behind { Left::More } else { Left::Nothing };
    match shared.queue.submit(command, shared).await {
        Ok(Ok(_)) => {
            shared.statistics.feeds_moved.add(1);
            Ok(left)
        }
        // The collection is gone, and its feeds with it.
        Ok(Err(BusError::NodeNotFound)) => Ok(Left::Nothing),
        // Somebody else has moved it, or it has been ended: it is read again.
        Ok(Err(BusError::Contended)) => Ok(Left::More),
        Ok(Err(error)) => Err(StoreError::Unavailable { message: error.to_string(), source: None }),
        Err(closed) => Err(StoreError::Unavailable { message: closed.to_string(), source: None }),
    }
}
