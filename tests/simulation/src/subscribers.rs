use std::collections::{BTreeMap, BTreeSet};

use bus_domain::{NodeId, Seq, SubscriptionId};

use crate::link::Notification;
use crate::model::{CommitIndex, Life, Model, SubscriptionLife};
use crate::violation::{Checked, Promise};

/// What has arrived where.
#[derive(Debug, Default)]
pub(crate) struct Subscribers(BTreeMap<(NodeId, SubscriptionId), BTreeSet<Seq>>);

impl Subscribers {
    /// The server took a notification: first sightings follow the order, and name what came before them.
    ///
    /// Somebody who was out for a while and is let in again may be sent what he was passed over with when it has to be
    /// sent again: late, and with a gap that showed. Only who was never out is owed the order without exception.
    pub(crate) fn take(&mut self, arrival: &Notification, model: &Model) -> Checked {
        let (life, subscription) = parties(arrival, model)?;
        let seen = self.0.entry((arrival.node, arrival.subscription)).or_default();
        let last = seen.last().copied();
        let was_in =
            life.event(arrival.seq).is_some_and(|event| subscription.is_allowed_since(event.committed_at));
        if !seen.insert(arrival.seq) || !was_in {
            return Ok(());
        }
        Promise::OneOrder.check(last < Some(arrival.seq), || format!("{arrival:?} comes behind {last:?}"))?;
        let last = last.unwrap_or(subscription.since_seq);
        // Otherwise a gap may be there, and `after` shows it: that it is right was checked when it was handed over.
        let has_no_gap = subscription.allowed_changed_at == 0 && life.may_miss_through <= last;
        Promise::GapsShow.check(!has_no_gap || arrival.after_seq == last, || {
            format!("{arrival:?} does not name {last}, after which it comes")
        })
    }

    /// At the end: everything that had to arrive has arrived.
    pub(crate) fn check_complete(&self, model: &Model) -> Checked {
        for (node, life) in model.lives() {
            for (id, subscription) in &life.subscriptions {
                let seen = self.0.get(&(node, *id));
                let has_arrived = |seq: &Seq| seen.is_some_and(|seen| seen.contains(seq));
                let missing = life
                    .events()
                    .filter(|(seq, event)| *seq > life.may_miss_through && subscription.is_owed(*seq, event))
                    .map(|(seq, _)| seq)
                    .find(|seq| !has_arrived(seq));
                Promise::Delivered.check(missing.is_none(), || {
                    format!(
                        "{node:?} ({}): {missing:?} never came to {id:?} ({})",
                        life.name, subscription.jid
                    )
                })?;
            }
        }
        Ok(())
    }

    /// First sightings, of everybody.
    pub(crate) fn arrived(&self) -> usize {
        self.0.values().map(BTreeSet::len).sum()
    }
}

/// Checks what the dispatcher hands to the lane. `knows` says of a commit whether the dispatcher has been told of it:
/// from then on it must heed it, and what was committed later must heed it anyway.
pub(crate) fn check_hand_off(
    notification: &Notification,
    model: &Model,
    knows: impl Fn(CommitIndex) -> bool,
) -> Checked {
    let (life, subscription) = parties(notification, model)?;
    let Notification { seq, after_seq, .. } = *notification;
    let event = life.event(seq);
    let event = event.ok_or_else(|| Promise::OneOrder.broken(format!("there is no {notification:?}")))?;
    Promise::Delivered.check(event.due_after_seq.is_some() && seq > subscription.since_seq, || {
        format!("{notification:?} is not due to {subscription:?}")
    })?;
    let after = event.due_after_seq.map(|due| due.max(subscription.since_seq));
    Promise::GapsShow
        .check(after == Some(after_seq), || format!("{notification:?} should name {after:?}"))?;
    let barred_at = subscription.barred_at().filter(|barred| event.committed_at > *barred || knows(*barred));
    Promise::Rules.check(barred_at.is_none(), || {
        format!("{notification:?} goes to {}, who is out since commit {barred_at:?}", subscription.jid)
    })
}

fn parties<'a>(notification: &Notification, model: &'a Model) -> Checked<(&'a Life, &'a SubscriptionLife)> {
    let life = model.life(notification.node).filter(|life| life.epoch == notification.epoch);
    let subscription = life.and_then(|life| life.subscriptions.get(&notification.subscription));
    life.zip(subscription)
        .ok_or_else(|| Promise::Rules.broken(format!("nobody is meant by {notification:?}")))
}
