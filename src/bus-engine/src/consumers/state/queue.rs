use std::collections::BTreeMap;
use std::sync::Arc;

use bus_domain::consumer::OrderKey;
use bus_domain::consumer::lease::LeaseId;
use bus_domain::consumer::retry::{self, Failure, Next};
use bus_domain::{Event, NodeFacts, NodeId, Seq};

use super::{
    Action, ConsumerState, Delivered, HANDED_OUT_MAX, Key, PageEvent, Pending, SessionId, Standing, sessions,
};

/// Dead letters whose node does not take them are tried again so late, in milliseconds.
const DEAD_LETTER_PAUSE_MS: i64 = 30_000;

/// Events that nobody may read are looked at again so late, in milliseconds.
const DENIED_PAUSE_MS: i64 = 30_000;
/// Events that are read one by one at a time.
const READ_ONE_BY_ONE_MAX: usize = 64;

/// What has become of a lease that somebody has named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LeaseOutcome {
    /// What was wanted is done, and on disk.
    Accepted,
    /// The event has been handed out again since, is about to be, or is a dead letter; or the lease is of before a seek, a
    /// crash or a redrive.
    Expired,
    /// Nothing is leased under this name: it is settled already, or has never been.
    Unknown,
}

impl ConsumerState {
    /// Settles an event. An answer that comes late counts as long as nobody else has the event.
    pub(crate) fn acknowledge(&mut self, session: SessionId, lease: LeaseId) {
        let outcome = self.standing_of(lease, true);
        if outcome == LeaseOutcome::Accepted {
            self.settle((lease.node, lease.seq));
        }
        self.reports.lease(session, lease, outcome);
    }

    /// Takes an event back from whoever has it.
    pub(crate) fn refuse(&mut self, session: SessionId, lease: LeaseId, failure: Failure, now_ms: i64) {
        let outcome = self.standing_of(lease, failure == Failure::Terminated);
        if outcome == LeaseOutcome::Accepted {
            self.fail((lease.node, lease.seq), failure, now_ms);
        }
        self.reports.lease(session, lease, outcome);
    }

    /// Lets somebody keep an event for so long from now on.
    pub(crate) fn extend(&mut self, session: SessionId, lease: LeaseId, lease_ms: u64, now_ms: i64) {
        let outcome = self.standing_of(lease, false);
        let key = (lease.node, lease.seq);
        if outcome == LeaseOutcome::Accepted
            && let Some(pending) = self.pending.get_mut(&key)
            && let Standing::Leased { until_ms } = &mut pending.standing
        {
            self.timeline.remove(&(*until_ms, key.0, key.1));
            *until_ms = later(now_ms, lease_ms);
            pending.is_told = true;
            self.timeline.insert((*until_ms, key.0, key.1));
            self.dirty.insert(key);
        }
        self.reports.lease(session, lease, outcome);
    }

    fn standing_of(&self, lease: LeaseId, may_be_late: bool) -> LeaseOutcome {
        let is_this_life = self.nodes.get(&lease.node).is_some_and(|node| node.facts.epoch == lease.epoch);
        let Some(pending) = self.pending.get(&(lease.node, lease.seq)).filter(|_| is_this_life) else {
            return LeaseOutcome::Unknown;
        };
        let is_last = pending.attempts == lease.attempt && pending.generation == lease.generation;
        match pending.standing {
            _ if !is_last || lease.attempt == 0 => LeaseOutcome::Expired,
            Standing::Leased { .. } => LeaseOutcome::Accepted,
            Standing::Waiting { .. } | Standing::Due { .. } if may_be_late => LeaseOutcome::Accepted,
            _ => LeaseOutcome::Expired,
        }
    }

    pub(super) fn settle(&mut self, key: Key) {
        let pending = self.forget_pending(key);
        self.dirty.insert(key);
        if let Some(node) = self.nodes.get_mut(&key.0) {
            node.settled_seq = node.settled_seq.max(key.1);
        }
        self.let_next_go(key, pending.and_then(|pending| pending.order_key));
    }

    /// Lets the next event of a key be handed out once this one is settled.
    fn let_next_go(&mut self, (node, seq): Key, order_key: Option<OrderKey>) {
        let Some(next) = order_key.and_then(|order_key| self.lines.leave(node, order_key, seq)) else {
            return;
        };
        let standing = self.due((node, next));
        if let Some(pending) = self.pending.get_mut(&(node, next)) {
            pending.standing = standing;
        }
    }

