use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bus_domain::consumer::lease::LeaseId;
use bus_domain::{BusError, Epoch, NodeFacts, NodeName, Seq};
use tokio::sync::Notify;
use tokio::time::Instant;

use super::{Delivered, LeaseOutcome};

/// What a reader of a consumer is sent.
#[derive(Debug, Clone)]
pub enum ConsumerFrame {
    /// The next events.
    Events(Vec<Delivered>),
    /// What has become of leases that it has named.
    Leases(Vec<LeaseReport>),
    /// Its position is on disk.
    Committed {
        /// The node.
        node: NodeName,
        /// The life of its log.
        epoch: Epoch,
        /// Up to this event.
        through_seq: Seq,
    },
    /// Events that it would have got next are gone.
    Gap {
        /// The node.
        facts: Arc<NodeFacts>,
        /// The oldest position that there still is.
        first_seq: Seq,
    },
}

/// What has become of a lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LeaseReport {
    /// Which one.
    pub lease: LeaseId,
    /// What.
    pub outcome: LeaseOutcome,
}

/// What waits for a reader to take it. Events are bounded by its credit; what it asks for is not read before it has taken
/// the answers.
#[derive(Debug)]
pub(super) struct Outbox {
    frames: VecDeque<ConsumerFrame>,
    end: Option<BusError>,
    pub(super) filled: Arc<Notify>,
    last_taken: Instant,
}

impl Outbox {
    pub(super) fn new() -> Self {
        Self { frames: VecDeque::new(), end: None, filled: Arc::default(), last_taken: Instant::now() }
    }

    pub(super) fn put(&mut self, frame: ConsumerFrame) {
        if self.end.is_none() {
            if self.frames.is_empty() {
                self.last_taken = Instant::now();
            }
            self.frames.push_back(frame);
            self.filled.notify_one();
        }
    }

    /// Nothing comes behind what is there.
    pub(super) fn end(&mut self, why: BusError) {
        self.end.get_or_insert(why);
        self.filled.notify_one();
    }

    /// The next frame, or why there is none any more; `None` if it is still to come.
    pub(super) fn take(&mut self) -> Option<Result<ConsumerFrame, BusError>> {
        self.last_taken = Instant::now();
        let frame = self.frames.pop_front().map(Ok);
        frame.or_else(|| self.end.clone().map(Err))
    }

    /// Whether nothing comes behind what is there.
    pub(super) fn is_ended(&self) -> bool {
        self.end.is_some()
    }

    /// Frames that wait.
    pub(super) fn len(&self) -> usize {
        self.frames.len()
    }

    /// Whether something has waited for so long.
    pub(super) fn is_stalled(&self, patience: Duration) -> bool {
        !self.frames.is_empty() && self.last_taken.elapsed() >= patience
    }

    /// Empties it and says which leases were in it.
    pub(super) fn unsent(&mut self) -> Vec<LeaseId> {
        let frames = self.frames.drain(..);
        let events = frames.filter_map(|frame| match frame {
            ConsumerFrame::Events(events) => Some(events),
            _ => None,
        });
        events.flatten().filter_map(|delivered| delivered.lease).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_leaves_what_waits_is_stalled_and_who_has_nothing_to_take_is_not() {
        let (at_once, later) = (Duration::ZERO, Duration::from_hours(1));
        let report = || ConsumerFrame::Leases(Vec::new());
        let mut outbox = Outbox::new();
        assert!(!outbox.is_stalled(at_once), "nothing waits");
        outbox.put(report());
        outbox.put(report());
        assert!(outbox.is_stalled(at_once) && !outbox.is_stalled(later));
        assert!(outbox.take().is_some_and(|frame| frame.is_ok()));
        assert!(!outbox.is_stalled(later), "it reads again");
        outbox.end(BusError::Internal);
        outbox.put(report());
        assert!(outbox.take().is_some_and(|frame| frame.is_ok()));
        assert!(outbox.take().is_some_and(|frame| frame.is_err()), "nothing comes behind the end");
        assert!(!outbox.is_stalled(at_once));
        assert!(outbox.take().is_some_and(|frame| frame.is_err()));
    }
}
