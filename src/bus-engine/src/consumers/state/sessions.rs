use std::collections::BTreeMap;

use bus_domain::consumer::lease::LeaseId;
use bus_domain::consumer::{ConsumerError, Mode};
use bus_domain::{Event, NodeId, Seq};

use super::{ConsumerState, Standing};

/// The number of a session, within its consumer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct SessionId(pub(crate) u64);

/// What a client is ready to take.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Credit {
    /// Events.
    pub messages: u64,
    /// Bytes of them, about; the last event may go over it.
    pub bytes: u64,
}

/// The most that a client may have to its credit: what waits for it here is bounded so.
const CREDIT_MAX: Credit = Credit { messages: 10_000, bytes: 16 * 1024 * 1024 };

/// Somebody who reads.
#[derive(Debug)]
pub(super) struct Session {
    worker: String,
    messages: u64,
    /// Below zero when the last event has gone over it.
    bytes: i64,
}

impl Session {
    fn has_credit(&self) -> bool {
        self.messages > 0 && self.bytes > 0
    }
}

impl ConsumerState {
    /// Lets somebody read. Says which sessions give way to it: those of the same worker, if it has a name.
    pub(crate) fn attach(
        &mut self,
        session: SessionId,
        worker: &str,
    ) -> Result<Vec<SessionId>, ConsumerError> {
        let is_same = |other: &Session| !worker.is_empty() && other.worker == worker;
        let is_stream = self.config.mode == Mode::Stream;
        if is_stream && self.sessions.values().any(|other| !is_same(other)) {
            return Err(ConsumerError::InUse);
        }
        let replaced = self.sessions.iter().filter(|(_, other)| is_same(other)).map(|(id, _)| *id).collect();
        self.sessions.insert(session, Session { worker: worker.to_owned(), messages: 0, bytes: 0 });
        if is_stream {
            // From the committed position on, whatever another reader was sent.
            for node in self.nodes.values_mut() {
                node.begin_behind(node.settled_seq);
                node.may_have_more = true;
            }
        }
        Ok(replaced)
    }

    /// Lets somebody go. What it was to be sent and has never left is handed to others, and counts as no attempt; what it
    /// has keeps its leases.
    pub(crate) fn detach(&mut self, session: SessionId, unsent: &[LeaseId]) {
        self.sessions.remove(&session);
        for lease in unsent {
            let key = (lease.node, lease.seq);
            let is_current = self.pending.get(&key).is_some_and(|pending| {
                let is_last = pending.attempts == lease.attempt && pending.generation == lease.generation;
                is_last && matches!(pending.standing, Standing::Leased { .. })
            });
            if is_current && let Some(mut pending) = self.forget_pending(key) {
                pending.attempts -= 1;
                pending.standing = self.due(key);
                self.pending.insert(key, pending);
                self.dirty.insert(key);
            }
        }
    }

    /// Adds to what a session is ready to take, up to a bound.
    pub(crate) fn add_credit(&mut self, session: SessionId, credit: Credit) {
        if let Some(session) = self.sessions.get_mut(&session) {
            session.messages = session.messages.saturating_add(credit.messages).min(CREDIT_MAX.messages);
            let bytes = i64::try_from(credit.bytes.min(CREDIT_MAX.bytes)).unwrap_or(i64::MAX);
            let bytes_max = i64::try_from(CREDIT_MAX.bytes).unwrap_or(i64::MAX);
            session.bytes = session.bytes.saturating_add(bytes).min(bytes_max);
        }
    }

    /// Takes back what a session is ready to take.
    pub(crate) fn clear_credit(&mut self, session: SessionId) {
        if let Some(session) = self.sessions.get_mut(&session) {
            session.messages = 0;
        }
    }

    /// Commits a position of a stream.
    ///
    /// # Errors
    /// The consumer is a queue, or does not read the node, or the event was not sent yet.
    pub(crate) fn commit(&mut self, session: SessionId, node: NodeId, seq: Seq) -> Result<(), ConsumerError> {
        self.config.mode.expect(Mode::Stream)?;
        let invalid = |reason: String| ConsumerError::Invalid { reason };
        let state =
            self.nodes.get_mut(&node).ok_or_else(|| invalid("it does not read that node".to_owned()))?;
        if seq > state.handed_seq {
            let reason = format!("{seq} was not sent yet, only up to {}", state.handed_seq);
            return Err(invalid(reason));
        }
        state.settled_seq = state.settled_seq.max(seq);
        state.pass_over(Mode::Stream);
        self.reports.committed(session, node);
        Ok(())
    }

    /// Whether somebody could be handed an event.
    pub(super) fn somebody_waits(&self) -> bool {
        self.sessions.values().any(Session::has_credit)
    }
}

/// Whose turn it is.
pub(super) fn next_with_credit(
    sessions: &BTreeMap<SessionId, Session>,
    last_served: SessionId,
) -> Option<SessionId> {
    let behind = sessions.range((std::ops::Bound::Excluded(last_served), std::ops::Bound::Unbounded));
    let mut in_turn = behind.chain(sessions.range(..=last_served));
    in_turn.find(|(_, session)| session.has_credit()).map(|(id, _)| *id)
}

/// Takes an event off somebody's credit.
pub(super) fn charge(sessions: &mut BTreeMap<SessionId, Session>, session: SessionId, event: &Event) {
    if let Some(session) = sessions.get_mut(&session) {
        session.messages -= 1;
        session.bytes -= i64::try_from(event.weight_bytes()).unwrap_or(i64::MAX);
    }
}