    fn fail(&mut self, key: Key, failure: Failure, now_ms: i64) {
        let Some(mut pending) = self.forget_pending(key) else { return };
        pending.is_hopeless |= failure == Failure::Terminated;
        // Whoever has refused it is told that this is on disk.
        pending.is_told |= failure != Failure::TimedOut;
        match retry::after(&self.config, pending.attempts, failure) {
            Next::Retry { delay_ms } => {
                let until_ms = later(now_ms, delay_ms);
                pending.standing = Standing::Waiting { until_ms };
                self.timeline.insert((until_ms, key.0, key.1));
            }
            Next::DeadLetter => pending.standing = Standing::DeadLettering { reason: reason(failure) },
            Next::GiveUp => {
                // It is off its lists already.
                pending.standing = Standing::Held;
                self.pending.insert(key, pending);
                return self.settle(key);
            }
        }
        self.pending.insert(key, pending);
        self.dirty.insert(key);
    }

    /// Ends leases and waits.
    pub(super) fn end_what_is_over(&mut self, now_ms: i64) {
        while let Some(&(at_ms, node, seq)) = self.timeline.first()
            && at_ms <= now_ms
        {
            let key = (node, seq);
            match self.pending.get(&key).map(|pending| &pending.standing) {
                Some(Standing::Leased { .. }) => self.fail(key, Failure::TimedOut, now_ms),
                Some(Standing::Waiting { .. }) => self.end_wait(key),
                _ => {
                    self.timeline.pop_first();
                }
            }
        }
    }

    fn end_wait(&mut self, key: Key) {
        let Some(mut pending) = self.forget_pending(key) else { return };
        let attempts_max = self.config.attempts_max;
        let had_its_last = attempts_max > 0 && pending.attempts >= attempts_max;
        if self.config.dead_letter_node.is_some() && (had_its_last || pending.is_hopeless) {
            pending.standing = Standing::DeadLettering { reason: "its last attempt has failed" };
            self.dirty.insert(key);
        } else {
            pending.standing = self.due(key);
        }
        self.pending.insert(key, pending);
    }

    /// The dead letter is on disk, and with it the event is settled: its row is gone.
    pub(crate) fn dead_lettered(&mut self, node: NodeId, seq: Seq) {
        if !self.is_dead_lettering((node, seq)) {
            return;
        }
        let pending = self.forget_pending((node, seq));
        self.rows.remove(&(node, seq));
        self.dirty.remove(&(node, seq));
        self.let_next_go((node, seq), pending.and_then(|pending| pending.order_key));
    }

    /// The dead letter could not be written.
    pub(crate) fn dead_letter_failed(&mut self, node: NodeId, seq: Seq, now_ms: i64) {
        if self.is_dead_lettering((node, seq))
            && let Some(mut pending) = self.forget_pending((node, seq))
        {
            let until_ms = now_ms.saturating_add(DEAD_LETTER_PAUSE_MS);
            pending.standing = Standing::Waiting { until_ms };
            self.timeline.insert((until_ms, node, seq));
            self.pending.insert((node, seq), pending);
        }
    }

    /// Whether word of a dead letter is of now: it may have been redriven since it was written.
    fn is_dead_lettering(&self, key: Key) -> bool {
        let pending = self.pending.get(&key);
        pending.is_some_and(|pending| matches!(pending.standing, Standing::DeadLettering { .. }))
    }

    /// Nobody may read an event at the moment: it rests, and no attempt is counted.
    pub(crate) fn event_denied(&mut self, node: NodeId, seq: Seq, now_ms: i64) {
        if let Some(mut pending) = self.forget_pending((node, seq)) {
            let until_ms = now_ms.saturating_add(DENIED_PAUSE_MS);
            pending.standing = Standing::Waiting { until_ms };
            self.timeline.insert((until_ms, node, seq));
            self.pending.insert((node, seq), pending);
        }
    }

    /// Whether one more event may be handed out for the first time.
    pub(super) fn has_room(&self) -> bool {
        self.pending.len() < self.unsettled_max && self.leased < self.config.in_flight_max as usize
    }

