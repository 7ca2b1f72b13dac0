use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bus_domain::consumer::{Consumer, OrderKey};
use bus_domain::{Actor, BusError, Event, NodeId, NodeName};
use tokio::sync::Notify;

use super::frames::{ConsumerFrame, LeaseReport, Outbox};
use super::ordering::order_key;
use super::sieve::Sieve;
use super::state::{Action, ConsumerState, Delivered, SessionId, Stored};

/// A consumer that this instance serves.
#[derive(Debug)]
pub(super) struct Running {
    pub(super) consumer: Consumer,
    /// The claim under which that is done.
    pub(super) fence: u64,
    /// What of the logs it hands out; `None` for everything.
    pub(super) sieve: Option<Arc<Sieve>>,
    inner: Mutex<Inner>,
    /// Something is to be done.
    pub(super) wake: Notify,
    /// What the committer has left word of. Apart from the rest, so that it never waits.
    heard: Mutex<Heard>,
}

#[derive(Debug)]
pub(super) struct Inner {
    pub(super) state: ConsumerState,
    pub(super) readers: BTreeMap<SessionId, Reader>,
    /// Why it is not served here any more.
    pub(super) ended: Option<BusError>,
    last_session: u64,
}

/// Somebody who reads.
#[derive(Debug)]
pub(super) struct Reader {
    pub(super) actor: Actor,
    pub(super) outbox: Outbox,
}

/// What has happened to nodes.
#[derive(Debug, Default)]
pub(super) struct Heard {
    /// Their logs go on.
    pub(super) moved: BTreeSet<NodeId>,
    /// They may be new to the consumer.
    pub(super) found: BTreeSet<NodeName>,
    /// There are new nodes, which may be new to the consumer.
    pub(super) discover: bool,
    /// Anything may have happened.
    pub(super) look_again: bool,
}

impl Running {
    pub(super) fn new(
        consumer: Consumer,
        fence: u64,
        sieve: Option<Arc<Sieve>>,
        state: ConsumerState,
    ) -> Self {
        let inner = Inner { state, readers: BTreeMap::new(), ended: None, last_session: 0 };
        let (inner, heard) = (Mutex::new(inner), Mutex::default());
        Self { consumer, fence, sieve, inner, wake: Notify::new(), heard }
    }

    /// Every call leaves it consistent, so a panic elsewhere cannot have left it half changed.
    pub(super) fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The order in which an event stands, if the consumer keeps one.
    pub(super) fn order_key(&self, event: &Event) -> Option<OrderKey> {
        if self.consumer.config.key_ordered { order_key(event) } else { None }
    }

    /// Leaves word. Never waits.
    pub(super) fn hear(&self, word: impl FnOnce(&mut Heard)) {
        word(&mut self.heard.lock().unwrap_or_else(PoisonError::into_inner));
        self.wake.notify_one();
    }

    pub(super) fn take_heard(&self) -> Heard {
        std::mem::take(&mut self.heard.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Nobody is served here any more.
    pub(super) fn end(&self, why: &BusError) {
        let mut inner = self.lock();
        inner.ended.get_or_insert_with(|| why.clone());
        for reader in inner.readers.values_mut() {
            reader.outbox.end(why.clone());
        }
        drop(inner);
        self.wake.notify_one();
    }
}

impl Inner {
    /// Lets somebody read, and those whose place it takes go.
    pub(super) fn attach(&mut self, actor: Actor, worker: &str) -> Result<SessionId, BusError> {
        if let Some(why) = &self.ended {
            return Err(why.clone());
        }
        self.last_session += 1;
        let session = SessionId(self.last_session);
        let replaced = self.state.attach(session, worker)?;
        self.readers.insert(session, Reader { actor, outbox: Outbox::new() });
        for other in replaced {
            self.end_session(other, BusError::Consumer(bus_domain::consumer::ConsumerError::TakenOver));
        }
        Ok(session)
    }

    /// Ends a session from this side. Its reader learns why when it comes to its end.
    pub(super) fn end_session(&mut self, session: SessionId, why: BusError) {
        if let Some(reader) = self.readers.get_mut(&session) {
            let unsent = reader.outbox.unsent();
            reader.outbox.end(why);
            self.state.detach(session, &unsent);
        }
    }

    /// Lets somebody go.
    pub(super) fn detach(&mut self, session: SessionId) {
        if let Some(mut reader) = self.readers.remove(&session) {
            let unsent = reader.outbox.unsent();
            self.state.detach(session, &unsent);
        }
    }

    /// Hands out what can be; says what is to be done besides.
    pub(super) fn act(&mut self, now_ms: i64) -> Vec<Action> {
        let mut left = Vec::new();
        for action in self.state.act(now_ms) {
            match action {
                Action::Deliver { session, events } => {
                    for frame in in_frames(events) {
                        self.put(session, ConsumerFrame::Events(frame));
                    }
                }
                Action::Gap { facts, first_seq } => self.tell_gap(&facts, first_seq),
                other => left.push(other),
            }
        }
        left
    }

    pub(super) fn tell_gap(&mut self, facts: &Arc<bus_domain::NodeFacts>, first_seq: u64) {
        for reader in self.readers.values_mut() {
            reader.outbox.put(ConsumerFrame::Gap { facts: Arc::clone(facts), first_seq });
        }
    }

    /// Tells what is on disk now.
    pub(super) fn stored(&mut self, name_of: impl Fn(NodeId) -> Option<NodeName>) {
        for stored in self.state.stored() {
            match stored {
                Stored::Leases(session, leases) => {
                    for some in leases.chunks(REPORTS_MAX) {
                        let reports = some.iter().map(|&(lease, outcome)| LeaseReport { lease, outcome });
                        self.put(session, ConsumerFrame::Leases(reports.collect()));
                    }
                }
                Stored::Committed(session, node, epoch, through_seq) => {
                    if let Some(node) = name_of(node) {
                        self.put(session, ConsumerFrame::Committed { node, epoch, through_seq });
                    }
                }
            }
        }
    }

    fn put(&mut self, session: SessionId, frame: ConsumerFrame) {
        if let Some(reader) = self.readers.get_mut(&session) {
            reader.outbox.put(frame);
        }
    }
}

/// Leases in one frame.
const REPORTS_MAX: usize = 10_000;
/// Bytes at which a frame is full: far below what clients take as one message.
const FRAME_BYTES: usize = 256 * 1024;

fn in_frames(events: Vec<Delivered>) -> Vec<Vec<Delivered>> {
    let mut frames: Vec<Vec<Delivered>> = Vec::new();
    let mut bytes = FRAME_BYTES;
    for event in events {
        if bytes >= FRAME_BYTES {
            frames.push(Vec::new());
            bytes = 0;
        }
        bytes += event.event.weight_bytes();
        if let Some(frame) = frames.last_mut() {
            frame.push(event);
        }
    }
    frames
}
