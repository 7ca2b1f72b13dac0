//! One consumer as a state machine without I/O: inputs are calls, and [`ConsumerState::act`] says what is to be done.
//!
//! Up to the position that was handed out (`handed_seq`) each event is settled, or stands in `pending`. On disk the same
//! holds up to the cursor: whoever takes what has moved ([`ConsumerState::take_moves`]) gets a cursor, and the rows of
//! what is pending up to there. What was acknowledged before it came to be handed out long ago costs no row at all.

mod due;
mod lines;
mod moves;
mod page;
mod places;
mod queue;
mod rows;
mod sessions;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, HashSet, VecDeque};
use std::sync::Arc;

use bus_domain::consumer::lease::LeaseId;
use bus_domain::consumer::{ConsumerConfig, Mode, OrderKey};
use bus_domain::{Event, NodeFacts, NodeId, Seq};

use due::{Due, Turn};
use lines::Lines;
pub(crate) use moves::Stored;
pub(crate) use page::Page;
use page::PageEvent;
pub use queue::LeaseOutcome;
pub use sessions::Credit;
use sessions::Session;
pub(crate) use sessions::SessionId;

/// Events that one call of [`ConsumerState::act`] hands out.
const HANDED_OUT_MAX: usize = 500;

/// Nodes whose pages are in memory at a time. Each page is bounded in bytes where it is read (`log_page_bytes_max`).
const PAGES_MAX: usize = 16;

/// An event of a consumer.
pub(crate) type Key = (NodeId, Seq);

/// What is to be done.
#[derive(Debug)]
pub(crate) enum Action {
    /// Read the log behind a position, and tell [`ConsumerState::take_page`].
    Read {
        /// Of this node.
        facts: Arc<NodeFacts>,
        /// Behind this event.
        after_seq: Seq,
        /// Items instead, up to here: tell [`ConsumerState::take_items`].
        items_through_seq: Option<Seq>,
    },
    /// Read one event that is to be handed out again, and tell [`ConsumerState::take_event`].
    ReadOne {
        /// Of this node.
        facts: Arc<NodeFacts>,
        /// This one.
        seq: Seq,
    },
    /// Hand events out.
    Deliver {
        /// To this session.
        session: SessionId,
        /// In this order.
        events: Vec<Delivered>,
    },
    /// Tell all sessions that events are gone.
    Gap {
        /// Of this node.
        facts: Arc<NodeFacts>,
        /// The oldest position that there still is.
        first_seq: Seq,
    },
    /// Write a dead letter, and tell [`ConsumerState::dead_lettered`] or [`ConsumerState::dead_letter_failed`].
    DeadLetter {
        /// The node of the event.
        facts: Arc<NodeFacts>,
        /// The event.
        seq: Seq,
        /// How often it was handed out.
        attempts: u32,
        /// How the last attempt has failed.
        reason: &'static str,
    },
}

/// An event that is handed out.
#[derive(Debug, Clone)]
pub struct Delivered {
    /// The node, as it was when the event was read.
    pub facts: Arc<NodeFacts>,
    /// The event.
    pub event: Arc<Event>,
    /// The lease; `None` in mode STREAM.
    pub lease: Option<LeaseId>,
}

/// One consumer.
#[derive(Debug)]
pub(crate) struct ConsumerState {
    config: ConsumerConfig,
    unsettled_max: usize,
    is_paused: bool,
    nodes: BTreeMap<NodeId, NodeState>,
    /// Events up to `handed_seq` that are not settled.
    pending: BTreeMap<Key, Pending>,
    /// When leases and waits end.
    timeline: BTreeSet<(i64, NodeId, Seq)>,
    /// Events whose wait is over.
    due: Due,
    /// What is in memory of them.
    kept_bytes: usize,
    /// Events that are handed out one after the other.
    lines: Lines,
    /// Under which leases are given.
    generation: u64,
    leased: usize,
    sessions: BTreeMap<SessionId, Session>,
    /// Who was served last.
    last_served: SessionId,
    /// The node of which something was handed out last.
    last_node: NodeId,
    /// The node that was read last.
    last_read: NodeId,
    /// Events that have rows on disk, or will have with the moves that are under way.
    rows: HashSet<Key>,
    /// Events whose rows are not as they should be.
    dirty: BTreeSet<Key>,
    reports: moves::Reports,
    letters: moves::Letters,
}

/// A node of a consumer.
#[derive(Debug)]
struct NodeState {
    facts: Arc<NodeFacts>,
    /// Everything up to here was handed out or passed over.
    handed_seq: Seq,
    /// The newest event that was handed out, or the end of a gap that was told.
    sent_seq: Seq,
    /// Everything up to here was read: it is handed out, passed over, or on the page.
    read_seq: Seq,
    /// The newest event that was settled.
    settled_seq: Seq,
    /// The cursor on disk, or as it will be with the moves that are under way.
    stored_seq: Seq,
    /// Up to here only the newest events of items are handed out.
    items_through_seq: Seq,
    /// What was read and is to be handed out.
    page: VecDeque<PageEvent>,
    is_being_read: bool,
    /// Whether those who read may do so, when they were looked at last.
    is_readable: bool,
    /// Whether there may be more behind what was read.
    may_have_more: bool,
}