    pub(super) fn hand_out_again(
        &mut self,
        now_ms: i64,
        handed: &mut BTreeMap<SessionId, Vec<Delivered>>,
        actions: &mut Vec<Action>,
    ) {
        for key in self.due.front(READ_ONE_BY_ONE_MAX) {
            if self.leased >= self.config.in_flight_max as usize {
                return;
            }
            let Some(session) = sessions::next_with_credit(&self.sessions, self.last_served) else { return };
            let has_room = self.has_room_for_more();
            let facts = self.nodes.get(&key.0).map(|node| Arc::clone(&node.facts));
            let (Some(pending), Some(facts)) = (self.pending.get_mut(&key), facts) else { continue };
            let Standing::Due { event, is_being_read, .. } = &mut pending.standing else { continue };
            if let Some(event) = event.take() {
                let (attempt, order_key) = (pending.attempts + 1, pending.order_key);
                self.unkeep(Some(&event));
                self.lease(key, attempt, order_key, now_ms);
                self.hand(session, &facts, event, attempt, handed);
            } else if has_room && !std::mem::replace(is_being_read, true) {
                actions.push(Action::ReadOne { facts, seq: key.1 });
            }
        }
    }

    pub(super) fn hand_out_new(&mut self, now_ms: i64, handed: &mut BTreeMap<SessionId, Vec<Delivered>>) {
        let mut left = HANDED_OUT_MAX;
        for id in self.nodes_in_turn() {
            while left > 0
                && self.has_room()
                && let Some(session) = sessions::next_with_credit(&self.sessions, self.last_served)
                && let Some((facts, PageEvent { event, order_key })) = self.next_of(id)
            {
                let key = (id, event.seq);
                if !event.kind.is_about_items() {
                    // Nobody's work: it is settled by being passed.
                    continue;
                }
                if order_key.is_some_and(|order_key| !self.lines.enter(id, order_key, event.seq)) {
                    self.hold(key, order_key);
                    continue;
                }
                left -= 1;
                self.lease(key, 1, order_key, now_ms);
                self.hand(session, &facts, event, 1, handed);
            }
        }
    }

    fn next_of(&mut self, id: NodeId) -> Option<(Arc<NodeFacts>, PageEvent)> {
        let node = self.nodes.get_mut(&id)?;
        let next = node.pop(self.config.mode)?;
        self.last_node = id;
        Some((Arc::clone(&node.facts), next))
    }

    /// Has an event wait for others of its key.
    fn hold(&mut self, key: Key, order_key: Option<OrderKey>) {
        let (standing, generation) = (Standing::Held, self.generation);
        let pending =
            Pending { attempts: 0, standing, is_hopeless: false, is_told: false, generation, order_key };
        self.pending.insert(key, pending);
        self.dirty.insert(key);
    }

    fn lease(&mut self, key: Key, attempts: u32, order_key: Option<OrderKey>, now_ms: i64) {
        self.forget_pending(key);
        let until_ms = later(now_ms, self.config.lease_ms);
        let (standing, generation) = (Standing::Leased { until_ms }, self.generation);
        let pending =
            Pending { attempts, standing, is_hopeless: false, is_told: false, generation, order_key };
        self.pending.insert(key, pending);
        self.timeline.insert((until_ms, key.0, key.1));
        self.leased += 1;
        self.dirty.insert(key);
    }

    fn hand(
        &mut self,
        session: SessionId,
        facts: &Arc<NodeFacts>,
        event: Arc<Event>,
        attempt: u32,
        handed: &mut BTreeMap<SessionId, Vec<Delivered>>,
    ) {
        sessions::charge(&mut self.sessions, session, &event);
        self.last_served = session;
        let generation = self.generation;
        let lease = LeaseId { node: facts.id, epoch: facts.epoch, seq: event.seq, attempt, generation };
        let delivered = Delivered { facts: Arc::clone(facts), event, lease: Some(lease) };
        handed.entry(session).or_default().push(delivered);
    }
}

fn later(now_ms: i64, delay_ms: u64) -> i64 {
    now_ms.saturating_add(i64::try_from(delay_ms).unwrap_or(i64::MAX))
}

fn reason(failure: Failure) -> &'static str {
    match failure {
        Failure::TimedOut => "its lease has run out",
        Failure::Refused { .. } => "it was refused",
        Failure::Terminated => "it was given up",
    }
}
