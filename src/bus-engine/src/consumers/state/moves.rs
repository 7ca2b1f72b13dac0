use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use bus_domain::consumer::lease::LeaseId;
use bus_domain::{Epoch, NodeId, Seq};
use bus_store::{CursorPlace, DeliveryRow};

use super::{Action, ConsumerState, Key, LeaseOutcome, Pending, SessionId, Standing};

/// What is to be written of a consumer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Moves {
    pub(crate) cursors: Vec<CursorPlace>,
    pub(crate) put: Vec<(Epoch, DeliveryRow)>,
    pub(crate) removed: Vec<Key>,
}

/// What somebody is told once it is written.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Stored {
    /// What has become of leases, in the order in which they were named.
    Leases(SessionId, Vec<(LeaseId, LeaseOutcome)>),
    /// Up to where the log of a node is committed.
    Committed(SessionId, NodeId, Epoch, Seq),
}

/// Who waits to be told of what.
#[derive(Debug, Default)]
pub(super) struct Reports {
    waiting: Told,
    under_way: Told,
    /// What is being written, or could not be written.
    moves: Option<Moves>,
}

#[derive(Debug, Default)]
struct Told {
    leases: BTreeMap<SessionId, Vec<(LeaseId, LeaseOutcome)>>,
    commits: BTreeSet<(SessionId, NodeId)>,
    /// What the commits have come to when they were taken to be written.
    committed: BTreeMap<NodeId, (Epoch, Seq)>,
}

impl Reports {
    pub(super) fn lease(&mut self, session: SessionId, lease: LeaseId, outcome: LeaseOutcome) {
        self.waiting.leases.entry(session).or_default().push((lease, outcome));
    }

    pub(super) fn committed(&mut self, session: SessionId, node: NodeId) {
        self.waiting.commits.insert((session, node));
    }
}

impl Told {
    fn is_empty(&self) -> bool {
        self.leases.is_empty() && self.commits.is_empty()
    }
}

/// Dead letters on their way: their events must have rows first, which the transaction of the letter removes.
#[derive(Debug, Default)]
pub(super) struct Letters {
    under_way: Vec<Key>,
    ready: VecDeque<Key>,
    being_written: BTreeSet<Key>,
}

impl Letters {
    pub(super) fn are_none(&self) -> bool {
        self.under_way.is_empty() && self.ready.is_empty() && self.being_written.is_empty()
    }
}

/// Dead letters of one consumer that are written at a time.
const LETTERS_MAX: usize = 16;

impl ConsumerState {
    /// Whether something is to be written.
    pub(crate) fn wants_flush(&self) -> bool {
        !self.reports.waiting.is_empty()
            || !self.dirty.is_empty()
            || self.nodes.values().any(|it| it.has_moved(self))
    }

    /// Whether a session is still to be told of something.
    pub(crate) fn owes(&self, session: SessionId) -> bool {
        [&self.reports.waiting, &self.reports.under_way].iter().any(|told| {
            told.leases.contains_key(&session) || told.commits.iter().any(|(other, _)| *other == session)
        })
    }

    /// Leases of which a session is still to be told.
    pub(crate) fn owed_leases(&self, session: SessionId) -> usize {
        let of = |told: &Told| told.leases.get(&session).map_or(0, Vec::len);
        of(&self.reports.waiting) + of(&self.reports.under_way)
    }

    /// Whether somebody waits for it.
    pub(crate) fn wants_flush_now(&self) -> bool {
        let is_letter = |key| {
            let pending: Option<&Pending> = self.pending.get(key);
            pending.is_some_and(|pending| matches!(pending.standing, Standing::DeadLettering { .. }))
        };
        !self.reports.waiting.is_empty() || self.config.attempts_max > 0 && self.dirty.iter().any(is_letter)
    }

