//! The logs of nodes in memory: what [`RecentEvents`] holds of them is all that there is.

use std::collections::VecDeque;
use std::sync::Arc;

use bus_domain::{Event, NodeId, Seq, SubscriptionId};
use bus_store::Recipient;

use super::{RecentEvents, behind};

/// What is known of a node in memory beside its events. It stays for as long as the node is there: without it the node's
/// positions would start again.
#[derive(Debug, Default)]
pub(super) struct TransientLog {
    head_seq: Seq,
    /// The newest event that is due to subscribers.
    last_due_seq: Seq,
    /// From which subscription on only events behind which position are due, in the order of both. The store cannot
    /// know these positions: they would mean something else in the next process.
    joined: VecDeque<(SubscriptionId, Seq)>,
}

/// Where the log of a node in memory stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TransientHead {
    /// The newest event; 0 for an empty log.
    pub(crate) seq: Seq,
    /// Events up to here are gone.
    pub(crate) gone_through_seq: Seq,
}

impl RecentEvents {
    /// Gives events their positions, whatever they have there, and appends them. What is due follows what was due last.
    pub(crate) fn append_transient(&self, node: NodeId, events: Vec<Event>) -> Vec<Arc<Event>> {
        let inner = &mut *self.lock();
        let log = inner.transient.entry(node).or_default();
        let events: Vec<_> = events.into_iter().map(|event| Arc::new(log.number(event))).collect();
        inner.take(node, &events, self.bytes_max);
        events
    }

    /// Where the log stands; at its start if nothing was ever published.
    pub(crate) fn transient_head(&self, node: NodeId) -> TransientHead {
        self.lock().transient_head(node)
    }

    /// Events behind a position, from the oldest that is still there on.
    pub(crate) fn transient_after(&self, node: NodeId, seq: Seq, events_max: usize) -> Vec<Arc<Event>> {
        let inner = self.lock();
        let Some(events) = inner.nodes.get(&node) else { return Vec::new() };
        let gone_through_seq = events.front().map_or(seq, |oldest| oldest.seq - 1);
        behind(events, seq.max(gone_through_seq), events_max).unwrap_or_default()
    }

    /// Whether something was published on the node since this process began, and it is still there.
    pub(crate) fn has_transient(&self, node: NodeId) -> bool {
        self.lock().transient.contains_key(&node)
    }

    /// Takes note that a subscription begins now, and says where that is.
    pub(crate) fn join_transient(&self, node: NodeId, subscription: SubscriptionId) -> Seq {
        let inner = &mut *self.lock();
        let TransientHead { seq, gone_through_seq } = inner.transient_head(node);
        if let Some(log) = inner.transient.get_mut(&node) {
            while log.joined.pop_front_if(|(_, since_seq)| *since_seq <= gone_through_seq).is_some() {}
            if log.joined.back().is_none_or(|(_, since_seq)| *since_seq < seq) {
                log.joined.push_back((subscription, seq));
            }
        }
        seq
    }

    /// Gives recipients as the store has them the positions where their subscriptions began.
    pub(crate) fn give_since_seq(&self, node: NodeId, recipients: &mut [Recipient]) {
        let inner = self.lock();
        let Some(log) = inner.transient.get(&node) else { return };
        for Recipient { subscription, .. } in recipients {
            let behind = log.joined.partition_point(|(first, _)| *first <= subscription.id);
            if let Some((_, since_seq)) = behind.checked_sub(1).and_then(|index| log.joined.get(index)) {
                subscription.since_seq = *since_seq;
            }
        }
    }

    /// Forgets a node that is gone. Events that its readers have not seen yet stay until it is their turn to go.
    pub(crate) fn forget_transient(&self, node: NodeId) {
        self.lock().transient.remove(&node);
    }
}

impl TransientLog {
    fn number(&mut self, event: Event) -> Event {
        self.head_seq += 1;
        let due_after_seq =
            event.due_after_seq.map(|_| std::mem::replace(&mut self.last_due_seq, self.head_seq));
        Event { seq: self.head_seq, due_after_seq, ..event }
    }
}

