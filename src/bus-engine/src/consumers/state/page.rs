use std::sync::Arc;

use bus_domain::consumer::Mode;
use bus_domain::{Event, Seq};

use super::NodeState;

/// What was read of a log behind a position.
#[derive(Debug)]
pub(crate) struct Page {
    /// What is to be handed out of it.
    pub(super) events: Vec<Arc<Event>>,
    /// The newest event that was read; `None` if there was none.
    pub(super) through_seq: Option<Seq>,
    /// The newest event that is gone.
    pub(super) gone_through_seq: Seq,
}

impl Page {
    /// What was read, in its order; without anything, up to where the log is gone.
    pub(crate) fn new(events: Vec<Arc<Event>>, gone_through_seq: Seq) -> Self {
        Self {
            through_seq: events.last().map(|last| last.seq),
            gone_through_seq: events.first().map_or(gone_through_seq, |first| first.seq - 1),
            events,
        }
    }

    /// Leaves events out: they are passed over.
    pub(crate) fn sift(&mut self, passes: impl Fn(&Event) -> bool) {
        self.events.retain(|event| passes(event));
    }
}

impl NodeState {
    /// Behind which event the next page begins.
    pub(super) fn next_after(&self) -> Seq {
        self.read_seq
    }

    /// Begins anew behind a position: what lies there is read again, or never.
    pub(super) fn begin_behind(&mut self, seq: Seq) {
        self.page.clear();
        (self.handed_seq, self.sent_seq, self.read_seq) = (seq, seq, seq);
    }

    /// Takes the next event off the page.
    pub(super) fn pop(&mut self, mode: Mode) -> Option<Arc<Event>> {
        let event = self.page.pop_front()?;
        (self.handed_seq, self.sent_seq) = (event.seq, event.seq);
        self.pass_over(mode);
        Some(event)
    }

    /// What was read and is not to be handed out is passed over, once all in front of it was handed out. A stream's position
    /// passes it as soon as everything that its reader was sent is committed.
    pub(super) fn pass_over(&mut self, mode: Mode) {
        if self.page.is_empty() {
            self.handed_seq = self.read_seq;
        }
        if mode == Mode::Stream && self.page.is_empty() && self.settled_seq >= self.sent_seq {
            self.settled_seq = self.handed_seq;
        }
    }
}