    /// Takes what is to be written; `is_whole` if it is everything, and not only what somebody waits for. Until
    /// [`Self::stored`] it is always the same: who fails to write it tries again.
    pub(crate) fn take_moves(&mut self, is_whole: bool) -> Moves {
        if let Some(moves) = &self.reports.moves {
            return moves.clone();
        }
        let mut moves = Moves::default();
        let mut through: BTreeMap<NodeId, Seq> =
            self.nodes.iter().map(|(id, it)| (*id, it.settled_seq)).collect();
        if self.config.mode == bus_domain::consumer::Mode::Queue {
            for (id, node) in self.nodes.iter().filter(|_| is_whole) {
                through.insert(*id, node.handed_seq);
            }
            for key in &self.dirty {
                let must_have_row = self.pending.get(key).is_some_and(Pending::must_have_row);
                if let Some(seq) = through.get_mut(&key.0).filter(|_| must_have_row) {
                    *seq = key.1.max(*seq);
                }
            }
        }
        self.take_rows(&through, &mut moves);
        for (id, node) in &mut self.nodes {
            let seq = through[id];
            if seq > node.stored_seq {
                node.stored_seq = seq;
                moves.cursors.push(CursorPlace {
                    node: *id,
                    epoch: node.facts.epoch,
                    through_seq: seq,
                    items_through_seq: None,
                });
            }
        }
        self.reports.under_way = std::mem::take(&mut self.reports.waiting);
        let commits = self.reports.under_way.commits.iter().map(|(_, node)| *node);
        let places =
            commits.filter_map(|id| self.nodes.get(&id).map(|it| (id, (it.facts.epoch, it.settled_seq))));
        self.reports.under_way.committed = places.collect();
        self.reports.moves = Some(moves.clone());
        moves
    }

    fn take_rows(&mut self, through: &BTreeMap<NodeId, Seq>, moves: &mut Moves) {
        let dirty = std::mem::take(&mut self.dirty);
        for key in dirty {
            let is_behind = through.get(&key.0).is_none_or(|seq| key.1 > *seq);
            match self.pending.get(&key) {
                Some(_) if is_behind => {
                    self.dirty.insert(key);
                }
                Some(pending) => {
                    let Some(node) = self.nodes.get(&key.0) else { continue };
                    moves.put.push((node.facts.epoch, pending.row(key, self.config.attempts_max)));
                    self.rows.insert(key);
                    if matches!(pending.standing, Standing::DeadLettering { .. }) {
                        self.letters.under_way.push(key);
                    }
                }
                None if self.rows.remove(&key) => moves.removed.push(key),
                None => {}
            }
        }
    }

    /// What was taken is on disk.
    pub(crate) fn stored(&mut self) -> Vec<Stored> {
        self.reports.moves = None;
        let letters = std::mem::take(&mut self.letters.under_way);
        self.letters.ready.extend(letters);
        let told = std::mem::take(&mut self.reports.under_way);
        let leases = told.leases.into_iter().map(|(session, leases)| Stored::Leases(session, leases));
        let commits = told.commits.iter().filter_map(|(session, node)| {
            let (epoch, seq) = told.committed.get(node)?;
            Some(Stored::Committed(*session, *node, *epoch, *seq))
        });
        leases.chain(commits).collect()
    }

    pub(super) fn letters_to_write(&mut self) -> Vec<Action> {
        let mut actions = Vec::new();
        while self.letters.being_written.len() < LETTERS_MAX
            && let Some(key) = self.letters.ready.pop_front()
        {
            let (Some(pending), Some(node)) = (self.pending.get(&key), self.nodes.get(&key.0)) else {
                continue;
            };
            if let Standing::DeadLettering { reason } = pending.standing {
                self.letters.being_written.insert(key);
                let (facts, attempts) = (Arc::clone(&node.facts), pending.attempts);
                actions.push(Action::DeadLetter { facts, seq: key.1, attempts, reason });
            }
        }
        actions
    }

    /// A dead letter is no longer on its way.
    pub(crate) fn letter_ended(&mut self, node: NodeId, seq: Seq) {
        self.letters.being_written.remove(&(node, seq));
    }
}

impl super::NodeState {
    fn has_moved(&self, state: &ConsumerState) -> bool {
        let is_queue = state.config.mode == bus_domain::consumer::Mode::Queue;
        let wanted = if is_queue { self.handed_seq } else { self.settled_seq };
        wanted > self.stored_seq
    }
}

impl Pending {
    /// Whether what is known of it must not be lost: that it was handed out before, or is a dead letter.
    fn must_have_row(&self) -> bool {
        self.is_told || self.attempts > 1 || matches!(self.standing, Standing::DeadLettering { .. })
    }

    fn row(&self, (node, seq): Key, attempts_max: u32) -> DeliveryRow {
        let (is_leased, due_at_ms) = match self.standing {
            Standing::Leased { until_ms } => (true, until_ms),
            Standing::Waiting { until_ms } => (false, until_ms),
            Standing::Due { .. } | Standing::Held | Standing::DeadLettering { .. } => (false, 0),
        };
        // What was given up must not be handed out again after a crash.
        let attempts = if self.is_hopeless { self.attempts.max(attempts_max) } else { self.attempts };
        let Self { generation, order_key, .. } = *self;
        DeliveryRow { node, seq, attempts, is_leased, due_at_ms, generation, order_key }
    }
}
