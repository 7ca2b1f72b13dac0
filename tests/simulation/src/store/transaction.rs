use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use bus_domain::idempotency::KeptRequest;
use bus_domain::quota::UsageKey;
use bus_domain::retract::StoredItem;
use bus_domain::subscribe::Existing;
use bus_domain::{
    Affiliation, BareJid, Event, ItemId, NodeConfig, NodeId, NodeName, Redirect, RedirectUri, Seq,
    Subscription, SubscriptionId,
};
use bus_store::{
    BatchId, EpochRenewal, Head, HeadAdvance, HeadAfter, ItemPointer, LockMode, NodeRow, NodeStore as _,
    RemovedItem, RenewedHead, StoreError, SubscriptionKey, Transaction,
};

mod committing;
mod idempotency;

use super::{CommitFate, NodeRows, SimulatedStore};

/// A write transaction: copies of the rows that it touches, and locks.
#[derive(Debug)]
pub(super) struct SimulatedTransaction {
    store: SimulatedStore,
    id: u64,
    changed: BTreeMap<NodeId, NodeRows>,
    batches: Vec<[u8; 16]>,
    /// Where cursors go back to.
    set_back: BTreeMap<NodeId, Seq>,
    /// What becomes of subscriptions that are told of apart from their nodes.
    wellbeing: Vec<(SubscriptionKey, Wellbeing)>,
    /// By how much what somebody has moves.
    usage: Vec<(UsageKey, i64)>,
    /// Where nodes have moved, and how many such are kept of a creator and in all.
    redirects: Vec<(Redirect, [u32; 2])>,
    /// Requests that are to be kept.
    kept_requests: Vec<KeptRequest>,
}

/// What becomes of a subscription.
#[derive(Debug, Clone, Copy)]
enum Wellbeing {
    Ended,
    Parked,
    Revived,
}

impl SimulatedTransaction {
    pub(super) fn new(store: SimulatedStore, id: u64) -> Self {
        Self {
            store,
            id,
            changed: BTreeMap::new(),
            batches: Vec::new(),
            set_back: BTreeMap::new(),
            wellbeing: Vec::new(),
            usage: Vec::new(),
            redirects: Vec::new(),
            kept_requests: Vec::new(),
        }
    }

    /// Fails when it is the turn of a fault.
    fn call(&self) -> Result<(), StoreError> {
        let mut disk = self.store.up()?;
        match disk.faults.call {
            Some((0, fault)) => {
                disk.faults.call = None;
                Err(fault.into())
            }
            Some((calls, fault)) => {
                disk.faults.call = Some((calls - 1, fault));
                Ok(())
            }
            None => Ok(()),
        }
    }

    fn note(&mut self, node: NodeId, subscription: SubscriptionId, wellbeing: Wellbeing) {
        self.wellbeing.push((SubscriptionKey { node, subscription }, wellbeing));
    }

    /// A node's rows, to be changed.
    fn rows(&mut self, node: NodeId) -> Option<&mut NodeRows> {
        let rows = self.seen(node)?;
        Some(self.changed.entry(node).or_insert(rows))
    }
}

#[async_trait]
impl Transaction for SimulatedTransaction {
    /// Nothing waits here: who would have to has waited for too long already.
    async fn lock_heads(&mut self, nodes: &[NodeId], mode: LockMode) -> Result<Vec<NodeId>, StoreError> {
        self.call()?;
        let mut disk = self.store.disk();
        let id = self.id;
        let is_free = |node: &NodeId| disk.locks.get(node).is_none_or(|holder| *holder == id);
        let free: Vec<NodeId> = nodes.iter().copied().filter(is_free).collect();
        if mode == LockMode::Wait && free.len() < nodes.len() {
            return Ok(Vec::new());
        }
        disk.locks.extend(free.iter().map(|node| (*node, id)));
        Ok(free)
    }

    async fn advance_heads(&mut self, advances: &[HeadAdvance]) -> Result<Vec<HeadAfter>, StoreError> {
        self.call()?;
        let any_version = self.store.disk().faults.ignores_rules_version;
        let step = |advance: &HeadAdvance| {
            let is_current =
                any_version || self.seen(advance.node)?.head.rules_version == advance.rules_version;
            if is_current { Some(self.rows(advance.node)?.advance(advance.node, advance)) } else { None }
        };
        Ok(advances.iter().filter_map(step).collect())
    }