#[derive(Debug)]
struct Pending {
    /// How often it was handed out.
    attempts: u32,
    standing: Standing,
    /// Whether a worker has said that no attempt will succeed.
    is_hopeless: bool,
    /// Whether somebody is told that it is on disk as it is.
    is_told: bool,
    /// Under which its last lease was given.
    generation: u64,
    /// In which order it stands.
    order_key: Option<OrderKey>,
}

#[derive(Debug)]
enum Standing {
    /// Somebody has it.
    Leased { until_ms: i64 },
    /// It rests.
    Waiting { until_ms: i64 },
    /// It may be handed out: in `due`, and here once it was read.
    Due { turn: Turn, event: Option<Arc<Event>>, is_being_read: bool },
    /// It waits until the one of its key whose turn it is is settled, however often that one is tried.
    Held,
    /// A dead letter is on its way.
    DeadLettering { reason: &'static str },
}

impl ConsumerState {
    /// One that nobody reads. `generation` is higher than any under which leases of it were given before.
    pub(crate) fn new(config: ConsumerConfig, unsettled_max: u32, generation: u64, is_paused: bool) -> Self {
        Self {
            config,
            unsettled_max: unsettled_max as usize,
            is_paused,
            nodes: BTreeMap::new(),
            pending: BTreeMap::new(),
            timeline: BTreeSet::new(),
            due: Due::default(),
            kept_bytes: 0,
            lines: Lines::default(),
            generation,
            leased: 0,
            sessions: BTreeMap::new(),
            last_served: SessionId(0),
            last_node: NodeId(0),
            last_read: NodeId(0),
            rows: HashSet::new(),
            dirty: BTreeSet::new(),
            reports: moves::Reports::default(),
            letters: moves::Letters::default(),
        }
    }

    pub(crate) fn set_paused(&mut self, is_paused: bool) {
        self.is_paused = is_paused;
    }

    pub(crate) fn has_node(&self, node: NodeId) -> bool {
        self.nodes.contains_key(&node)
    }

    /// Takes note that anything may have been committed.
    pub(crate) fn all_logs_may_have_moved(&mut self) {
        for node in self.nodes.values_mut() {
            node.may_have_more = true;
        }
    }

    /// Takes a node with its cursor.
    pub(crate) fn add_node(
        &mut self,
        facts: Arc<NodeFacts>,
        through_seq: Seq,
        items_through_seq: Option<Seq>,
    ) {
        self.nodes.entry(facts.id).or_insert(NodeState {
            facts,
            handed_seq: through_seq,
            sent_seq: through_seq,
            read_seq: through_seq,
            settled_seq: through_seq,
            stored_seq: through_seq,
            items_through_seq: items_through_seq.unwrap_or_default(),
            page: VecDeque::new(),
            is_being_read: false,
            is_readable: false,
            may_have_more: true,
        });
    }

    /// Takes note that the log of a node goes on, or may do so.
    pub(crate) fn log_has_moved(&mut self, node: NodeId) {
        if let Some(node) = self.nodes.get_mut(&node) {
            node.may_have_more = true;
        }
    }

    /// Takes the next page behind what was read.
    pub(crate) fn take_page(&mut self, node: NodeId, after_seq: Seq, page: Page) -> Option<Action> {
        let node = self.nodes.get_mut(&node)?;
        node.is_being_read = false;
        if node.next_after() != after_seq {
            // A reader has begun anew meanwhile.
            node.may_have_more = true;
            return None;
        }
        let Page { events, through_seq, gone_through_seq } = page;
        node.may_have_more |= through_seq.is_some();
        let is_gap = gone_through_seq > after_seq;
        if is_gap {
            node.begin_behind(gone_through_seq);
            // The reader of a stream is told again until it has committed something behind the gap.
            if self.config.mode == Mode::Queue {
                node.settled_seq = node.settled_seq.max(gone_through_seq);
            }
        }
        node.page.extend(events);
        node.read_seq = through_seq.unwrap_or(node.read_seq);
        node.pass_over(self.config.mode);
        is_gap.then(|| Action::Gap { facts: Arc::clone(&node.facts), first_seq: gone_through_seq + 1 })
    }

    /// Takes the next items behind what was read; without any, what comes next is the log.
    pub(crate) fn take_items(&mut self, node: NodeId, after_seq: Seq, items: Page) {
        let Some(node) = self.nodes.get_mut(&node) else { return };
        node.is_being_read = false;
        node.may_have_more = true;
        if node.next_after() != after_seq {
            return;
        }
        if let Some(through_seq) = items.through_seq {
            node.read_seq = through_seq;
        } else {
            let sent_seq = node.sent_seq;
            node.begin_behind(node.items_through_seq);
            match self.config.mode {
                Mode::Queue => node.settled_seq = node.settled_seq.max(node.handed_seq),
                // Passed over once its reader has committed what it was sent.
                Mode::Stream => node.sent_seq = sent_seq,
            }
        }
        node.page.extend(items.events);
        node.pass_over(self.config.mode);
    }

