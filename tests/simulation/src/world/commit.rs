use std::sync::Arc;

use bus_domain::ItemId;
use bus_engine::IdSource as _;
use bus_engine::committer::{Batch, BatchFailure, EntryResult, FactsAfter};
use bus_engine::parts::{Commit, CommittedNode, Sources, Written, write};
use bus_store::{BatchId, Store as _, StoreError};
use futures::FutureExt as _;

use crate::instance::{Instance, Staged, Unknown, Write};
use crate::model::CommitIndex;
use crate::store::{CommitFate, Fault};
use crate::violation::Checked;
use crate::{Mutation, SimulatedIds};

use super::World;

/// Questions about the fate of a batch before the committer gives up.
const LOOKUPS_MAX: u32 = 3;

impl World {
    /// The committer decides what waits.
    pub(super) fn form(&mut self, at: usize) -> Checked {
        let actions = self.instances[at].committer.next_batch(&|| next_item_id(&self.ids));
        self.act(at, actions)
    }

    /// And while a batch is under way, what comes for the next one.
    pub(super) fn decide_ahead(&mut self, at: usize) {
        self.instances[at].committer.decide_ahead(&|| next_item_id(&self.ids));
    }

    /// The batch under way goes on: into a transaction, through COMMIT, through the questions about its fate.
    pub(super) fn write(&mut self, at: usize) -> Checked {
        match self.instances[at].write.take() {
            None => Ok(()),
            Some(Write::Formed(batch)) => self.stage(at, batch),
            Some(Write::Staged(staged, commit)) => self.end(at, staged, commit),
            Some(Write::Unknown(unknown)) => self.look_up(at, unknown),
        }
    }

    fn stage(&mut self, at: usize, batch: Batch) -> Checked {
        let id = BatchId(self.ids.random_bytes());
        let fault = if self.trouble(70) { Fault::Unavailable } else { Fault::Refused };
        let call = self.trouble(4).then(|| (u32::try_from(self.random.below(12)).unwrap_or(0), fault));
        self.store.disk().faults.call = call;
        let Instance { process_epoch, known_heads, .. } = &self.instances[at];
        let sources = Sources {
            now_ms: self.clock_ms,
            ids: &self.ids,
            process_epoch: *process_epoch,
            limits: &self.scenario.settings.limits,
            quotas: &self.scenario.settings.quotas,
            known_heads,
            presence: &self.presence,
        };
        let staged = at_once(write(&self.store, &batch, id, &sources));
        self.store.disk().faults.call = None;
        match staged {
            Ok((written, commit)) => {
                self.note(format!("instance {at} has written {}", summary(&written.results)));
                if self.is(Mutation::ReplyBeforeCommit) {
                    let actions = self.instances[at].committer.batch_written(written.results.clone());
                    self.act(at, actions)?;
                }
                self.instances[at].write = Some(Write::Staged(Staged { batch, id, written }, commit));
                Ok(())
            }
            Err(error) if error.is_transient() => self.failed(at, Fault::Unavailable),
            Err(_) => self.failed(at, Fault::Refused),
        }
    }

    fn end(&mut self, at: usize, staged: Staged, commit: Commit) -> Checked {
        let fate = self.draw_fate();
        let known = self.commit(&staged, fate, commit)?;
        self.note(format!("instance {at} commits: {fate:?}, commit {known:?}"));
        match fate {
            CommitFate::Done => self.written(at, staged.written, known),
            CommitFate::Fails(fault) => self.failed(at, fault),
            CommitFate::Unknown { .. } => {
                self.counts.unknown += 1;
                let unknown = Unknown { staged, commit: known, lookups_left: LOOKUPS_MAX };
                self.instances[at].write = Some(Write::Unknown(unknown));
                Ok(())
            }
        }
    }

    fn look_up(&mut self, at: usize, unknown: Unknown) -> Checked {
        let is_away = self.trouble(85);
        let found = at_once(self.store.find_batch(unknown.staged.id)).ok().filter(|_| !is_away);
        self.note(format!("instance {at} looks its batch up: {found:?}"));
        match found {
            Some(true) => self.written(at, unknown.staged.written, unknown.commit),
            Some(false) => self.failed(at, Fault::Unavailable),
            None if unknown.lookups_left == 0 => self.give_up(at, &unknown.staged.batch),
            None => {
                let unknown = Unknown { lookups_left: unknown.lookups_left - 1, ..unknown };
                self.instances[at].write = Some(Write::Unknown(unknown));
                Ok(())
            }
        }
    }