impl super::Inner {
    fn transient_head(&self, node: NodeId) -> TransientHead {
        let seq = self.transient.get(&node).map_or(0, |log| log.head_seq);
        let oldest = self.nodes.get(&node).and_then(|events| events.front());
        TransientHead { seq, gone_through_seq: oldest.map_or(seq, |oldest| oldest.seq - 1) }
    }
}

#[cfg(test)]
mod tests {
    use bus_domain::{Affiliation, EventKind, Jid, Subscription, SubscriptionState};

    use super::*;

    const NODE: NodeId = NodeId(1);

    fn event(seq: Seq) -> Arc<Event> {
        Arc::new(Event {
            seq,
            kind: EventKind::Purged,
            publisher: Jid::new("a@example.org").unwrap(),
            published_at_ms: 0,
            recipients_version: 0,
            due_after_seq: Some(seq - 1),
        })
    }

    /// Memory for so many events.
    fn recent(events: usize) -> RecentEvents {
        RecentEvents::new(events * event(1).weight_bytes())
    }

    fn append(recent: &RecentEvents, count: u64) -> TransientHead {
        let events = (0..count).map(|_| Event::clone(&event(1))).collect();
        recent.append_transient(NODE, events);
        recent.transient_head(NODE)
    }

    fn since_seq(recent: &RecentEvents, subscription: i64) -> Seq {
        let jid = Jid::new("a@example.org").unwrap();
        let id = SubscriptionId(subscription);
        let subscription = Subscription::new(id, jid, SubscriptionState::Subscribed, 0);
        let mut recipients = [Recipient { subscription, affiliation: Affiliation::None }];
        recent.give_since_seq(NODE, &mut recipients);
        recipients[0].subscription.since_seq
    }

    #[test]
    fn a_log_goes_on_whatever_memory_has_lost_of_it() {
        let recent = recent(2);
        assert_eq!(recent.transient_head(NODE), TransientHead { seq: 0, gone_through_seq: 0 });
        assert_eq!(append(&recent, 3), TransientHead { seq: 3, gone_through_seq: 1 });
        let seqs = |after, events_max| {
            let events = recent.transient_after(NODE, after, events_max);
            events.iter().map(|event| event.seq).collect::<Vec<_>>()
        };
        assert_eq!((seqs(0, 9), seqs(0, 1), seqs(2, 9), seqs(3, 9)), (vec![2, 3], vec![2], vec![3], vec![]));
        recent.push(NodeId(2), &[event(1), event(2)]);
        assert_eq!(recent.transient_head(NODE), TransientHead { seq: 3, gone_through_seq: 3 });
        assert_eq!(append(&recent, 1), TransientHead { seq: 4, gone_through_seq: 3 });
        recent.forget_transient(NODE);
        assert!(!recent.has_transient(NODE));
    }

    #[test]
    fn what_is_due_follows_what_was_due_last() {
        let recent = recent(9);
        let dues = [true, false, false, true, true];
        let events = dues.map(|due| Event { due_after_seq: due.then_some(0), ..Event::clone(&event(9)) });
        let numbered = recent.append_transient(NODE, events.into());
        let positions: Vec<_> = numbered.iter().map(|event| (event.seq, event.due_after_seq)).collect();
        assert_eq!(positions, [(1, Some(0)), (2, None), (3, None), (4, Some(1)), (5, Some(4))]);
    }

    #[test]
    fn subscriptions_begin_where_the_log_was_then() {
        let recent = recent(9);
        append(&recent, 1);
        for (subscription, begins_at) in [(3, 1), (4, 1), (5, 2)] {
            assert_eq!(recent.join_transient(NODE, SubscriptionId(subscription)), begins_at);
            if subscription != 3 {
                append(&recent, 1);
            }
        }
        assert_eq!([2, 3, 4, 5, 6].map(|id| since_seq(&recent, id)), [0, 1, 1, 2, 2]);
    }

    #[test]
    fn beginnings_are_kept_as_long_as_there_is_something_from_before() {
        let recent = recent(2);
        for subscription in 1..1_000 {
            append(&recent, 1);
            recent.join_transient(NODE, SubscriptionId(subscription));
        }
        let kept = recent.lock().transient[&NODE].joined.len();
        assert!(kept <= 3, "{kept}");
        assert_eq!(since_seq(&recent, 999), 999);
    }
}
