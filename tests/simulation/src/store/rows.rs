use std::collections::BTreeMap;
use std::sync::Arc;

use bus_domain::{Affiliation, BareJid, Event, ItemId, NodeId, Seq, Subscription, SubscriptionId};
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
    /// As counted by the head.
    pub item_count: u64,
    /// As counted by the head.
    pub subscription_count: u64,
    /// The newest subscription's id.
    pub last_subscription: SubscriptionId,
    /// Standings.
    pub affiliations: BTreeMap<BareJid, Affiliation>,
    /// The log.
    pub events: BTreeMap<Seq, Arc<Event>>,
    /// Where item ids point.
    pub items: BTreeMap<ItemId, Seq>,
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
            item_count: 0,
            subscription_count: 0,
            last_subscription: SubscriptionId(0),
            affiliations: BTreeMap::from([(row.owner.clone(), Affiliation::Owner)]),
            events: BTreeMap::new(),
            items: BTreeMap::new(),
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

    /// The standing that is stored for an address.
    pub fn affiliation(&self, jid: &BareJid) -> Affiliation {
        self.affiliations.get(jid).copied().unwrap_or(Affiliation::None)
    }

    /// Items with their newest events, oldest first.
    pub fn items_in_order(&self) -> Vec<Event> {
        let mut seqs: Vec<Seq> = self.items.values().copied().collect();
        seqs.sort_unstable();
        seqs.iter().filter_map(|seq| self.events.get(seq)).map(|event| Event::clone(event)).collect()
    }

    /// Removes at most so many rows that a node may have any number of.
    pub fn remove_rows(&mut self, rows_max: u64) -> u64 {
        let mut removed = 0;
        while removed < rows_max
            && (self.items.pop_first().is_some()
                || self.events.pop_first().is_some()
                || self.subscriptions.pop_first().is_some()
                || self.affiliations.pop_first().is_some())
        {
            removed += 1;
        }
        removed
    }
}
