use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bus_domain::quota::Quota;
use bus_domain::{BusError, Durability, LimitKind};

use crate::histogram::{Count, Histogram, HistogramSnapshot, Microseconds};

/// Makes [`Statistics`] and [`StatisticsSnapshot`] out of one table: a line with its meaning for each number.
macro_rules! statistics {
    ($($(#[doc = $doc:literal])+ $name:ident: $kind:ty => $value:ty,)+) => {
        /// Counters of the engine, for metrics and for tests that assert counts.
        #[derive(Debug, Default)]
        pub struct Statistics { $(pub(crate) $name: $kind,)+ }

        /// The counters at one moment. Those that say so go up and down; the others only up.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub struct StatisticsSnapshot { $($(#[doc = $doc])+ pub $name: $value,)+ }

        impl Statistics {
            /// Reads all counters.
            pub fn snapshot(&self) -> StatisticsSnapshot {
                StatisticsSnapshot { $($name: self.$name.get(),)+ }
            }
        }
    };
}

statistics! {
    /// Transactions that changed nodes.
    commits: Counter => u64,
    /// Transactions that did not come through.
    commits_failed: Counter => u64,
    /// Events in committed transactions.
    committed_events: Counter => u64,
    /// Items published and answered as synced to disk.
    published_fsync: Counter => u64,
    /// Items published and answered as committed.
    published_relaxed: Counter => u64,
    /// Items published and answered as in memory.
    published_memory: Counter => u64,
    /// Publishes that had been carried out before, and were answered as they were then.
    publishes_repeated: Counter => u64,
    /// Transactions that moved consumers.
    consumer_flushes: Counter => u64,
    /// Consumers that were told of logs which others have moved, or may have.
    consumer_looks: Counter => u64,
    /// Events that filters of consumers were asked about.
    consumer_filterings: Counter => u64,
    /// Transactions that moved push profiles.
    push_profile_moves: Counter => u64,
    /// Pushes that came of events.
    push_profile_jobs: Counter => u64,
    /// Events for which there could be no push.
    push_profile_failures: Counter => u64,
    /// Events that were written to dead-letter nodes.
    dead_letters: Counter => u64,
    /// Requests to destinations of consumers that were begun.
    outbound_requests: Counter => u64,
    /// Events that destinations have taken.
    outbound_events: Counter => u64,
    /// Requests that destinations have not answered, or not as they should.
    outbound_failures: Counter => u64,
    /// Events that destinations did not get, because their own sources have written them.
    outbound_passed: Counter => u64,
    /// Times at which events were gone before they could be brought to a destination.
    outbound_gaps: Counter => u64,
    /// Events that were read from sources and published.
    sourced_events: Counter => u64,
    /// Microseconds from the start of each transaction to the end of its sync.
    commit_us: Histogram<Microseconds> => HistogramSnapshot,
    /// Events of each committed transaction.
    batch_events: Histogram<Count> => HistogramSnapshot,
    /// Transactions that the store was asked to sync: batches, cursors and housekeeping.
    syncs: Counter => u64,
    /// Commands that wait for their commit; goes up and down.
    queued_commands: Counter => u64,
    /// Bytes of them; goes up and down.
    queued_bytes: Counter => u64,
    /// Commands refused because too many wait.
    refused_busy: Counter => u64,
    /// Commands refused because of a quota, in the order of [`Quota::ALL`].
    quota_refusals: QuotaCounters => [u64; Quota::ALL.len()],
    /// Decisions made again because the rules had moved.
    stale_decisions: Counter => u64,
    /// Times that a node's facts were read from the store.
    facts_loaded: Counter => u64,
    /// Pages of the log read for delivery or tails.
    log_pages_read: Counter => u64,
    /// Of them, those read for delivery, because memory does not reach back that far.
    spills: Counter => u64,
    /// Notifications handed to the sink.
    notifications_sent: Counter => u64,
    /// Notifications among them that had been sent before.
    repeats: Counter => u64,
    /// Microseconds from the commit of an event to the proof that all its notifications were handed over; one event
    /// is followed at a time.
    delivery_us: Histogram<Microseconds> => HistogramSnapshot,
    /// Cursors written.
    cursor_moves: Counter => u64,
    /// Nodes with events that are not handed over yet; goes up and down.
    nodes_undelivered: Counter => u64,
    /// Events of all nodes that are not handed over yet; goes up and down.
    lag_events: Counter => u64,
    /// Events that the node furthest behind has not handed over yet; goes up and down.
    lag_events_max: Counter => u64,
    /// Notifications that came back and are sent again.
    bounces_retried: Counter => u64,
    /// Notifications that came back because there is nobody any more.
    bounces_gone: Counter => u64,
    /// Notifications that came back for another reason of their subscriber's or its server's.
    bounces_failing: Counter => u64,
    /// Notifications that came back and say nothing of their subscriber.
    bounces_ignored: Counter => u64,
    /// Errors that claim to answer a notification that we did not send there.
    bounces_forged: Counter => u64,
    /// Subscriptions that are fed by themselves; goes up and down.
    lagging_subscriptions: Counter => u64,
    /// Subscriptions that get nothing until their subscribers show up, counted once a minute; goes up and down.
    parked_subscriptions: Counter => u64,
    /// Looks into a shared store for what other instances have committed.
    doorbell_looks: Counter => u64,
    /// Messages about subscriptions that nobody was told, because too many waited.
    notices_dropped: Counter => u64,
    /// Nodes whose delivery stopped because the store has something of them that cannot be read.
    nodes_unreadable: Counter => u64,
    /// Nodes of which so many events wait for delivery that the bound is reached; goes up and down.
    nodes_undelivered_full: Counter => u64,
    /// Bytes of payload in all logs, as last summed up; goes up and down.
    stored_bytes: Counter => u64,
    /// Transactions of retention.
    retention_steps: Counter => u64,
    /// Requests whose repeats are not recognised any more, because their time is over.
    requests_forgotten: Counter => u64,
    /// Events that have left their node's log.
    events_trimmed: Counter => u64,
    /// Items that were removed because their node keeps fewer than it did.
    items_evicted: Counter => u64,
    /// Items that were removed because of their age.
    items_expired: Counter => u64,
    /// Subscriptions whose lease was over.
    leases_ended: Counter => u64,
    /// Temporary subscriptions that ended because their subscribers had gone.
    temporary_ended: Counter => u64,
    /// Stretches of the logs of children that their collections have taken.
    feeds_moved: Counter => u64,
    /// Nodes that were deleted because the one that they pointed at was.
    orphans_deleted: Counter => u64,
    /// Items that were removed after a purge.
    purged_items_removed: Counter => u64,
    /// Payloads of retracted items that were emptied in the log.
    payloads_blanked: Counter => u64,
}

impl Statistics {
    /// Counts an error that claims to answer a notification which we did not send there.
    pub fn count_forged_bounce(&self) {
        self.bounces_forged.add(1);
    }

    /// Counts a refusal, if a quota is its reason.
    pub(crate) fn count_refusal(&self, limit: LimitKind) {
        if let Some(quota) = limit.quota() {
            self.quota_refusals.0[quota.index()].add(1);
        }
    }

    /// The same of an answer.
    pub(crate) fn count_answer<Answer>(&self, answer: &Result<Answer, BusError>) {
        if let Err(BusError::LimitReached(limit)) = answer {
            self.count_refusal(*limit);
        }
    }

    /// Counts what was published at this level.
    pub(crate) fn published(&self, durability: Durability) -> &Counter {
        match durability {
            Durability::Fsync => &self.published_fsync,
            Durability::Relaxed => &self.published_relaxed,
            Durability::Memory => &self.published_memory,
        }
    }
}

impl StatisticsSnapshot {
    /// Commands refused because of this quota.
    pub fn refused_by(&self, quota: Quota) -> u64 {
        self.quota_refusals[quota.index()]
    }

    /// Items published and answered at this level.
    pub fn published(&self, durability: Durability) -> u64 {
        match durability {
            Durability::Fsync => self.published_fsync,
            Durability::Relaxed => self.published_relaxed,
            Durability::Memory => self.published_memory,
        }
    }
}

/// One number that several tasks move.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add(&self, count: u64) {
        self.0.fetch_add(count, Ordering::Relaxed);
    }

    pub(crate) fn set(&self, value: u64) {
        self.0.store(value, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A number for each quota.
#[derive(Debug, Default)]
pub(crate) struct QuotaCounters([Counter; Quota::ALL.len()]);

impl QuotaCounters {
    pub(crate) fn get(&self) -> [u64; Quota::ALL.len()] {
        self.0.each_ref().map(Counter::get)
    }
}

/// A time as histograms count it.
pub(crate) fn microseconds(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}
