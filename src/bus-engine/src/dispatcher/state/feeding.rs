use std::ops::RangeInclusive;
use std::sync::Arc;

use bus_domain::bounce::Attempt;
use bus_domain::{Epoch, Event, Roster, Seq};
use bus_store::{DeliveryTarget, Position, SubscriptionKey};

use super::super::below::Below;
use super::super::bounces::PendingBounce;
use super::super::digest::messages;
use super::super::lag::{Common, taken_before};
use super::super::lagging::LagPosition;
use super::super::recipients::{availability, give_standing, is_due};
use super::super::{Delivery, DeliveryNode, HandOff, NotificationSink, SinkFull};
use super::{Dispatcher, Need};
use crate::Availability;

/// How long one waits whose node is not resumed yet, or whose log could not be read.
const PAUSE_MS: u64 = 1_000;

/// Subscriptions that lag.
impl Dispatcher {
    /// Takes a lagging row that was there when the dispatcher started. All of them come before the first node is
    /// resumed.
    pub fn resume_lagging(&mut self, row: LagPosition) {
        self.lagging.restore(row);
    }

    /// Takes a row that another process may have left, which had the link before.
    pub fn adopt_lagging(&mut self, row: LagPosition) {
        self.lagging.adopt(row);
    }

    /// Takes the time, in milliseconds of a clock that never jumps. To be called often: waits end here, though not
    /// those of subscriptions from which something has come back that is not judged.
    pub fn tick(&mut self, now_ms: u64) {
        self.now_ms = now_ms;
        self.look_at_ahead();
        self.renew_rosters();
        self.look_for_presence();
        self.lagging.tick(now_ms, self.proven_ticket, &self.bounces.subscriptions());
    }

    /// Has the first of these events, which came back, sent again later, and all behind it after it. `random` spreads
    /// the time. False if too many subscriptions lag: then the event is not sent again.
    pub fn hold_back(
        &mut self,
        key: SubscriptionKey,
        epoch: Epoch,
        bounced: &RangeInclusive<Seq>,
        random: u64,
    ) -> bool {
        let common = self.common(key);
        self.lagging.hold_back(key, epoch, bounced, common, self.now_ms, random)
    }

    /// Whether what came back should be judged before more is taken in.
    pub(in super::super) fn has_too_many_bounces(&self) -> bool {
        self.bounces.is_full()
    }

    /// What came back and is not judged yet, with the number of those that were passed over. What is of a node that is
    /// not resumed waits for that: how far its cursor has come is not known.
    pub fn take_bounces(&mut self) -> (Vec<PendingBounce>, u64) {
        let (nodes, resumption) = (&self.nodes, &self.resumption);
        self.bounces.take(|node| resumption.has_resumed(node) || nodes.contains_key(&node))
    }

    /// Keeps what could not be judged.
    pub fn put_back_bounces(&mut self, pending: Vec<PendingBounce>) {
        self.bounces.put_back(pending);
    }

    /// Whether a subscription lags.
    pub fn is_lagging(&self, key: SubscriptionKey) -> bool {
        self.lagging.contains(key)
    }

    /// How what came back had been sent, the oldest event of it first.
    pub(in super::super) fn attempt(&self, key: SubscriptionKey, oldest_seq: Seq) -> Attempt {
        self.lagging.attempt(key, oldest_seq)
    }

    /// Whether there is room for one more that lags, besides those that are about to.
    pub(in super::super) fn may_lag(&self, others: usize) -> bool {
        self.lagging.count() + others < self.lagging.bounds().subscriptions_max
    }

    /// The wait before an event is sent again for the first time.
    pub fn first_backoff_ms(&self, random: u64) -> u64 {
        self.lagging.bounds().backoff_ms(1, random)
    }

    /// Subscriptions that lag.
    pub fn lagging_count(&self) -> usize {
        self.lagging.count()
    }

    /// Has a subscription lag no longer, whatever it has not got.
    pub fn end_lagging(&mut self, key: SubscriptionKey) {
        self.lagging.end(key);
    }

    /// Whether the rows are to be read from the store again: a log has begun a new life of which no word has come.
    pub fn take_stale_rows(&mut self) -> bool {
        self.lagging.take_stale()
    }

    /// Rows of digests that have begun, to be added before any cursor is stored; [`Self::stored_begun`] when they were.
    pub fn begun_digests(&self) -> Vec<LagPosition> {
        self.lagging.begun()
    }

    /// Takes note that rows were added.
    pub fn stored_begun(&mut self, rows: &[LagPosition]) {
        self.lagging.stored_begun(rows);
    }

    /// Rows to be changed and to be removed; [`Self::stored_lagging`] when they were.
    pub fn lagging_changes(&self) -> (Vec<LagPosition>, Vec<SubscriptionKey>) {
        self.lagging.changes()
    }

