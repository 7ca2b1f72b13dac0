use bus_domain::quota::{Counted, UsageChange};
use bus_domain::{
    AccessModel, Actor, BareJid, Epoch, Event, EventKind, ItemId, Jid, NodeConfig, NodeFacts, NodeId,
    NodeName, Payload, Role, Seq,
};
use bus_store::{CommitLevel, HeadAdvance, HeadAfter, ItemPointer, LockMode, NodeRow, Store, Transaction};

use crate::usage::lock_and_move;

/// When an event of position 0 would have been committed.
pub(crate) const FIRST_SECOND_MS: i64 = 1_700_000_000_000;

/// The first life of every log.
pub(crate) const EPOCH: Epoch = Epoch(u64::MAX - 1);

/// Creator and owner of every node.
const OWNER: &str = "owner@example.org";

/// Writes rows the way the engine does, for cases to read.
pub(crate) struct Fixture<'a> {
    store: &'a dyn Store,
}

impl<'a> Fixture<'a> {
    /// On this store.
    pub(crate) fn new(store: &'a dyn Store) -> Self {
        Self { store }
    }

    /// A transaction.
    pub(crate) async fn begin(&self) -> Box<dyn Transaction> {
        self.store.begin(CommitLevel::Fsync).await.expect("a transaction")
    }

    /// Makes a node of `owner@example.org`.
    pub(crate) async fn node(&self, name: &str) -> NodeFacts {
        let mut transaction = self.begin().await;
        transaction.insert_node(&row(name)).await.expect("insert").expect("a free name");
        count(&mut *transaction, Counted::Nodes, bare(OWNER), 1).await;
        transaction.commit().await.expect("commit");
        self.facts(name).await
    }

    /// Makes a node that is closed to strangers.
    pub(crate) async fn closed_node(&self, name: &str) {
        let mut row = row(name);
        row.config.access_model = AccessModel::Whitelist;
        let mut transaction = self.begin().await;
        transaction.insert_node(&row).await.expect("insert").expect("a free name");
        count(&mut *transaction, Counted::Nodes, bare(OWNER), 1).await;
        transaction.commit().await.expect("commit");
    }

    /// The facts of a node.
    pub(crate) async fn facts(&self, name: &str) -> NodeFacts {
        let name = NodeName::new(name).expect("a name");
        self.store.find_node(&name).await.expect("a read").expect("a node")
    }

    /// Publishes items with payloads of so many bytes, each in a transaction of its own.
    pub(crate) async fn publish(&self, node: NodeId, ids: &[&str], payload_bytes: usize) -> Seq {
        let mut seq = 0;
        for id in ids {
            let mut transaction = self.begin().await;
            let item_id = item_id(id);
            let overwritten = transaction.remove_items(&[(node, item_id.clone())]).await.expect("remove");
            let created_seq = overwritten.first().map(|item| item.created_seq);
            let event = published(0, id, payload_bytes, 0);
            let bytes = event.kind.payload().map_or(0, Payload::len_bytes) as u64;
            let step = HeadAdvance { items: 1, payload_bytes: bytes, ..events(node, 1) };
            let head = advance(&mut *transaction, step).await;
            seq = head.seq;
            let event = published(seq, id, payload_bytes, head.due_before_seq);
            transaction.append_events(&[(node, event)]).await.expect("append");
            transaction.place_items(&[ItemPointer { node, item_id, seq, created_seq }]).await.expect("place");
            transaction.lower_item_counts(&[(node, overwritten.len() as u64)]).await.expect("lower");
            transaction.commit().await.expect("commit");
        }
        seq
    }

    /// Takes an item back; its event is to be blanked.
    pub(crate) async fn retract(&self, node: NodeId, id: &str) -> Seq {
        let mut transaction = self.begin().await;
        let stored = transaction.find_items(node, &[item_id(id)]).await.expect("items");
        let head = advance(&mut *transaction, events(node, 1)).await;
        let kind = EventKind::Retracted { item_id: item_id(id) };
        let event = Event { kind, ..published(head.seq, id, 0, head.due_before_seq) };
        transaction.append_events(&[(node, event)]).await.expect("append");
        let removed = transaction.remove_items(&[(node, item_id(id))]).await.expect("remove");
        transaction.lower_item_counts(&[(node, removed.len() as u64)]).await.expect("lower");
        transaction.note_retracted(node, &[(stored[0].seq, head.seq)]).await.expect("note");
        transaction.commit().await.expect("commit");
        head.seq
    }

