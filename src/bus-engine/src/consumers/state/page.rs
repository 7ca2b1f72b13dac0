use std::sync::Arc;

use bus_domain::consumer::{Mode, OrderKey};
use bus_domain::{Event, Seq};

use super::NodeState;

/// What was read of a log behind a position.
#[derive(Debug)]
pub(crate) struct Page {
    /// What is to be handed out of it.
    pub(super) events: Vec<PageEvent>,
    /// The newest event that was read; `None` if there was none.
    pub(super) through_seq: Option<Seq>,
    /// The newest event that is gone.
    pub(super) gone_through_seq: Seq,
}

/// An event that is to be handed out.
#[derive(Debug)]
pub(super) struct PageEvent {
    pub(super) event: Arc<Event>,
    /// In which order it stands.
    pub(super) order_key: Option<OrderKey>,
}

impl Page {
    /// What was read, in its order; without anything, up to where the log is gone.
    pub(crate) fn new(events: Vec<Arc<Event>>, gone_through_seq: Seq) -> Self {
        Self {
            through_seq: events.last().map(|last| last.seq),
            gone_through_seq: events.first().map_or(gone_through_seq, |first| first.seq - 1),
            events: events.into_iter().map(|event| PageEvent { event, order_key: None }).collect(),
        }
    }

    /// Leaves events out: they are passed over.
    pub(crate) fn sift(&mut self, passes: impl Fn(&Event) -> bool) {
        self.events.retain(|it| passes(&it.event));
    }

    /// Says in which order each event stands.
    pub(crate) fn order(&mut self, order_key: impl Fn(&Event) -> Option<OrderKey>) {
        for it in &mut self.events {
            it.order_key = order_key(&it.event);
        }
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
    pub(super) fn pop(&mut self, mode: Mode) -> Option<PageEvent> {
        let next = self.page.pop_front()?;
        (self.handed_seq, self.sent_seq) = (next.event.seq, next.event.seq);
        self.pass_over(mode);
        Some(next)
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
