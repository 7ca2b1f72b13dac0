use std::collections::{BTreeMap, BTreeSet};

use bus_domain::Seq;
use bus_store::SubscriptionKey;

use crate::link::Notification;
use crate::model::{CommitIndex, Life, Model, SubscriptionLife};
use crate::violation::{Checked, Promise};

/// What has arrived where.
#[derive(Debug, Default)]
pub(crate) struct Subscribers(BTreeMap<SubscriptionKey, Sightings>);

/// What one subscription was sent.
#[derive(Debug, Default)]
struct Sightings {
    arrived: BTreeSet<Seq>,
    /// What came back, at least once.
    came_back: BTreeSet<Seq>,
    /// What came back and is not sent again.
    given_up: BTreeSet<Seq>,
    /// What has to be handed over before anything behind it.
    owed_next: Option<Seq>,
    /// What lies between was given up, with a deleted node.
    has_ended: bool,
}

impl Subscribers {
    /// The server took a notification: first sightings follow the order, and name what came before them.
    ///
    /// Somebody who was out for a while and is let in again may be sent what he was passed over with when it has to be
    /// sent again: late, and with a gap that showed. Only who was never out is owed the order without exception.
    pub(crate) fn take(&mut self, arrival: &Notification, model: &Model) -> Checked {
        let (life, subscription) = parties(arrival, model)?;
        let Sightings { arrived, came_back, has_ended, .. } = self.0.entry(arrival.key()).or_default();
        let last = arrived.last().copied();
        let before = arrived.range(..arrival.seq).next_back().copied();
        let was_in =
            life.event(arrival.seq).is_some_and(|event| subscription.is_allowed_since(event.committed_at));
        if !arrived.insert(arrival.seq) || !was_in {
            return Ok(());
        }
        // What comes back is late, whatever was on the way behind it.
        let is_in_order = last < Some(arrival.seq) || came_back.contains(&arrival.seq);
        Promise::OneOrder.check(is_in_order, || format!("{arrival:?} comes behind {last:?}"))?;
        let last = before.unwrap_or(subscription.since_seq);
        // Otherwise a gap may be there, and `after` shows it: that it is right was checked when it was handed over.
        let has_no_gap = !*has_ended && subscription.allowed_changed_at == 0 && life.may_miss_through <= last;
        let is_named = arrival.after_seq == last || came_back.contains(&arrival.after_seq);
        Promise::GapsShow.check(!has_no_gap || is_named, || {
            format!("{arrival:?} does not name {last}, after which it comes")
        })
    }

    /// The server took a notification, and nobody was there for it.
    pub(crate) fn comes_back(&mut self, notification: &Notification) {
        self.0.entry(notification.key()).or_default().came_back.insert(notification.seq);
    }

    /// These events are not sent again.
    pub(crate) fn give_up(&mut self, key: SubscriptionKey, seqs: impl IntoIterator<Item = Seq>) {
        self.0.entry(key).or_default().given_up.extend(seqs);
    }

    /// What has come back from a subscriber of a deleted node is not sent again.
    pub(crate) fn end_sending(&mut self, key: SubscriptionKey) {
        let sightings = self.0.entry(key).or_default();
        sightings.has_ended = true;
        sightings.owed_next = None;
    }

    /// This event is sent again before anything behind it.
    pub(crate) fn owe_next(&mut self, key: SubscriptionKey, seq: Seq) {
        let sightings = self.0.entry(key).or_default();
        sightings.owed_next = Some(sightings.owed_next.map_or(seq, |owed| owed.min(seq)));
    }

    /// Something is handed over: nothing overtakes what has come back.
    pub(crate) fn check_turn(&mut self, notification: &Notification, model: &Model) -> Checked {
        let (life, subscription) = parties(notification, model)?;
        let Some(sightings) = self.0.get_mut(&notification.key()) else { return Ok(()) };
        let Some(owed) = sightings.owed_next.filter(|owed| *owed <= notification.seq) else { return Ok(()) };
        sightings.owed_next = None;
        let is_owed = life.event(owed).is_some_and(|event| subscription.is_owed(owed, event))
            && owed > life.may_miss_through
            && !sightings.given_up.contains(&owed);
        Promise::OneOrder.check(owed == notification.seq || !is_owed, || {
            format!("{notification:?} is handed over before {owed}, which came back")
        })
    }

    /// At the end: everything that had to arrive has arrived.
    pub(crate) fn check_complete(&self, model: &Model) -> Checked {
        for (node, life) in model.lives() {
            for (id, subscription) in &life.subscriptions {
                let sightings = self.0.get(&SubscriptionKey { node, subscription: *id });
                let has_arrived = |seq: &Seq| {
                    sightings.is_some_and(|one| {
                        one.has_ended || one.arrived.contains(seq) || one.given_up.contains(seq)
                    })
                };
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
        self.0.values().map(|one| one.arrived.len()).sum()
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
