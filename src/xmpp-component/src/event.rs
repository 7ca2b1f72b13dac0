use std::collections::VecDeque;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;

use bus_xml::{Element, RejectReason};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio_util::sync::CancellationToken;

use crate::{DownReason, LinkLimits};

/// What happened on the link, in order.
#[derive(Debug)]
pub enum LinkEvent {
    /// The server accepted a stream.
    Up {
        /// The number of the stream, to be given to [`crate::Link::try_notify`].
        generation: u64,
    },
    /// The stream ended. Notifications that no [`LinkEvent::HandedOver`] covered may or may not have arrived.
    Down {
        /// The number of the stream.
        generation: u64,
        /// Why it ended.
        reason: Arc<DownReason>,
    },
    /// An `<iq/>`, `<message/>` or `<presence/>` in [`crate::COMPONENT_NAMESPACE`].
    Stanza(Element),
    /// A stanza that broke a limit. An IQ request still has to be answered.
    Rejected {
        /// The stanza's root with its attributes and without children.
        head: Element,
        /// Which limit.
        reason: RejectReason,
    },
    /// The server has taken every notification up to this one.
    HandedOver {
        /// The number of the stream.
        generation: u64,
        /// The highest ticket among them.
        through_ticket: u64,
    },
}

/// The reading end of a link: bounded in events and in the bytes of their stanzas.
#[derive(Debug)]
pub struct LinkEvents {
    receiver: mpsc::Receiver<Admitted>,
}

impl LinkEvents {
    /// The next event; `None` when the link is shut down. Cancel-safe.
    pub async fn recv(&mut self) -> Option<LinkEvent> {
        self.receiver.recv().await.map(|admitted| admitted.event)
    }
}

/// An event with its share of the byte budget, given back when the event is received.
#[derive(Debug)]
struct Admitted {
    event: LinkEvent,
    _room: OwnedSemaphorePermit,
}

/// The writing end: events that happened wait here until the reader has room for them. While one waits the link
/// does not read, so no more than what one read brought can be waiting.
#[derive(Debug)]
pub(crate) struct EventQueue {
    waiting: VecDeque<(LinkEvent, u32)>,
    sender: mpsc::Sender<Admitted>,
    budget: Arc<Semaphore>,
    budget_bytes: u32,
    reader_gone: CancellationToken,
}

impl EventQueue {
    /// `reader_gone` is cancelled when the reading end was dropped.
    pub(crate) fn new(limits: &LinkLimits, reader_gone: CancellationToken) -> (Self, LinkEvents) {
        let (sender, receiver) = mpsc::channel(limits.inbound_stanzas_max.max(1));
        let budget_bytes = u32::try_from(limits.inbound_bytes_max.max(1)).unwrap_or(u32::MAX / 8);
        let budget = Arc::new(Semaphore::new(budget_bytes as usize));
        (
            Self { waiting: VecDeque::new(), sender, budget, budget_bytes, reader_gone },
            LinkEvents { receiver },
        )
    }

    /// The bytes that are still free for stanzas, as permits.
    pub(crate) fn budget(&self) -> Arc<Semaphore> {
        Arc::clone(&self.budget)
    }

    /// Adds a stanza that took `bytes` on the wire.
    pub(crate) fn push_stanza(&mut self, event: LinkEvent, bytes: usize) {
        let share = u32::try_from(bytes).unwrap_or(u32::MAX).min(self.budget_bytes);
        self.waiting.push_back((event, share));
    }

    /// Adds the start of a stream.
    pub(crate) fn push_up(&mut self, generation: u64) {
        self.waiting.push_back((LinkEvent::Up { generation }, 0));
    }

    /// Adds the end of a stream. A start that the reader has not seen vanishes together with its end, so that a
    /// flapping server cannot fill the queue of a reader that is not reading.
    pub(crate) fn push_down(&mut self, generation: u64, reason: Arc<DownReason>) {
        match self.waiting.back() {
            Some((LinkEvent::Up { .. }, _)) => drop(self.waiting.pop_back()),
            _ => self.waiting.push_back((LinkEvent::Down { generation, reason }, 0)),
        }
    }

    /// Adds a proof; merges it with one that waits just before.
    pub(crate) fn push_handed_over(&mut self, generation: u64, through_ticket: u64) {
        if let Some((LinkEvent::HandedOver { generation: last, through_ticket: through }, _)) =
            self.waiting.back_mut()
            && *last == generation
        {
            *through = through_ticket;
            return;
        }
        self.waiting.push_back((LinkEvent::HandedOver { generation, through_ticket }, 0));
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Hands over what the reader has room for, without waiting.
    pub(crate) fn deliver_ready(&mut self) {
        if self.sender.is_closed() {
            self.reader_gone.cancel();
            self.waiting.clear();
        }
        while let Some((_, share)) = self.waiting.front() {
            let Ok(room) = Arc::clone(&self.budget).try_acquire_many_owned(*share) else { return };
            let Ok(slot) = self.sender.try_reserve() else { return };
            if let Some((event, _)) = self.waiting.pop_front() {
                slot.send(Admitted { event, _room: room });
            }
        }
    }

    /// Resolves when [`Self::deliver_ready`] can do something; never while nothing waits. Cancel-safe.
    pub(crate) async fn room(&self) {
        let Some((_, share)) = self.waiting.front() else { return std::future::pending().await };
        // A closed channel resolves too; the next delivery then finds out.
        let _slot = self.sender.reserve().await;
        tokio::select! {
            _room = self.budget.acquire_many(*share) => {}
            () = self.sender.closed() => {}
        }
    }

    /// Drives `work` to its end while the reader gets its events.
    pub(crate) async fn deliver_during<T>(&mut self, work: impl Future<Output = T>) -> T {
        let mut work = pin!(work);
        loop {
            self.deliver_ready();
            tokio::select! {
                output = &mut work => return output,
                () = self.room() => {}
            }
        }
    }

    /// Waits until the reader has taken every event.
    pub(crate) async fn flush(&mut self) {
        loop {
            self.deliver_ready();
            if self.is_empty() {
                return;
            }
            self.room().await;
        }
    }
}

#[cfg(test)]
mod tests;
