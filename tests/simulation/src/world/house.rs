use std::collections::BTreeSet;

use bus_domain::park::Parking;
use bus_domain::{Actor, NodeName, Role, Seq};
use bus_engine::dispatcher::{LagPosition, PendingBounce, Verdict};
use bus_engine::{Command, IdSource as _, Verb};
use bus_store::{
    CursorStore as _, DeliveryTarget, FailureNote, LaggingRow, LaggingStore as _, Leg, NodeStore as _,
    SubscriptionKey,
};

use crate::Mutation;
use crate::commands::Sender;
use crate::instance::Chore;
use crate::violation::Checked;

use super::commit::at_once;
use super::{Submitted, World};

/// Lagging rows on one page when delivery starts.
const LAGGING_ROWS_MAX: u32 = 2;

/// What delivery does at its ticks: the calls of the store one after the other, and anything in between.
impl World {
    /// A tick, unless the task is busy.
    pub(super) fn keep_house(&mut self) {
        let delivery = self.delivery();
        if !delivery.is_waiting() || !delivery.lagging_is_loaded {
            return;
        }
        let events_max = self.scenario.settings.limits.node_undelivered_events_max;
        let full = self.delivery().dispatcher.nodes_behind_by(events_max);
        self.instances[0].committer.undelivered_full(full);
        self.delivery().chores = if self.is(Mutation::CursorBeforeLaggingRow) {
            [Chore::StoreCursors, Chore::ReadTargets, Chore::Tick, Chore::StoreLagging].into()
        } else {
            [Chore::ReadTargets, Chore::Tick, Chore::StoreCursors, Chore::StoreLagging].into()
        };
    }

    /// The next part of a tick. When one fails the store rests, and only time goes on.
    pub(super) fn do_chore(&mut self, chore: Chore) -> Checked {
        let is_done = match chore {
            Chore::ReadTargets => self.read_targets(),
            Chore::Judge(pending, targets) => self.judge(pending, targets)?,
            Chore::Tick => {
                let now_ms = self.uptime_ms;
                self.delivery().dispatcher.tick(now_ms);
                true
            }
            Chore::StoreCursors => self.store_cursors(),
            Chore::StoreLagging => self.store_lagging(),
        };
        if !is_done {
            self.delivery().chores.retain(|chore| matches!(chore, Chore::Tick));
        }
        Ok(())
    }

    fn read_targets(&mut self) -> bool {
        let (pending, _) = self.delivery().dispatcher.take_bounces();
        let keys: Vec<SubscriptionKey> = pending.iter().map(|bounce| bounce.key).collect();
        if keys.is_empty() {
            return true;
        }
        let targets = at_once(self.store.delivery_targets(&keys));
        let is_read = targets.is_ok();
        match targets {
            Ok(targets) => self.delivery().chores.push_front(Chore::Judge(pending, targets)),
            Err(_) => self.put_back(pending),
        }
        is_read
    }

    fn put_back(&mut self, pending: Vec<PendingBounce>) {
        if !self.is(Mutation::BouncesDropped) {
            self.delivery().dispatcher.put_back_bounces(pending);
        }
    }

    fn judge(&mut self, pending: Vec<PendingBounce>, targets: Vec<DeliveryTarget>) -> Checked<bool> {
        let ids = &self.ids;
        let random = || {
            let bytes = ids.random_bytes();
            u64::from_be_bytes(std::array::from_fn(|index| bytes[index]))
        };
        let (limits, now_ms) = (&self.scenario.settings.limits, self.clock_ms);
        let delivery = self.instances[0].delivery.as_ref().expect("the first instance delivers");
        let judged = delivery.dispatcher.judge(&pending, targets, limits, now_ms, random);
        let verdicts: Vec<Verdict> = judged.into_iter().filter_map(|judged| judged.verdict).collect();
        let notes: Vec<FailureNote> = verdicts.iter().filter_map(|verdict| verdict.note).collect();
        let is_stored = notes.is_empty() || at_once(self.store.note_failures(Leg::Xmpp, &notes)).is_ok();
        let is_heard = is_stored && (notes.is_empty() || !self.trouble(10));
        self.note(format!("failures {notes:?}: stored {is_stored}, heard {is_heard}"));
        if is_stored && !is_heard {
            self.give_up_behind_rows(&notes);
        }
        if !is_heard {
            self.put_back(pending);
            return Ok(false);
        }
        for verdict in verdicts {
            let seqs = self.delivery().unjudged.remove(&verdict.key).unwrap_or_default();
            self.carry_out(verdict, seqs)?;
        }
        for PendingBounce { key, .. } in pending {
            let seqs = self.delivery().unjudged.remove(&key).unwrap_or_default();
            self.subscribers.give_up(key, seqs);
        }
        Ok(true)
    }

    /// Rows that are stored count after a crash too, although nobody has heard of them: what came back from before
    /// them is not sent again.
    fn give_up_behind_rows(&mut self, notes: &[FailureNote]) {
        for row in notes.iter().filter_map(|note| note.lagging) {
            let unjudged = self.delivery().unjudged.get(&row.key).cloned().unwrap_or_default();
            self.subscribers.give_up(row.key, unjudged.range(..=row.through_seq).copied());
        }
    }