    async fn head_seqs(&mut self, nodes: &[NodeId]) -> Result<Vec<(NodeId, Seq)>, StoreError> {
        self.call()?;
        Ok(nodes.iter().filter_map(|node| Some((*node, self.seen(*node)?.head.seq))).collect())
    }

    async fn append_events(&mut self, events: &[(NodeId, Event)]) -> Result<(), StoreError> {
        self.call()?;
        for (node, event) in events {
            if let Some(rows) = self.rows(*node) {
                let before = rows.events.insert(event.seq, Arc::new(event.clone()));
                assert!(before.is_none(), "position {} of {node:?} is taken: {before:?}", event.seq);
            }
        }
        Ok(())
    }

    async fn place_items(&mut self, pointers: &[ItemPointer]) -> Result<(), StoreError> {
        self.call()?;
        for ItemPointer { node, item_id, seq, created_seq } in pointers {
            if let Some(rows) = self.rows(*node) {
                let before = rows.items.insert(item_id.clone(), *seq);
                assert!(before.is_none(), "item {item_id} of {node:?} is there: {before:?}");
                match created_seq {
                    Some(created_seq) => rows.created.insert(item_id.clone(), *created_seq),
                    None => rows.created.remove(item_id),
                };
            }
        }
        Ok(())
    }

    async fn find_items(&mut self, node: NodeId, ids: &[ItemId]) -> Result<Vec<StoredItem>, StoreError> {
        self.call()?;
        let Some(rows) = self.seen(node) else { return Ok(Vec::new()) };
        let stored = |id: &ItemId| {
            let seq = *rows.items.get(id).filter(|seq| **seq > rows.purged_through_seq)?;
            Some(stored_item(rows.events.get(&seq)?, id.clone()))
        };
        Ok(ids.iter().filter_map(stored).collect())
    }

    async fn oldest_items(&mut self, node: NodeId, items_max: u64) -> Result<Vec<StoredItem>, StoreError> {
        self.call()?;
        let oldest = self.seen(node).map(|rows| rows.items_in_order(None)).unwrap_or_default().into_iter();
        let oldest = oldest.take(usize::try_from(items_max).unwrap_or(usize::MAX));
        Ok(oldest.filter_map(|item| Some(stored_item(&item, item.kind.item_id()?.clone()))).collect())
    }

    async fn count_items(&mut self, node: NodeId) -> Result<u64, StoreError> {
        self.call()?;
        Ok(self.seen(node).map_or(0, |rows| rows.item_count))
    }

    async fn last_item(
        &mut self,
        node: NodeId,
        expired_through_ms: Option<i64>,
    ) -> Result<Option<Event>, StoreError> {
        self.call()?;
        Ok(self.seen(node).and_then(|rows| rows.items_in_order(expired_through_ms).pop()))
    }

    async fn note_retracted(&mut self, node: NodeId, events: &[(Seq, Seq)]) -> Result<(), StoreError> {
        self.call()?;
        if let Some(rows) = self.rows(node) {
            rows.retracted.extend(events.iter().map(|(seq, retraction)| (*retraction, *seq)));
        }
        Ok(())
    }

    async fn remove_items(&mut self, items: &[(NodeId, ItemId)]) -> Result<Vec<RemovedItem>, StoreError> {
        self.call()?;
        let remove = |(node, id): &(NodeId, ItemId)| {
            let rows = self.rows(*node)?;
            let seq = rows.items.remove(id)?;
            let created_seq = rows.created.remove(id).unwrap_or(seq);
            let removed = RemovedItem { node: *node, item_id: id.clone(), created_seq };
            (seq > rows.purged_through_seq).then_some(removed)
        };
        Ok(items.iter().filter_map(remove).collect())
    }

    async fn remove_oldest_items(&mut self, node: NodeId, count: u64) -> Result<(), StoreError> {
        self.call()?;
        let Some(rows) = self.rows(node) else { return Ok(()) };
        let oldest = rows.items_in_order(None).into_iter().take(usize::try_from(count).unwrap_or(usize::MAX));
        for item in oldest {
            rows.items.retain(|_, seq| *seq != item.seq);
        }
        Ok(())
    }