    /// Removes all items.
    pub(crate) async fn purge(&self, node: NodeId) -> Seq {
        let mut transaction = self.begin().await;
        let head = advance(&mut *transaction, HeadAdvance { purge: true, ..events(node, 1) }).await;
        assert_eq!(head.item_count, 0);
        let event = Event { kind: EventKind::Purged, ..published(head.seq, "x", 0, head.due_before_seq) };
        transaction.append_events(&[(node, event)]).await.expect("append");
        transaction.commit().await.expect("commit");
        head.seq
    }

    /// Subscribes an address.
    pub(crate) async fn subscribe(&self, node: NodeId, address: &str) -> bus_domain::Subscription {
        let mut transaction = self.begin().await;
        let step = HeadAdvance { recipients_change: true, new_subscriptions: 1, ..events(node, 0) };
        let head = advance(&mut *transaction, step).await;
        let state = bus_domain::SubscriptionState::Subscribed;
        let subscription =
            bus_domain::Subscription::new(head.last_subscription, jid(address), state, head.seq);
        transaction.insert_subscriptions(node, std::slice::from_ref(&subscription)).await.expect("insert");
        count(&mut *transaction, Counted::Subscriptions, subscription.jid.to_bare(), 1).await;
        transaction.commit().await.expect("commit");
        subscription
    }

    /// Deletes a node the way the engine does: a last event, and the name is free.
    pub(crate) async fn delete(&self, node: NodeId) -> Seq {
        let mut transaction = self.begin().await;
        let head = advance(&mut *transaction, HeadAdvance { rules_change: true, ..events(node, 1) }).await;
        let event = Event {
            kind: EventKind::Deleted { redirect: None },
            ..published(head.seq, "x", 0, head.due_before_seq)
        };
        transaction.append_events(&[(node, event)]).await.expect("append");
        transaction.retire_node(node, 9).await.expect("retire");
        count(&mut *transaction, Counted::Nodes, bare(OWNER), -1).await;
        transaction.commit().await.expect("commit");
        head.seq
    }
}

/// Counts what somebody has.
async fn count(transaction: &mut dyn Transaction, counted: Counted, owner: BareJid, by: i64) {
    lock_and_move(transaction, &UsageChange { counted, owner, by }).await;
}

/// Moves one head that is there and of the first version of its rules.
pub(crate) async fn advance(transaction: &mut dyn Transaction, step: HeadAdvance) -> HeadAfter {
    assert_eq!(transaction.lock_heads(&[step.node], LockMode::Wait).await.expect("lock"), vec![step.node]);
    let heads = transaction.advance_heads(&[step]).await.expect("advance");
    assert_eq!(heads.len(), 1);
    heads[0]
}

/// An advance by so many events, the last of them due.
pub(crate) fn events(node: NodeId, events: u64) -> HeadAdvance {
    HeadAdvance {
        node,
        rules_version: 1,
        events,
        last_due_event: events,
        payload_bytes: 0,
        items: 0,
        purge: false,
        rules_change: false,
        recipients_change: false,
        new_subscriptions: 0,
        ended_subscriptions: 0,
    }
}

/// A publish event, committed a second after the one before.
pub(crate) fn published(seq: Seq, id: &str, payload_bytes: usize, due_after_seq: Seq) -> Event {
    let payload = format!("<a xmlns=''>{}</a>", "ä".repeat(payload_bytes / 2));
    Event {
        seq,
        kind: EventKind::Published {
            item_id: item_id(id),
            payload: (payload_bytes > 0).then(|| Payload::from_serialised(payload)),
        },
        publisher: jid("owner@example.org/\"quoted\" é"),
        published_at_ms: FIRST_SECOND_MS + seq.cast_signed() * 1_000,
        recipients_version: 1,
        due_after_seq: Some(due_after_seq),
    }
}

/// The row of a node of `owner@example.org`.
pub(crate) fn row(name: &str) -> NodeRow {
    NodeRow {
        name: NodeName::new(name).expect("a name"),
        epoch: EPOCH,
        owner: bare(OWNER),
        config: NodeConfig { items_max: 7, ..NodeConfig::default() },
        created_at_ms: 5,
    }
}

/// The ids of published events.
pub(crate) fn ids(events: &[Event]) -> Vec<&str> {
    events.iter().filter_map(|event| event.kind.item_id()).map(ItemId::as_str).collect()
}

pub(crate) fn item_id(text: &str) -> ItemId {
    ItemId::new(text).expect("an item id")
}

pub(crate) fn jid(text: &str) -> Jid {
    Jid::new(text).expect("a JID")
}

pub(crate) fn bare(text: &str) -> BareJid {
    Actor::new(jid(text), Role::User).bare().clone()
}
