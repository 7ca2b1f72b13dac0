use std::collections::{BTreeSet, HashMap};

use bus_domain::quota::{Counted, Quotas, UsageChange, UsageKey, moves, sum};
use bus_domain::{BusError, LimitKind};
use bus_store::{LockMode, StoreError, Transaction};

use super::node_work::NodeWork;
use super::{Sources, Writing};
use crate::committer::{Entry, EntryResult, Work};

/// The numbers that a batch has locked.
pub(super) type Usage = HashMap<UsageKey, u64>;

impl Writing<'_> {
    /// Refuses what is more than somebody may have. The numbers are locked until the end, behind the heads and in one
    /// statement, so nobody counts on what others take at the same time, and nobody waits in a circle. An entry whose
    /// numbers others hold is put off, and the rest of the batch goes on.
    pub(super) async fn hold_to_quotas(
        &mut self,
        transaction: &mut dyn Transaction,
        sources: &Sources<'_>,
        works: &mut [NodeWork],
    ) -> Result<(), StoreError> {
        let mut keys = BTreeSet::new();
        let mut mode = LockMode::SkipHeld;
        for work in works.iter_mut() {
            let Some(entry) = self.entry_of(work) else { continue };
            work.usage = changes(work, entry);
            if !work.usage.is_empty() {
                keys.extend(work.usage.iter().flat_map(UsageChange::keys));
                mode = if entry.lock == LockMode::Wait { LockMode::Wait } else { mode };
            }
        }
        if keys.is_empty() {
            return Ok(());
        }
        let keys: Vec<_> = keys.into_iter().collect();
        self.usage = transaction.lock_usage(&keys, mode).await?.into_iter().collect();
        let mut counts = self.usage.clone();
        for work in works.iter_mut().filter(|work| !work.usage.is_empty()) {
            let is_bound = self.entry_of(work).is_some_and(|entry| entry.is_bound);
            match settle(&work.usage, &counts, is_bound, sources.quotas) {
                None => take(&work.usage, &mut counts),
                Some(result) => work.undo(result),
            }
        }
        Ok(())
    }

    /// Moves the numbers by what has come of the batch.
    pub(super) async fn move_usage(&mut self, transaction: &mut dyn Transaction) -> Result<(), StoreError> {
        if self.usage.is_empty() {
            return Ok(());
        }
        let moved = moves(self.works.iter().flat_map(|work| &work.usage));
        let of_key = |key: UsageKey| {
            let by = moved.get(&key).copied().unwrap_or_default();
            (key, by)
        };
        let mut all: Vec<_> = std::mem::take(&mut self.usage).into_keys().map(of_key).collect();
        all.sort_unstable();
        transaction.move_usage(&all).await
    }

    /// What somebody's having depends on is the only one of its node in a batch.
    fn entry_of(&self, work: &NodeWork) -> Option<&Entry> {
        match *work.entries {
            [index] if work.settled.is_none() => Some(&self.batch.entries[index]),
            _ => None,
        }
    }
}

/// Who gets and who loses what.
fn changes(work: &NodeWork, entry: &Entry) -> Vec<UsageChange> {
    let node = |owner, by| UsageChange { counted: Counted::Nodes, owner, by };
    match (&entry.work, &work.facts) {
        (Work::Create(new, _) | Work::PublishNew(new, _), None) => vec![node(new.owner.clone(), 1)],
        (Work::Delete(_), Some(facts)) => vec![node(facts.creator.clone(), -1)],
        _ => {
            let begun = work.begun.iter().map(|beginning| (&beginning.jid, 1));
            let ended = work.ended.iter().map(|subscription| (&subscription.jid, -1));
            sum(begun.chain(ended).map(|(jid, by)| UsageChange {
                counted: Counted::Subscriptions,
                owner: jid.to_bare(),
                by,
            }))
        }
    }
}

/// What there is to say against it: no, or not now.
fn settle(changes: &[UsageChange], counts: &Usage, is_bound: bool, quotas: &Quotas) -> Option<EntryResult> {
    for change in changes {
        let of_change = change.keys().map(|key| counts.get(&key).copied());
        let [Some(of_jid), Some(of_domain), Some(of_all)] = of_change else {
            return Some(EntryResult::Postponed);
        };
        if is_bound && let Err(quota) = change.settle([of_jid, of_domain, of_all], quotas) {
            return Some(EntryResult::Refused(BusError::LimitReached(LimitKind::Quota(quota))));
        }
    }
    None
}

/// What is given back counts once it is committed: its entry may yet turn out to be stale.
fn take(changes: &[UsageChange], counts: &mut Usage) {
    for (key, by) in moves(changes).into_iter().filter(|(_, by)| *by > 0) {
        counts.entry(key).and_modify(|count| *count = count.saturating_add_signed(by));
    }
}
