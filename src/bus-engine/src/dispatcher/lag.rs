use std::ops::RangeInclusive;

use bus_domain::bounce::Attempt;
use bus_domain::{Epoch, Seq};
use bus_store::SubscriptionKey;

use super::lagging::{LagPosition, LaggingBounds};

/// Events of the first window after something has come back; each window that is taken doubles the next one.
const WINDOW_EVENTS_MIN: u32 = 16;

/// One subscription that has left its node's cursor.
#[derive(Debug)]
pub(super) struct Lag {
    /// Where the next attempt begins: nothing of what was sent before has come back, as far as that is known.
    pub(super) through_seq: Seq,
    /// Proven to be handed over, with a moment behind it in which nothing came back.
    taken_seq: Seq,
    /// In the sink's hands.
    pub(super) sent_seq: Seq,
    /// The next window.
    pub(super) window_events: u32,
    pub(super) phase: Phase,
    attempts: u32,
    /// What comes back from before this is not believed.
    floor_seq: Seq,
    /// Sent before, on the node's cursor or by an attempt.
    sent_before_seq: Seq,
    /// Milliseconds between two digests, as far as it is known that it gets some: it never follows the node's cursor.
    pub(super) digest_ms: Option<u64>,
    /// Before this time no further digest comes, unless the last one did not arrive.
    pub(super) not_before_ms: u64,
}

/// How far the node's cursor has come for a subscription.
#[derive(Debug, Clone, Copy)]
pub(super) struct Common {
    /// In the sink's hands.
    pub(super) sent_seq: Seq,
    /// Proven to be handed over. What lies behind is sent again after a cut, but not to those who lag.
    pub(super) proven_seq: Seq,
}

