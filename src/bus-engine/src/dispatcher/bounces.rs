use std::collections::{BTreeMap, BTreeSet};

use bus_domain::bounce::{BounceClass, BouncedRun};
use bus_domain::{Epoch, Jid, NodeId, Seq};
use bus_store::SubscriptionKey;

use super::Bounce;

/// Notifications that came back and wait to be judged, added up per subscription: a flood of them costs one entry and
/// one row.
#[derive(Debug, Default)]
pub(super) struct Bounces {
    pending: BTreeMap<(SubscriptionKey, Epoch, Jid), PendingBounce>,
    /// Those that say nothing, or for which there was no room, since they were taken last.
    passed_over: u64,
}

/// What came back from one subscription's address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PendingBounce {
    /// The subscription.
    pub key: SubscriptionKey,
    /// The life of the node's log.
    pub epoch: Epoch,
    /// Who sent it back.
    pub from: Jid,
    /// The newest events of it that follow each other.
    pub run: BouncedRun,
    /// The oldest event.
    pub oldest_seq: Seq,
    /// What was delivered before the oldest message: in a digest, its first event comes behind that.
    pub oldest_after_seq: Seq,
    /// The oldest event that is to be sent again.
    pub oldest_retry_seq: Option<Seq>,
    /// How many there were.
    pub count: u64,
}

impl Bounces {
    /// The most subscriptions that wait to be judged.
    const SUBSCRIPTIONS_MAX: usize = 10_000;

    /// Takes one.
    pub(super) fn add(&mut self, bounce: Bounce) {
        let Bounce { message, from, class } = bounce;
        let key = SubscriptionKey { node: message.event.node, subscription: message.subscription };
        let epoch = message.event.epoch;
        let seq = message.event.seq;
        let is_full = self.is_full();
        let place = (key, epoch, from.clone());
        if class == BounceClass::Ignored {
            self.passed_over += 1;
        } else if let Some(pending) = self.pending.get_mut(&place) {
            pending.add(class, message.after_seq, seq);
        } else if is_full {
            self.passed_over += 1;
        } else {
            let run = BouncedRun { class, after_seq: message.after_seq, through_seq: seq };
            let oldest_retry_seq = (class == BounceClass::Retry).then_some(seq);
            let pending = PendingBounce {
                key,
                epoch,
                from,
                run,
                oldest_seq: seq,
                oldest_after_seq: message.after_seq,
                oldest_retry_seq,
                count: 1,
            };
            self.pending.insert(place, pending);
        }
    }

    /// The subscriptions of those that wait.
    pub(super) fn subscriptions(&self) -> BTreeSet<SubscriptionKey> {
        self.pending.keys().map(|(key, ..)| *key).collect()
    }

    /// Whether they should be judged before more is taken in.
    pub(super) fn is_full(&self) -> bool {
        self.pending.len() >= Self::SUBSCRIPTIONS_MAX
    }

    /// Takes those of nodes that are ready for it, with the number of those that were passed over.
    pub(super) fn take(&mut self, is_ready: impl Fn(NodeId) -> bool) -> (Vec<PendingBounce>, u64) {
        let Self { pending, passed_over } = std::mem::take(self);
        let (taken, left) = pending.into_iter().partition(|((key, ..), _)| is_ready(key.node));
        self.pending = left;
        let taken: BTreeMap<_, _> = taken;
        (taken.into_values().collect(), passed_over)
    }

    /// Puts back what could not be judged.
    pub(super) fn put_back(&mut self, pending: Vec<PendingBounce>) {
        self.pending.extend(pending.into_iter().map(|one| ((one.key, one.epoch, one.from.clone()), one)));
    }
}

impl PendingBounce {
    fn add(&mut self, class: BounceClass, after_seq: Seq, seq: Seq) {
        self.count += 1;
        self.oldest_seq = self.oldest_seq.min(seq);
        self.oldest_after_seq = self.oldest_after_seq.min(after_seq);
        if class == BounceClass::Retry {
            self.oldest_retry_seq = Some(self.oldest_retry_seq.map_or(seq, |oldest| oldest.min(seq)));
        }
        if after_seq > self.run.through_seq {
            // What lies between was delivered.
            self.run.after_seq = after_seq;
        }
        if seq >= self.run.through_seq {
            self.run.through_seq = seq;
            self.run.class = class;
        }
    }
}

#[cfg(test)]
mod tests;