    /// Takes note that rows were stored.
    pub fn stored_lagging(&mut self, moves: &[LagPosition], ended: &[SubscriptionKey]) {
        self.lagging.stored(moves, ended);
        // The last one may have been all that kept a deleted node.
        self.has_ended_nodes |= !ended.is_empty();
    }

    /// Sends a lagging subscription what was asked for. `target` was read after the events, so that its standing is
    /// as new as they are; `None` if the subscription has ended or is parked. `rosters` are those of the node's owners,
    /// where they decide; `below` is what is known of the nodes that events of a collection are about.
    pub fn feed(
        &mut self,
        key: SubscriptionKey,
        target: Option<DeliveryTarget>,
        rosters: &[Arc<Roster>],
        below: &Below,
        events: &[Arc<Event>],
        sink: &mut dyn NotificationSink,
    ) {
        let Some(mut target) = target else { return self.lagging.end(key) };
        let Some(link) = self.link else { return self.lagging.interrupt(key) };
        if self.lagging.of(key.node).is_some_and(|lagging| lagging.epoch() != target.head.epoch) {
            return self.lagging.set_aside_outdated(key, self.now_ms + PAUSE_MS);
        }
        give_standing(&mut target.recipient, &self.admins);
        let end_seq = self.common(key).map_or(target.head.seq, |common| common.sent_seq);
        let DeliveryTarget { node, name, config, head, recipient, .. } = target;
        let node = DeliveryNode { id: node, name, epoch: head.epoch, config, owners: None };
        let availability = availability(&recipient, &node.config, Some(&self.presence));
        if availability == Availability::Unknown {
            return self.lagging.rest(key, self.now_ms + PAUSE_MS);
        }
        let is_there = availability == Availability::Online;
        let subscription = &recipient.subscription;
        let digest_ms = subscription.options.digest_ms().filter(|_| !node.is_transient());
        self.lagging.note_digest(key, digest_ms);
        let due = events.iter().take_while(|event| event.seq <= end_seq).filter_map(|event| {
            let is_due = is_there && is_due(&recipient, &node, rosters, below, event);
            let due_after_seq = event.due_after_seq.filter(|_| is_due)?;
            Some((Arc::clone(event), due_after_seq.max(subscription.since_seq)))
        });
        for message in messages(due, digest_ms.is_some()) {
            let Some((event, earlier)) = message.events.split_last() else { continue };
            let hand_off = HandOff { link, ticket: self.last_ticket + 1 };
            let delivery = Delivery {
                hand_off,
                node: &node,
                event,
                source: below.source_of(event),
                earlier,
                subscription,
                sub_ids: subscription.sub_id.as_slice(),
                after_seq: message.after_seq,
                is_late: true,
            };
            if sink.try_send(&delivery) == Err(SinkFull) {
                self.sink_full = true;
                return self.lagging.interrupt(key);
            }
            self.last_ticket = hand_off.ticket;
            for event in &message.events {
                let is_first = self.lagging.sent(key, event.seq);
                self.repeats += u64::from(!is_first);
            }
        }
        // Without any, retention has removed all of it; the subscriber sees that from the next `after`.
        let window_end_seq = events.last().map_or(end_seq, |last| last.seq.min(end_seq));
        self.lagging.sent(key, window_end_seq);
        self.lagging.await_proof(key, self.last_ticket, window_end_seq >= end_seq, self.now_ms);
    }

    /// The next lagging subscription with something to get.
    pub(super) fn next_to_feed(&mut self) -> Option<Need> {
        while self.link.is_some()
            && !self.sink_full
            && let Some((key, after_seq, events_max)) = self.lagging.take_ready()
        {
            if !self.resumption.has_resumed(key.node) {
                self.lagging.rest(key, self.now_ms + PAUSE_MS);
            } else if self.common(key).is_some_and(|common| common.sent_seq <= after_seq) {
                self.lagging.await_proof(key, self.last_ticket, true, self.now_ms);
            } else if !self.lagging.awaits_digest(key, self.now_ms) {
                return Some(Need::Lagging { key, after_seq, events_max });
            }
        }
        None
    }

    /// Takes note that a lagging subscription's window could not be read.
    pub(super) fn feeding_failed(&mut self, key: SubscriptionKey, for_good: bool) {
        let pause_ms = if for_good { self.lagging.bounds().backoff_ms_max } else { PAUSE_MS };
        self.lagging.rest(key, self.now_ms + pause_ms);
    }

    /// How far the node's cursor has come for the subscription, as far as that is in memory.
    fn common(&self, key: SubscriptionKey) -> Option<Common> {
        let delivery = self.nodes.get(&key.node)?;
        let of = |at: Position| at.through_seq + u64::from(at.through_subscription >= key.subscription);
        Some(Common { sent_seq: of(delivery.sent), proven_seq: of(delivery.proven) })
    }

    /// Where a row begins when an event has come back from a subscription that did not lag.
    pub(in super::super) fn taken_before(&self, key: SubscriptionKey, bounced_seq: Seq) -> Seq {
        taken_before(bounced_seq, self.common(key))
    }
}
