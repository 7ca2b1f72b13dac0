use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bus_domain::retrieve::ItemOrder;
use bus_domain::{
    Affiliation, BareJid, Epoch, Event, EventKind, ItemId, NodeId, Payload, Seq, Subscription, SubscriptionId,
};
use bus_store::{Head, HeadAdvance, HeadAfter, NodeRow};

/// Everything that is stored of a node, its cursors left out.
#[derive(Debug, Clone)]
pub struct NodeRows {
    /// As it was made.
    pub row: NodeRow,
    /// Set once the name is free again.
    pub deleted_at_ms: Option<i64>,
    /// Where the log stands.
    pub head: Head,
    /// The newest event that is due.
    pub last_due_seq: Seq,
    /// The newest purge.
    pub purged_through_seq: Seq,
    /// Bytes of payload in the log.
    pub log_bytes: u64,
    /// As counted by the head.
    pub item_count: u64,
    /// As counted by the head.
    pub subscription_count: u64,
    /// The newest subscription's id.
    pub last_subscription: SubscriptionId,
    /// Standings.
    pub affiliations: BTreeMap<BareJid, Affiliation>,
    /// The log, and what items of a trimmed part of it point at.
    pub events: BTreeMap<Seq, Arc<Event>>,
    /// Where item ids point, void ones included.
    pub items: BTreeMap<ItemId, Seq>,
    /// The events that made the items which were overwritten since.
    pub created: BTreeMap<ItemId, Seq>,
    /// (retraction, event) of payloads that are to be blanked.
    pub retracted: BTreeSet<(Seq, Seq)>,
    /// Subscriptions.
    pub subscriptions: BTreeMap<SubscriptionId, Subscription>,
}

impl NodeRows {
    /// A node with an empty log.
    pub fn new(row: &NodeRow) -> Self {
        Self {
            row: row.clone(),
            deleted_at_ms: None,
            head: Head {
                epoch: row.epoch,
                seq: 0,
                trimmed_through_seq: 0,
                rules_version: 1,
                recipients_version: 1,
            },
            last_due_seq: 0,
            purged_through_seq: 0,
            log_bytes: 0,
            item_count: 0,
            subscription_count: 0,
            last_subscription: SubscriptionId(0),
            affiliations: BTreeMap::from([(row.owner.clone(), Affiliation::Owner)]),
            events: BTreeMap::new(),
            items: BTreeMap::new(),
            created: BTreeMap::new(),
            retracted: BTreeSet::new(),
            subscriptions: BTreeMap::new(),
        }
    }

    /// Moves the head.
    pub fn advance(&mut self, node: NodeId, by: &HeadAdvance) -> HeadAfter {
        let due_before_seq = self.last_due_seq;
        if by.last_due_event > 0 {
            self.last_due_seq = self.head.seq + by.last_due_event;
        }
        self.head.seq += by.events;
        self.head.rules_version += u64::from(by.rules_change);
        self.head.recipients_version += u64::from(by.recipients_change);
        self.log_bytes += by.payload_bytes;
        if by.purge {
            self.item_count = 0;
            self.purged_through_seq = self.head.seq;
        }
        self.item_count += by.items;
        self.last_subscription.0 += by.new_subscriptions.cast_signed();
        self.subscription_count = self.subscription_count + by.new_subscriptions - by.ended_subscriptions;
        HeadAfter {
            node,
            seq: self.head.seq,
            due_before_seq,
            rules_version: self.head.rules_version,
            recipients_version: self.head.recipients_version,
            item_count: self.item_count,
            last_subscription: self.last_subscription,
        }
    }

    /// Begins a new life behind `last_seq`, or behind the head; says which it was.
    pub fn renew(&mut self, epoch: Epoch, last_seq: Seq) -> Seq {
        let last_seq = last_seq.min(self.head.seq);
        self.head.epoch = epoch;
        self.head.rules_version += 1;
        self.head.recipients_version += 1;
        for subscription in self.subscriptions.values_mut() {
            subscription.since_seq = subscription.since_seq.min(last_seq);
        }
        last_seq
    }

    /// The standing that is stored for an address.
    pub fn affiliation(&self, jid: &BareJid) -> Affiliation {
        self.affiliations.get(jid).copied().unwrap_or(Affiliation::None)
    }

    /// The log, from its oldest event on.
    pub fn log(&self) -> impl Iterator<Item = &Arc<Event>> {
        self.events.range(self.head.trimmed_through_seq + 1..).map(|(_, event)| event)
    }

    /// Items that no purge has taken, and that were published after a moment, with their newest events, oldest first.
    pub fn items_in_order(&self, expired_through_ms: Option<i64>) -> Vec<Event> {
        let is_live = |seq: &Seq| *seq > self.purged_through_seq;
        let mut seqs: Vec<Seq> = self.items.values().copied().filter(is_live).collect();
        seqs.sort_unstable();
        seqs.iter()
            .filter_map(|seq| self.events.get(seq))
            .filter(|event| expired_through_ms.is_none_or(|expired| event.published_at_ms > expired))
            .map(|event| Event::clone(event))
            .collect()
    }

    /// The position that an item is at in the order.
    pub fn place(&self, item: &Event, order: ItemOrder) -> Seq {
        let created = item.kind.item_id().and_then(|id| self.created.get(id));
        created.copied().filter(|_| order == ItemOrder::Creation).unwrap_or(item.seq)
    }

    /// Empties the payload of an event.
    pub fn blank(&mut self, seq: Seq) {
        let Some(event) = self.events.get_mut(&seq) else { return };
        let bytes = payload_bytes(event);
        if let EventKind::Published { payload, .. } = &mut Arc::make_mut(event).kind {
            *payload = None;
        }
        if seq > self.head.trimmed_through_seq {
            self.log_bytes -= bytes;
        }
    }

    /// Behind the old end of the log a row stays only for as long as an item points at it.
    pub fn drop_rows_without_items(&mut self) {
        let Self { events, items, head, .. } = self;
        let pointed: BTreeSet<Seq> = items.values().copied().collect();
        events.retain(|seq, _| *seq > head.trimmed_through_seq || pointed.contains(seq));
    }

    /// Removes at most so many rows that a node may have any number of.
    pub fn remove_rows(&mut self, rows_max: u64) -> u64 {
        let mut removed = 0;
        while removed < rows_max
            && (self.items.pop_first().is_some()
                || self.events.pop_first().is_some()
                || self.subscriptions.pop_first().is_some()
                || self.affiliations.pop_first().is_some()
                || self.retracted.pop_first().is_some())
        {
            removed += 1;
        }
        removed
    }
}

/// Bytes of an event's payload.
pub(super) fn payload_bytes(event: &Event) -> u64 {
    event.kind.payload().map_or(0, Payload::len_bytes) as u64
}
