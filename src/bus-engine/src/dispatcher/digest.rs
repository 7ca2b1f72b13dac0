//! Digests (XEP-0060 §16.4.2): which events go out together.

use std::collections::HashSet;
use std::sync::Arc;

use bus_domain::{Event, EventKind, ItemId, Seq, Subscription, SubscriptionId};

use super::lagging::LaggingOfNode;

/// Events in one message.
const EVENTS_MAX: usize = 100;
/// Bytes of events in one message, unless it is one alone: below what servers take from a client (256 KiB).
const BYTES_MAX: usize = 128 * 1024;

/// What one message carries.
#[derive(Debug)]
pub(super) struct Message {
    /// At least one, in order, of one node: all published, all taken back, or one of another kind.
    pub(super) events: Vec<Arc<Event>>,
    /// The event before the first of them that was due to the recipient.
    pub(super) after_seq: Seq,
    items: HashSet<ItemId>,
    bytes: usize,
}

/// Puts events that are due, each with the one before it, into messages: neighbours together in a digest, else each alone.
/// No message names an item twice.
pub(super) fn messages(due: impl Iterator<Item = (Arc<Event>, Seq)>, is_digest: bool) -> Vec<Message> {
    let mut messages: Vec<Message> = Vec::new();
    for (event, after_seq) in due {
        if let Some(last) = messages.last_mut().filter(|last| is_digest && last.takes(&event)) {
            last.add(event);
        } else {
            let mut message = Message { events: Vec::new(), after_seq, items: HashSet::new(), bytes: 0 };
            message.add(event);
            messages.push(message);
        }
    }
    messages
}

impl Message {
    fn takes(&self, event: &Event) -> bool {
        let is_alike = self.events.last().is_some_and(|last| {
            let of = |event: &Event| event.kind.source().map(|source| source.node);
            let is_of_kind = matches!(
                (last.kind.told(), event.kind.told()),
                (EventKind::Published { .. }, EventKind::Published { .. })
                    | (EventKind::Retracted { .. }, EventKind::Retracted { .. })
            );
            is_of_kind && of(last) == of(event)
        });
        is_alike
            && self.events.len() < EVENTS_MAX
            && self.bytes + event.weight_bytes() <= BYTES_MAX
            && event.kind.item_id().is_some_and(|id| !self.items.contains(id))
    }

    fn add(&mut self, event: Arc<Event>) {
        self.bytes += event.weight_bytes();
        self.items.extend(event.kind.item_id().cloned());
        self.events.push(event);
    }
}

/// Who is left aside when an event goes to a node's recipients.
#[derive(Debug)]
pub(super) struct Aside<'a> {
    lagging: Option<&'a LaggingOfNode>,
    /// Digests that may begin.
    room: usize,
    /// Those that begin with the event, and how often they come, in the order of their subscriptions.
    begun: Vec<(SubscriptionId, u64)>,
}

impl<'a> Aside<'a> {
    pub(super) fn new(lagging: Option<&'a LaggingOfNode>, room: usize) -> Self {
        Self { lagging, room, begun: Vec::new() }
    }

    /// Whether the event does not go to this subscription now.
    pub(super) fn has(&self, subscription: &Subscription) -> bool {
        let id = subscription.id;
        self.lagging.is_some_and(|lagging| lagging.skips(id))
            || self.wants_digest(subscription)
            || self.begun.binary_search_by_key(&id, |(begun, _)| *begun).is_ok()
    }

    /// Whether a digest would begin with an event that is due to it. Where too many have begun, events go out at once.
    pub(super) fn wants_digest(&self, subscription: &Subscription) -> bool {
        self.room > 0
            && subscription.options.digest_ms().is_some()
            && !self.lagging.is_some_and(|lagging| lagging.has(subscription.id))
    }

    /// Has a digest begin.
    pub(super) fn begin(&mut self, subscription: &Subscription) {
        let frequency_ms = subscription.options.digest_ms().unwrap_or_default();
        self.begun.push((subscription.id, frequency_ms));
        self.room -= 1;
    }

    pub(super) fn into_begun(self) -> Vec<(SubscriptionId, u64)> {
        self.begun
    }
}

#[cfg(test)]
mod tests {
    use bus_domain::{Jid, Payload};

    use super::*;

    fn event(seq: Seq, kind: EventKind) -> (Arc<Event>, Seq) {
        let publisher = Jid::new("a@example.org").unwrap();
        let (published_at_ms, recipients_version) = (0, 1);
        let event =
            Event { seq, kind, publisher, published_at_ms, recipients_version, due_after_seq: Some(seq - 1) };
        (Arc::new(event), seq - 1)
    }

    fn published(seq: Seq, id: &str, bytes: usize) -> (Arc<Event>, Seq) {
        let payload = Some(Payload::from_serialised("x".repeat(bytes)));
        event(seq, EventKind::Published { item_id: ItemId::new(id).unwrap(), payload })
    }

    fn retracted(seq: Seq, id: &str) -> (Arc<Event>, Seq) {
        event(seq, EventKind::Retracted { item_id: ItemId::new(id).unwrap() })
    }

    fn grouped(events: Vec<(Arc<Event>, Seq)>, is_digest: bool) -> Vec<(Vec<Seq>, Seq)> {
        let seqs = |message: Message| message.events.iter().map(|event| event.seq).collect();
        messages(events.into_iter(), is_digest)
            .into_iter()
            .map(|message| (message.after_seq, message))
            .map(|(after, message)| (seqs(message), after))
            .collect()
    }

    #[test]
    fn neighbours_of_one_kind_go_together() {
        let log = || {
            let purged = event(6, EventKind::Purged);
            vec![published(1, "a", 1), published(2, "b", 1), retracted(4, "a"), retracted(5, "b"), purged]
        };
        assert_eq!(grouped(log(), true), [(vec![1, 2], 0), (vec![4, 5], 3), (vec![6], 5)]);
        let alone = grouped(log(), false);
        assert_eq!(alone, [(vec![1], 0), (vec![2], 1), (vec![4], 3), (vec![5], 4), (vec![6], 5)]);
    }

    #[test]
    fn a_message_is_bounded_and_names_no_item_twice() {
        let twice = vec![published(1, "a", 1), published(2, "a", 1), published(3, "b", 1)];
        assert_eq!(grouped(twice, true), [(vec![1], 0), (vec![2, 3], 1)]);
        let big =
            vec![published(1, "a", BYTES_MAX), published(2, "b", 1), published(3, "c", BYTES_MAX - 300)];
        assert_eq!(grouped(big, true), [(vec![1], 0), (vec![2], 1), (vec![3], 2)]);
        let many = (1..=250).map(|seq| published(seq, &seq.to_string(), 1)).collect();
        let sizes: Vec<_> = grouped(many, true).into_iter().map(|(seqs, _)| seqs.len()).collect();
        assert_eq!(sizes, [100, 100, 50]);
    }
}