/// What is proven to be handed over when an event comes back from one that has not lagged. Without a cursor in memory
/// everything is.
pub(super) fn taken_before(bounced_seq: Seq, common: Option<Common>) -> Seq {
    let before_seq = bounced_seq.saturating_sub(1);
    common.map_or(before_seq, |common| before_seq.min(common.proven_seq))
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
    pub(super) fn new(bounced_seq: Seq, common: Option<Common>, until_ms: u64) -> Self {
        // After a cut the cursor may stand before what came back: everything behind it is sent again anyway.
        let before_seq = bounced_seq.saturating_sub(1);
        let through_seq = common.map_or(before_seq, |common| before_seq.min(common.sent_seq));
        Self {
            through_seq,
            taken_seq: taken_before(bounced_seq, common),
            sent_seq: through_seq,
            window_events: WINDOW_EVENTS_MIN,
            phase: Phase::Resting { until_ms },
            attempts: 1,
            floor_seq: 0,
            sent_before_seq: common.map_or(bounced_seq, |common| common.sent_seq),
            digest_ms: None,
            not_before_ms: 0,
        }
    }

    /// A subscription whose digest begins with an event.
    pub(super) fn of_digest(first_seq: Seq, digest_ms: u64, now_ms: u64, bounds: &LaggingBounds) -> Self {
        let through_seq = first_seq.saturating_sub(1);
        Self {
            through_seq,
            taken_seq: through_seq,
            sent_seq: through_seq,
            window_events: bounds.window_events_max,
            phase: Phase::Resting { until_ms: now_ms + digest_ms },
            attempts: 0,
            floor_seq: through_seq,
            sent_before_seq: through_seq,
            digest_ms: Some(digest_ms),
            not_before_ms: 0,
        }
    }

    /// As the store knew it.
    pub(super) fn restored(row: LagPosition, bounds: &LaggingBounds) -> Self {
        // Of what was taken nothing had come back.
        let window_events = if row.attempts == 0 { bounds.window_events_max } else { WINDOW_EVENTS_MIN };
        Self {
            through_seq: row.through_seq,
            taken_seq: row.through_seq,
            sent_seq: row.through_seq,
            window_events,
            phase: Phase::Resting { until_ms: row.due_ms },
            attempts: row.attempts,
            floor_seq: row.through_seq,
            sent_before_seq: row.through_seq,
            digest_ms: None,
            not_before_ms: 0,
        }
    }

    /// As the store is to know it.
    pub(super) fn position(&self, key: SubscriptionKey, epoch: Epoch) -> LagPosition {
        let due_ms = if let Phase::Resting { until_ms } = self.phase { until_ms } else { 0 };
        LagPosition { key, epoch, through_seq: self.taken_seq, attempts: self.attempts, due_ms }
    }

    /// Whether the node's cursor serves it.
    pub(super) fn is_joined(&self) -> bool {
        matches!(self.phase, Phase::Unproven { joined: true, .. } | Phase::Quiet { joined: true, .. })
    }

    /// Whether nothing is in the sink's hands that could still come back.
    pub(super) fn is_confirmed(&self) -> bool {
        self.sent_seq == self.taken_seq
    }

    /// Whether what it was sent last had come back.
    pub(super) fn is_on_trial(&self) -> bool {
        self.attempts > 0
    }

    /// How events had been sent that have come back, this one first. What comes back while it rests is of the attempt
    /// that failed, or older.
    pub(super) fn attempt(&self, oldest_seq: Seq) -> Attempt {
        let is_resting = matches!(self.phase, Phase::Resting { .. });
        if self.is_on_trial() && (is_resting || self.before(oldest_seq) <= self.through_seq) {
            Attempt::Repeated
        } else {
            Attempt::Advanced
        }
    }

    fn before(&self, seq: Seq) -> Seq {
        seq.saturating_sub(1).max(self.floor_seq)
    }

    /// Takes note that events have come back, the first and the last of these; false if that says nothing new.
    ///
    /// Servers answer in order, so everything before the first event of an attempt that comes back was taken. But what
    /// comes back may be of an older attempt: so the position in the store stays behind until there is a proof, and
    /// an older event may come back in any phase.
    pub(super) fn bounced(
        &mut self,
        bounced: &RangeInclusive<Seq>,
        common: Option<Common>,
        now_ms: u64,
        backoff_ms: impl Fn(u32) -> u64,
    ) -> bool {
        let (first_seq, last_seq) = (*bounced.start(), *bounced.end());
        let before_seq = self.before(first_seq);
        let sent_seq = if self.is_joined() {
            common.map_or(last_seq, |common| common.sent_seq).max(self.sent_seq)
        } else {
            self.sent_seq
        };
        // What was not sent yet since it left the cursor is sent anyway.
        if last_seq <= self.floor_seq || before_seq >= sent_seq {
            return false;
        }
        if !matches!(self.phase, Phase::Resting { .. }) {
            self.attempts = if before_seq > self.through_seq { 1 } else { self.attempts.saturating_add(1) };
            self.phase = Phase::Resting { until_ms: now_ms + backoff_ms(self.attempts) };
        }
        self.sent_before_seq = self.sent_before_seq.max(sent_seq);
        self.through_seq = before_seq;
        self.taken_seq = self.taken_seq.min(before_seq);
        self.sent_seq = before_seq;
        self.window_events = WINDOW_EVENTS_MIN;
        self.not_before_ms = 0;
        true
    }

    /// Moves on what has waited long enough; true if more is known to be taken.
    pub(super) fn tick(&mut self, now_ms: u64, proven_ticket: u64, bounds: &LaggingBounds) -> bool {
        let taken_seq = self.taken_seq;
        self.phase = match self.phase {
            Phase::Resting { until_ms } if until_ms <= now_ms => Phase::Due,
            Phase::Unproven { ticket, joined } if ticket <= proven_ticket => {
                Phase::Quiet { until_ms: now_ms + bounds.quiet_ms, joined }
            }
            Phase::Quiet { until_ms, joined } if until_ms <= now_ms => {
                self.through_seq = self.sent_seq;
                self.taken_seq = self.sent_seq;
                self.floor_seq = self.sent_seq;
                self.attempts = 0;
                self.window_events = self.window_events.saturating_mul(2).min(bounds.window_events_max);
                if joined { Phase::Done } else { Phase::Due }
            }
            waiting => waiting,
        };
        self.taken_seq != taken_seq
    }

    /// The link has gone, with what was on its way back. A proof counts even if nothing can come back any more.
    pub(super) fn rewind(&mut self) {
        match self.phase {
            Phase::Quiet { joined, .. } => self.phase = Phase::Quiet { until_ms: 0, joined },
            Phase::Done => {}
            Phase::Unproven { .. } => {
                self.not_before_ms = 0;
                self.go_back();
                self.phase = Phase::Resting { until_ms: 0 };
            }
            Phase::Ready | Phase::Due => {
                self.go_back();
                self.phase = Phase::Resting { until_ms: 0 };
            }
            Phase::Resting { .. } => self.go_back(),
        }
    }

    /// What was sent behind this position is no more; other events will stand there.
    pub(super) fn set_back(&mut self, end_seq: Seq) {
        self.taken_seq = self.taken_seq.min(end_seq);
        self.floor_seq = self.floor_seq.min(end_seq);
        self.through_seq = self.through_seq.min(end_seq);
        self.sent_seq = self.through_seq;
        self.sent_before_seq = self.sent_before_seq.min(end_seq);
        self.phase = Phase::Resting { until_ms: 0 };
    }

    fn go_back(&mut self) {
        self.sent_before_seq = self.sent_before_seq.max(self.sent_seq);
        self.through_seq = self.taken_seq;
        self.sent_seq = self.taken_seq;
    }

    /// Takes note that it was sent everything through this event; true if that was for the first time.
    pub(super) fn sent(&mut self, seq: Seq) -> bool {
        self.sent_seq = self.sent_seq.max(seq);
        let is_first = seq > self.sent_before_seq;
        self.sent_before_seq = self.sent_before_seq.max(seq);
        is_first
    }
}