    fn carry_out(&mut self, verdict: Verdict, seqs: BTreeSet<Seq>) -> Checked {
        let (key, retry) = (verdict.key, verdict.retry);
        self.note(format!("{key:?} has not got {seqs:?}: {retry:?}"));
        let park = self.delivery().dispatcher.carry_out(verdict);
        match retry.filter(|_| self.delivery().dispatcher.is_lagging(key)) {
            Some(retry) => {
                self.counts.sent_again += 1;
                self.subscribers.give_up(key, seqs.range(..retry.from_seq).copied());
                self.subscribers.owe_next(key, retry.from_seq);
            }
            None => self.subscribers.give_up(key, seqs),
        }
        park.map_or(Ok(()), |(node, parking)| self.park(key, node, parking))
    }

    /// Nobody waits for the outcome.
    fn park(&mut self, key: SubscriptionKey, node: NodeName, parking: Parking) -> Checked {
        let Ok(found) = at_once(self.store.find_node(&node)) else { return Ok(()) };
        if found.is_none_or(|facts| facts.id != key.node) {
            self.note(format!("{key:?} ends with its node"));
            self.delivery().dispatcher.end_lagging(key);
            self.subscribers.end_sending(key);
            return Ok(());
        }
        self.last_ticket += 1;
        let ticket = self.last_ticket;
        self.counts.parked += 1;
        self.note(format!("t{ticket} parks {} of {node}", parking.jid));
        let actor = Actor::new(parking.jid.to_bare(), Role::User);
        let command = Command { actor, node, verb: Verb::Park(parking) };
        let instance = &mut self.instances[0];
        let known = instance.facts.get(&command.node);
        let action = instance.committer.submit(command.clone(), ticket, known);
        self.open.insert(ticket, Submitted { sender: Sender::DELIVERY, instance: 0, command });
        self.act(0, action)
    }

    /// Stores the cursors. Sometimes the answer gets lost.
    fn store_cursors(&mut self) -> bool {
        let mut moves = self.delivery().dispatcher.cursor_moves();
        if moves.is_empty() {
            return true;
        }
        let told = moves.clone();
        if self.is(Mutation::CursorTooFar) {
            for step in &mut moves {
                step.to.through_seq += 1;
            }
        }
        let is_stored = at_once(self.store.move_cursors(Leg::Xmpp, &moves)).is_ok();
        let is_heard = is_stored && !self.trouble(10);
        self.note(format!("cursors {moves:?}: stored {is_stored}, heard {is_heard}"));
        if is_heard {
            self.delivery().dispatcher.stored(&told);
        }
        is_heard
    }

    /// Stores where lagging ones are.
    fn store_lagging(&mut self) -> bool {
        let (moves, ended) = self.delivery().dispatcher.lagging_changes();
        if moves.is_empty() && ended.is_empty() {
            return true;
        }
        let rows: Vec<LaggingRow> = moves.iter().map(|position| self.row(position)).collect();
        let is_stored = at_once(self.store.move_lagging(Leg::Xmpp, &rows, &ended)).is_ok();
        let is_heard = is_stored && !self.trouble(10);
        self.note(format!("lagging {rows:?}, ended {ended:?}: stored {is_stored}, heard {is_heard}"));
        if is_heard {
            self.delivery().dispatcher.stored_lagging(&moves, &ended);
        }
        is_heard
    }

    /// Reads the rows of lagging subscriptions, before anything else: true once they are there.
    pub(super) fn load_lagging(&mut self) -> bool {
        let mut after = None;
        while !self.delivery().lagging_is_loaded {
            let Ok(rows) = at_once(self.store.lagging(Leg::Xmpp, after, LAGGING_ROWS_MAX)) else {
                return false;
            };
            after = rows.last().map(|row| row.key);
            self.delivery().lagging_is_loaded = rows.len() < LAGGING_ROWS_MAX as usize;
            let is_forgotten = self.is(Mutation::LaggingRowsForgotten);
            for row in rows.into_iter().filter(|_| !is_forgotten) {
                let wait_ms = u64::try_from(row.due_at_ms.saturating_sub(self.clock_ms)).unwrap_or_default();
                let longest_ms = self.scenario.settings.engine.lagging_backoff_ms_max;
                let due_ms = self.uptime_ms + wait_ms.min(longest_ms);
                let LaggingRow { key, epoch, through_seq, attempts, .. } = row;
                self.note(format!("{key:?} lags behind {through_seq}"));
                self.delivery().dispatcher.resume_lagging(LagPosition {
                    key,
                    epoch,
                    through_seq,
                    attempts,
                    due_ms,
                });
            }
        }
        true
    }

    fn row(&self, position: &LagPosition) -> LaggingRow {
        let LagPosition { key, epoch, through_seq, attempts, due_ms } = *position;
        let wait_ms = i64::try_from(due_ms.saturating_sub(self.uptime_ms)).unwrap_or(i64::MAX);
        LaggingRow { key, epoch, through_seq, attempts, due_at_ms: self.clock_ms.saturating_add(wait_ms) }
    }
}
