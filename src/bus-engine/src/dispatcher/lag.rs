use bus_domain::Seq;
use bus_store::SubscriptionKey;

use super::lagging::{LagPosition, LaggingBounds};

/// Events of the first window after something has come back; each window that is taken doubles the next one.
const WINDOW_EVENTS_MIN: u32 = 16;

/// One subscription that has left its node's cursor.
#[derive(Debug)]
pub(super) struct Lag {
    /// Handed over, and nothing of it has come back.
    pub(super) through_seq: Seq,
    /// In the sink's hands.
    pub(super) sent_seq: Seq,
    /// The next window.
    pub(super) window_events: u32,
    pub(super) phase: Phase,
    attempts: u32,
    /// Where the attempt that failed last had begun: what comes back late is not taken for older than this.
    floor_seq: Seq,
    /// Sent before, on the node's cursor or by an attempt.
    sent_before_seq: Seq,
}

/// What a lagging subscription waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// Its time.
    Resting {
        /// When that is.
        until_ms: u64,
    },
    /// To be put in line.
    Due,
    /// Its turn.
    Ready,
    /// The proof of what it was sent.
    Unproven {
        /// Under this ticket.
        ticket: u64,
        /// Whether it has met the node's cursor, and follows it.
        joined: bool,
    },
    /// That nothing comes back.
    Quiet {
        /// Until then.
        until_ms: u64,
        /// Whether it follows the node's cursor.
        joined: bool,
    },
    /// Nothing: it lags no longer.
    Done,
}

impl Lag {
    /// A subscription whose event has come back for the first time.
    pub(super) fn new(bounced_seq: Seq, common_seq: Option<Seq>, until_ms: u64) -> Self {
        // After a cut the cursor may stand before what came back: everything behind it is sent again anyway.
        let through_seq = bounced_seq.saturating_sub(1).min(common_seq.unwrap_or(Seq::MAX));
        Self {
            through_seq,
            sent_seq: through_seq,
            window_events: WINDOW_EVENTS_MIN,
            phase: Phase::Resting { until_ms },
            attempts: 1,
            floor_seq: 0,
            sent_before_seq: common_seq.unwrap_or(bounced_seq),
        }
    }

    /// As the store knew it.
    pub(super) fn restored(row: LagPosition) -> Self {
        Self {
            through_seq: row.through_seq,
            sent_seq: row.through_seq,
            window_events: WINDOW_EVENTS_MIN,
            phase: Phase::Resting { until_ms: row.due_ms },
            attempts: row.attempts,
            floor_seq: row.through_seq,
            sent_before_seq: row.through_seq,
        }
    }

    /// As the store is to know it.
    pub(super) fn position(&self, key: SubscriptionKey) -> LagPosition {
        let due_ms = if let Phase::Resting { until_ms } = self.phase { until_ms } else { 0 };
        LagPosition { key, through_seq: self.through_seq, attempts: self.attempts, due_ms }
    }

    /// Whether the node's cursor serves it.
    pub(super) fn is_joined(&self) -> bool {
        matches!(self.phase, Phase::Unproven { joined: true, .. } | Phase::Quiet { joined: true, .. })
    }

    /// Whether nothing is in the sink's hands that could still come back.
    pub(super) fn is_confirmed(&self) -> bool {
        self.sent_seq == self.through_seq
    }

    /// Whether what it was sent last had come back.
    pub(super) fn is_on_trial(&self) -> bool {
        self.attempts > 0
    }

    /// Takes note that an event has come back; false if that says nothing new.
    ///
    /// Servers answer in order, so everything before the first event that comes back was taken; the events behind it
    /// are sent again with it.
    pub(super) fn bounced(
        &mut self,
        bounced_seq: Seq,
        common_seq: Option<Seq>,
        now_ms: u64,
        backoff_ms: impl Fn(u32) -> u64,
    ) -> bool {
        let before_seq = bounced_seq.saturating_sub(1);
        if let Phase::Resting { .. } = self.phase {
            let is_older = self.floor_seq <= before_seq && before_seq < self.through_seq;
            if is_older {
                self.through_seq = before_seq;
                self.sent_seq = before_seq;
            }
            return is_older;
        }
        if bounced_seq <= self.through_seq {
            return false;
        }
        let sent_seq = if self.is_joined() { common_seq.unwrap_or(before_seq) } else { self.sent_seq };
        self.attempts = if before_seq > self.through_seq { 1 } else { self.attempts.saturating_add(1) };
        self.floor_seq = self.through_seq;
        self.sent_before_seq = self.sent_before_seq.max(sent_seq);
        self.through_seq = before_seq.min(sent_seq).max(self.through_seq);
        self.sent_seq = self.through_seq;
        self.window_events = WINDOW_EVENTS_MIN;
        self.phase = Phase::Resting { until_ms: now_ms + backoff_ms(self.attempts) };
        true
    }

    /// Moves on what has waited long enough.
    pub(super) fn tick(&mut self, now_ms: u64, proven_ticket: u64, bounds: &LaggingBounds) {
        self.phase = match self.phase {
            Phase::Resting { until_ms } if until_ms <= now_ms => Phase::Due,
            Phase::Unproven { ticket, joined } if ticket <= proven_ticket => {
                Phase::Quiet { until_ms: now_ms + bounds.quiet_ms, joined }
            }
            Phase::Quiet { until_ms, joined } if until_ms <= now_ms => {
                self.through_seq = self.sent_seq;
                self.attempts = 0;
                self.window_events = self.window_events.saturating_mul(2).min(bounds.window_events_max);
                if joined { Phase::Done } else { Phase::Due }
            }
            waiting => waiting,
        };
    }

    /// The link has gone. A proof counts even if nothing can come back any more.
    pub(super) fn rewind(&mut self) {
        match self.phase {
            Phase::Unproven { .. } | Phase::Ready => {
                self.sent_before_seq = self.sent_before_seq.max(self.sent_seq);
                self.sent_seq = self.through_seq;
                self.phase = Phase::Resting { until_ms: 0 };
            }
            // A window that was left alone halfway is as unproven as one that is out.
            Phase::Resting { .. } | Phase::Due => {
                self.sent_before_seq = self.sent_before_seq.max(self.sent_seq);
                self.sent_seq = self.through_seq;
            }
            Phase::Quiet { joined, .. } => self.phase = Phase::Quiet { until_ms: 0, joined },
            Phase::Done => {}
        }
    }

    /// What was sent behind this position is no more; other events will stand there.
    pub(super) fn set_back(&mut self, end_seq: Seq) {
        self.through_seq = self.through_seq.min(end_seq);
        self.sent_seq = self.through_seq;
        self.floor_seq = self.floor_seq.min(end_seq);
        self.sent_before_seq = self.sent_before_seq.min(end_seq);
        self.phase = Phase::Resting { until_ms: 0 };
    }

    /// Takes note that it was sent everything through this event; true if that was for the first time.
    pub(super) fn sent(&mut self, seq: Seq) -> bool {
        self.sent_seq = self.sent_seq.max(seq);
        let is_first = seq > self.sent_before_seq;
        self.sent_before_seq = self.sent_before_seq.max(seq);
        is_first
    }
}