    async fn lower_item_counts(&mut self, counts: &[(NodeId, u64)]) -> Result<(), StoreError> {
        self.call()?;
        for (node, count) in counts {
            if let Some(rows) = self.rows(*node) {
                rows.item_count -= count;
            }
        }
        Ok(())
    }

    /// A database would wait for another transaction that takes the name; here it says at once that it is in the way.
    async fn insert_node(&mut self, node: &NodeRow) -> Result<Option<NodeId>, StoreError> {
        self.call()?;
        let mut disk = self.store.disk();
        let has_name = |rows: &NodeRows| rows.deleted_at_ms.is_none() && rows.row.name == node.name;
        if disk.nodes.values().chain(self.changed.values()).any(has_name) {
            return Ok(None);
        }
        let holder = *disk.reserved.entry(node.name.to_string()).or_insert(self.id);
        if holder != self.id {
            return Err(super::Fault::Unavailable.into());
        }
        disk.last_node += 1;
        let id = NodeId(disk.last_node);
        drop(disk);
        self.changed.insert(id, NodeRows::new(node));
        Ok(Some(id))
    }

    async fn find_redirect(&mut self, name: &NodeName) -> Result<Option<RedirectUri>, StoreError> {
        self.call()?;
        self.store.find_redirect(name).await
    }

    async fn put_redirect(
        &mut self,
        redirect: &Redirect,
        kept_of_creator: u32,
        kept_in_all: u32,
    ) -> Result<(), StoreError> {
        self.call()?;
        self.redirects.push((redirect.clone(), [kept_of_creator, kept_in_all]));
        Ok(())
    }

    async fn retire_node(&mut self, node: NodeId, deleted_at_ms: i64) -> Result<(), StoreError> {
        self.call()?;
        if let Some(rows) = self.rows(node) {
            rows.deleted_at_ms = Some(deleted_at_ms);
        }
        Ok(())
    }

    async fn put_config(&mut self, node: NodeId, config: &NodeConfig) -> Result<(), StoreError> {
        self.call()?;
        if let Some(rows) = self.rows(node) {
            rows.row.config = config.clone();
        }
        Ok(())
    }

    async fn put_affiliations(
        &mut self,
        node: NodeId,
        entries: &[(BareJid, Affiliation)],
    ) -> Result<(), StoreError> {
        self.call()?;
        if let Some(rows) = self.rows(node) {
            rows.affiliations.extend(entries.iter().cloned());
            rows.affiliations.retain(|_, affiliation| *affiliation != Affiliation::None);
        }
        Ok(())
    }

    async fn existing_subscriptions(
        &mut self,
        node: NodeId,
        subscriber: &BareJid,
    ) -> Result<Existing, StoreError> {
        self.call()?;
        let Some(rows) = self.seen(node) else {
            return Ok(Existing { of_bare: Vec::new(), health: Vec::new(), in_all: 0 });
        };
        let of_bare = rows.subscriptions.values().filter(|one| one.jid.to_bare() == *subscriber);
        let of_bare: Vec<Subscription> = of_bare.cloned().collect();
        let disk = self.store.disk();
        let health = |one: &Subscription| {
            let key = SubscriptionKey { node, subscription: one.id };
            (one.id, disk.health.get(&key).copied().unwrap_or_default())
        };
        Ok(Existing {
            health: of_bare.iter().map(health).collect(),
            of_bare,
            in_all: rows.subscription_count,
        })
    }

    async fn subscriptions_among(
        &mut self,
        node: NodeId,
        subscribers: &[BareJid],
    ) -> Result<Vec<Subscription>, StoreError> {
        self.call()?;
        let of_node = self.rows(node).map(|rows| rows.subscriptions.values().cloned().collect::<Vec<_>>());
        let is_among = |it: &Subscription| subscribers.contains(&it.jid.to_bare());
        Ok(of_node.unwrap_or_default().into_iter().filter(is_among).collect())
    }

    async fn insert_subscriptions(
        &mut self,
        node: NodeId,
        subscriptions: &[Subscription],
    ) -> Result<(), StoreError> {
        self.call()?;
        if let Some(rows) = self.rows(node) {
            for subscription in subscriptions {
                let before = rows.subscriptions.insert(subscription.id, subscription.clone());
                assert!(before.is_none(), "subscription {:?} of {node:?} is there", subscription.id);
            }
        }
        Ok(())
    }