    /// Nobody can say whether the batch is there.
    fn give_up(&mut self, at: usize, batch: &Batch) -> Checked {
        self.note(format!("instance {at} will never know whether it has written"));
        self.counts.given_up += 1;
        let instance = &mut self.instances[at];
        if self.mutation != Some(Mutation::UnknownMeansFailed) {
            batch.entries.iter().for_each(|entry| instance.facts.forget(&entry.node));
            instance.mailbox.look_again();
        }
        let actions = instance.committer.batch_failed(BatchFailure::Unknown);
        self.act(at, actions)
    }

    /// Asks the store to commit, and tells the model when it has done so: whatever the committer hears.
    pub(super) fn commit(
        &mut self,
        staged: &Staged,
        fate: CommitFate,
        commit: Commit,
    ) -> Checked<Option<CommitIndex>> {
        self.store.disk().faults.commit = fate;
        let outcome = at_once(commit.finish());
        self.store.disk().faults.commit = CommitFate::Done;
        let is_there = match (&outcome, fate) {
            (Ok(()), _)
            | (Err(StoreError::OutcomeUnknown { .. }), CommitFate::Unknown { is_there: true }) => true,
            (Err(_), _) => false,
        };
        if !is_there {
            return Ok(None);
        }
        self.counts.commits += 1;
        self.model.apply(&staged.batch, &staged.written).map(Some)
    }

    fn draw_fate(&mut self) -> CommitFate {
        // A store that is away takes nothing, whatever was drawn.
        if self.store.disk().faults.is_down || self.trouble(2) {
            return CommitFate::Fails(Fault::Unavailable);
        }
        if self.trouble(1) {
            return CommitFate::Fails(Fault::Refused);
        }
        if self.trouble(12) {
            return CommitFate::Unknown { is_there: self.random.percent(70) };
        }
        CommitFate::Done
    }

    /// What the committer's driver does with a batch that is on disk: facts, answers, then delivery.
    fn written(&mut self, at: usize, written: Written, commit: Option<CommitIndex>) -> Checked {
        let Written { results, nodes, .. } = written;
        self.count(&results);
        let instance = &mut self.instances[at];
        for result in &results {
            if let EntryResult::Done { facts: FactsAfter::Now(Some(facts)), .. } = result {
                instance.facts.put_committed(Arc::clone(facts));
            }
        }
        for CommittedNode { node, events, head_seq, .. } in &nodes {
            instance.known_heads.note(node.id, node.epoch, *head_seq);
            if events.last().is_some_and(|event| event.kind.is_deletion()) {
                instance.facts.forget(&node.name);
            }
        }
        if self.mutation != Some(Mutation::ReplyBeforeCommit) {
            let actions = instance.committer.batch_written(results);
            self.act(at, actions)?;
        }
        let loses_deltas = self.is(Mutation::DeltasLost);
        let instance = &mut self.instances[at];
        for node in nodes {
            instance.recent.push(node.node.id, &node.events);
            let delta = node.delta.filter(|_| !loses_deltas);
            instance.mailbox.put(node.node, node.head_seq, &node.events, delta);
        }
        instance.announced.extend(commit);
        Ok(())
    }

    fn failed(&mut self, at: usize, fault: Fault) -> Checked {
        let failure = match fault {
            Fault::Unavailable => BatchFailure::Unavailable,
            Fault::Refused => BatchFailure::Refused,
        };
        self.note(format!("instance {at} has not written: {failure:?}"));
        let actions = self.instances[at].committer.batch_failed(failure);
        self.act(at, actions)
    }

    fn count(&mut self, results: &[EntryResult]) {
        for result in results {
            match result {
                EntryResult::Stale => self.counts.stale += 1,
                EntryResult::Postponed => self.counts.postponed += 1,
                EntryResult::Done { .. } | EntryResult::Refused(_) => {}
            }
        }
    }
}

/// The result of a future that never waits.
pub(super) fn at_once<T>(future: impl Future<Output = T>) -> T {
    future.now_or_never().expect("the simulated store never waits")
}

fn summary(results: &[EntryResult]) -> String {
    let of = |result: &EntryResult| match result {
        EntryResult::Done { outcome, .. } => format!("{outcome:?}"),
        other => format!("{other:?}"),
    };
    results.iter().map(of).collect::<Vec<_>>().join(", ")
}

fn next_item_id(ids: &SimulatedIds) -> ItemId {
    let number = u128::from_be_bytes(ids.random_bytes());
    ItemId::new(&format!("{number:032x}")).expect("a number is a short ASCII text")
}