    /// A page cannot be read now: it is asked for again when something moves.
    pub(crate) fn page_failed(&mut self, node: NodeId, may_have_more: bool) {
        if let Some(node) = self.nodes.get_mut(&node) {
            node.is_being_read = false;
            node.may_have_more |= may_have_more;
        }
    }

    /// Lets go of a node that is no more.
    pub(crate) fn remove_node(&mut self, node: NodeId) {
        self.nodes.remove(&node);
        let keys: Vec<Key> = self.pending.range((node, 0)..=(node, Seq::MAX)).map(|(key, _)| *key).collect();
        for key in keys {
            self.forget_pending(key);
        }
        self.lines.remove_node(node);
        self.rows.retain(|key| key.0 != node);
        self.dirty.retain(|key| key.0 != node);
    }

    /// When something happens by itself, in milliseconds since 1970.
    pub(crate) fn next_due_ms(&self) -> Option<i64> {
        self.timeline.first().map(|(at_ms, ..)| *at_ms)
    }

    /// Whether nothing happens until somebody comes.
    pub(crate) fn is_idle(&self) -> bool {
        self.sessions.is_empty() && self.leased == 0 && !self.wants_flush() && self.letters.are_none()
    }

    /// What is to be done now, at `now_ms` (milliseconds since 1970); nothing when it must wait for an input.
    pub(crate) fn act(&mut self, now_ms: i64) -> Vec<Action> {
        self.end_what_is_over(now_ms);
        let mut actions: Vec<Action> = self.letters_to_write();
        if self.is_paused || !self.somebody_waits() {
            return actions;
        }
        let mut handed: BTreeMap<SessionId, Vec<Delivered>> = BTreeMap::new();
        match self.config.mode {
            Mode::Queue => {
                self.hand_out_again(now_ms, &mut handed, &mut actions);
                self.hand_out_new(now_ms, &mut handed);
            }
            Mode::Stream => self.stream(&mut handed),
        }
        actions.extend(handed.into_iter().map(|(session, events)| Action::Deliver { session, events }));
        if self.somebody_waits() && self.has_room() {
            self.read_on(&mut actions);
        }
        actions
    }

    fn read_on(&mut self, actions: &mut Vec<Action>) {
        let wants = |node: &NodeState| node.page.is_empty() && node.may_have_more && !node.is_being_read;
        let busy = self.nodes.values().filter(|node| node.is_being_read || !node.page.is_empty()).count();
        let in_turn = |id: &NodeId| *id > self.last_read;
        let (behind, before): (Vec<_>, Vec<_>) =
            self.nodes.iter().filter(|(_, node)| wants(node)).map(|(id, _)| *id).partition(in_turn);
        for id in [behind, before].concat().into_iter().take(PAGES_MAX.saturating_sub(busy)) {
            self.last_read = id;
            let Some(node) = self.nodes.get_mut(&id) else { continue };
            node.is_being_read = true;
            node.may_have_more = false;
            let items_through_seq =
                Some(node.items_through_seq).filter(|through_seq| node.handed_seq < *through_seq);
            let (facts, after_seq) = (Arc::clone(&node.facts), node.handed_seq);
            actions.push(Action::Read { facts, after_seq, items_through_seq });
        }
    }

    /// The nodes in turns, so that a busy one does not starve the others.
    fn nodes_in_turn(&self) -> Vec<NodeId> {
        let with_events = self.nodes.iter().filter(|(_, node)| !node.page.is_empty()).map(|(id, _)| *id);
        let (before, behind): (Vec<_>, Vec<_>) = with_events.partition(|id| *id <= self.last_node);
        [behind, before].concat()
    }

    fn stream(&mut self, handed: &mut BTreeMap<SessionId, Vec<Delivered>>) {
        let mut left = HANDED_OUT_MAX;
        for id in self.nodes_in_turn() {
            let Some(node) = self.nodes.get_mut(&id) else { continue };
            while left > 0
                && let Some(session) = sessions::next_with_credit(&self.sessions, self.last_served)
                && let Some(PageEvent { event, .. }) = node.pop(self.config.mode)
            {
                left -= 1;
                self.last_node = id;
                let delivered = Delivered { facts: Arc::clone(&node.facts), event, lease: None };
                sessions::charge(&mut self.sessions, session, &delivered.event);
                handed.entry(session).or_default().push(delivered);
            }
        }
    }

    /// Takes a pending event off every list.
    fn forget_pending(&mut self, key: Key) -> Option<Pending> {
        let pending = self.pending.remove(&key)?;
        match &pending.standing {
            Standing::Leased { until_ms } => {
                self.leased -= 1;
                self.timeline.remove(&(*until_ms, key.0, key.1));
            }
            Standing::Waiting { until_ms } => {
                self.timeline.remove(&(*until_ms, key.0, key.1));
            }
            Standing::Due { turn, event, .. } => {
                self.due.remove(*turn);
                self.unkeep(event.as_ref());
            }
            Standing::Held | Standing::DeadLettering { .. } => {}
        }
        Some(pending)
    }
}