    async fn remove_subscriptions(
        &mut self,
        node: NodeId,
        subscriptions: &[SubscriptionId],
    ) -> Result<(), StoreError> {
        self.call()?;
        for subscription in subscriptions {
            if let Some(rows) = self.rows(node) {
                rows.subscriptions.remove(subscription);
            }
            self.note(node, *subscription, Wellbeing::Ended);
        }
        Ok(())
    }

    async fn park_subscription(
        &mut self,
        node: NodeId,
        subscription: SubscriptionId,
        _parked_at_ms: i64,
    ) -> Result<(), StoreError> {
        self.call()?;
        self.note(node, subscription, Wellbeing::Parked);
        Ok(())
    }

    async fn continue_subscription(
        &mut self,
        node: NodeId,
        subscription: &Subscription,
    ) -> Result<(), StoreError> {
        self.call()?;
        if let Some(rows) = self.rows(node) {
            rows.subscriptions.insert(subscription.id, subscription.clone());
        }
        self.note(node, subscription.id, Wellbeing::Revived);
        Ok(())
    }

    async fn lock_usage(
        &mut self,
        keys: &[UsageKey],
        mode: LockMode,
    ) -> Result<Vec<(UsageKey, u64)>, StoreError> {
        self.call()?;
        let mut disk = self.store.disk();
        let id = self.id;
        let is_free = |key: &&UsageKey| disk.usage_locks.get(*key).is_none_or(|holder| *holder == id);
        let free: Vec<UsageKey> = keys.iter().filter(is_free).cloned().collect();
        if mode == LockMode::Wait && free.len() < keys.len() {
            return Ok(Vec::new());
        }
        disk.usage_locks.extend(free.iter().map(|key| (key.clone(), id)));
        let count = |key: &UsageKey| disk.usage.get(key).copied().unwrap_or_default();
        Ok(free.into_iter().map(|key| (key.clone(), count(&key).unsigned_abs())).collect())
    }

    async fn move_usage(&mut self, moves: &[(UsageKey, i64)]) -> Result<(), StoreError> {
        self.call()?;
        self.usage.extend(moves.iter().cloned());
        Ok(())
    }

    async fn record_batch(&mut self, id: BatchId, _committed_at_ms: i64) -> Result<(), StoreError> {
        self.call()?;
        self.batches.push(id.0);
        Ok(())
    }

    async fn renew_epochs(&mut self, renewals: &[EpochRenewal]) -> Result<Vec<RenewedHead>, StoreError> {
        self.call()?;
        let mut renewed = Vec::new();
        for EpochRenewal { node, epoch, last_seq } in renewals {
            let Some(rows) = self.rows(*node) else { continue };
            let last_seq = rows.renew(*epoch, *last_seq);
            let Head { rules_version, recipients_version, .. } = rows.head;
            renewed.push(RenewedHead { node: *node, rules_version, recipients_version });
            self.set_back.insert(*node, last_seq);
        }
        Ok(renewed)
    }

    async fn commit(mut self: Box<Self>) -> Result<(), StoreError> {
        let store = self.store.clone();
        let mut disk = store.up()?;
        match std::mem::take(&mut disk.faults.commit) {
            CommitFate::Done => {
                self.write_to(&mut disk);
                Ok(())
            }
            CommitFate::Fails(fault) => Err(fault.into()),
            CommitFate::Unknown { is_there } => {
                if is_there {
                    self.write_to(&mut disk);
                }
                Err(StoreError::OutcomeUnknown { source: "as told".into() })
            }
        }
    }
}

impl Drop for SimulatedTransaction {
    fn drop(&mut self) {
        let mut disk = self.store.disk();
        disk.locks.retain(|_, holder| *holder != self.id);
        disk.usage_locks.retain(|_, holder| *holder != self.id);
        disk.reserved.retain(|_, holder| *holder != self.id);
    }
}

fn stored_item(event: &Event, id: ItemId) -> StoredItem {
    let Event { seq, published_at_ms, .. } = *event;
    StoredItem { id, seq, publisher: event.publisher.clone(), published_at_ms }
}
