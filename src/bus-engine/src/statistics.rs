use std::sync::atomic::{AtomicU64, Ordering};

/// Counters of the engine, for metrics and for tests that assert counts.
#[derive(Debug, Default)]
pub struct Statistics {
    pub(crate) commits: Counter,
    pub(crate) commits_failed: Counter,
    pub(crate) committed_events: Counter,
    pub(crate) commit_us_total: Counter,
    pub(crate) queued_commands: Counter,
    pub(crate) queued_bytes: Counter,
    pub(crate) refused_busy: Counter,
    pub(crate) stale_decisions: Counter,
    pub(crate) facts_loaded: Counter,
    pub(crate) log_pages_read: Counter,
    pub(crate) notifications_sent: Counter,
    pub(crate) cursor_moves: Counter,
    pub(crate) nodes_undelivered: Counter,
    pub(crate) nodes_unreadable: Counter,
    pub(crate) doorbell_looks: Counter,
}

/// The counters at one moment. Those named like states (`queued_…`, `nodes_…`) go up and down; the others only up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StatisticsSnapshot {
    /// Transactions that changed nodes.
    pub commits: u64,
    /// Transactions that did not come through.
    pub commits_failed: u64,
    /// Events in committed transactions.
    pub committed_events: u64,
    /// Microseconds from the start of each transaction to the end of its sync, added up.
    pub commit_us_total: u64,
    /// Commands that wait for their commit.
    pub queued_commands: u64,
    /// Bytes of them.
    pub queued_bytes: u64,
    /// Commands refused because too many wait.
    pub refused_busy: u64,
    /// Decisions made again because the rules had moved.
    pub stale_decisions: u64,
    /// Times that a node's facts were read from the store.
    pub facts_loaded: u64,
    /// Pages of the log read for delivery or tails.
    pub log_pages_read: u64,
    /// Notifications handed to the sink.
    pub notifications_sent: u64,
    /// Cursors written.
    pub cursor_moves: u64,
    /// Nodes with events that are not handed over yet.
    pub nodes_undelivered: u64,
    /// Nodes whose delivery stopped because the store has something of them that cannot be read.
    pub nodes_unreadable: u64,
    /// Times that the store was looked at for what other instances have committed.
    pub doorbell_looks: u64,
}

impl Statistics {
    /// Reads all counters.
    pub fn snapshot(&self) -> StatisticsSnapshot {
        StatisticsSnapshot {
            commits: self.commits.get(),
            commits_failed: self.commits_failed.get(),
            committed_events: self.committed_events.get(),
            commit_us_total: self.commit_us_total.get(),
            queued_commands: self.queued_commands.get(),
            queued_bytes: self.queued_bytes.get(),
            refused_busy: self.refused_busy.get(),
            stale_decisions: self.stale_decisions.get(),
            facts_loaded: self.facts_loaded.get(),
            log_pages_read: self.log_pages_read.get(),
            notifications_sent: self.notifications_sent.get(),
            cursor_moves: self.cursor_moves.get(),
            nodes_undelivered: self.nodes_undelivered.get(),
            nodes_unreadable: self.nodes_unreadable.get(),
            doorbell_looks: self.doorbell_looks.get(),
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
