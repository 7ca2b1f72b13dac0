use async_trait::async_trait;
use bus_domain::retention::{LogState, LoggedEvent};
use bus_domain::{NodeId, Seq};
use bus_store::{NodeRules, RetainedNode, RetainedPage, RetentionStore, StoreError};

use super::rows::payload_bytes;
use super::{Disk, Fault, NodeRows, SimulatedStore};

#[async_trait]
impl RetentionStore for SimulatedStore {
    async fn retained(&self, after: Option<NodeId>, nodes_max: u32) -> Result<RetainedPage, StoreError> {
        let disk = self.up()?;
        let nodes_max = nodes_max.max(1) as usize;
        let behind = disk
            .nodes
            .iter()
            .filter(|(id, rows)| after.is_none_or(|after| **id > after) && rows.deleted_at_ms.is_none());
        let nodes: Vec<_> = behind.take(nodes_max).map(|(id, rows)| retained(&disk, *id, rows)).collect();
        let next_after = nodes.last().map(|last| last.node).filter(|_| nodes.len() == nodes_max);
        Ok(RetainedPage { nodes, next_after })
    }

    async fn oldest_events(&self, node: NodeId, events_max: u32) -> Result<Vec<LoggedEvent>, StoreError> {
        let disk = self.up()?;
        let log = disk.nodes.get(&node).into_iter().flat_map(NodeRows::log);
        Ok(log.take(events_max as usize).map(|event| logged(event)).collect())
    }

    async fn trim_log(&self, node: NodeRules, through_seq: Seq, events_max: u32) -> Result<u64, StoreError> {
        self.change_ruled(node, |rows| {
            let from = rows.head.trimmed_through_seq;
            let bound = from.saturating_add(events_max.max(1).into());
            let through = through_seq.min(rows.head.seq).min(bound).max(from);
            let gone = rows.log().take_while(|event| event.seq <= through);
            let gone_bytes: u64 = gone.map(|event| payload_bytes(event)).sum();
            rows.log_bytes -= gone_bytes;
            rows.head.trimmed_through_seq = through;
            through - from
        })
    }

    async fn expire_items(
        &self,
        node: NodeRules,
        published_through_ms: i64,
        items_max: u32,
    ) -> Result<u64, StoreError> {
        self.change_ruled(node, |rows| {
            let oldest = rows.items_in_order(None).into_iter().take(items_max.max(1) as usize);
            let expired: Vec<Seq> = oldest
                .filter(|item| item.published_at_ms <= published_through_ms)
                .map(|item| item.seq)
                .collect();
            rows.items.retain(|_, seq| !expired.contains(seq));
            rows.item_count -= expired.len() as u64;
            expired.len() as u64
        })
    }

    async fn evict_items(&self, node: NodeRules, items_kept: u32, items_max: u32) -> Result<u64, StoreError> {
        self.change_ruled(node, |rows| {
            let excess = rows.item_count.saturating_sub(items_kept.into()).min(items_max.max(1).into());
            let oldest = rows.items_in_order(None).into_iter().zip(0..excess);
            let evicted: Vec<Seq> = oldest.map(|(item, _)| item.seq).collect();
            rows.items.retain(|_, seq| !evicted.contains(seq));
            rows.item_count -= evicted.len() as u64;
            evicted.len() as u64
        })
    }

    async fn sweep_purged(&self, node: NodeId, items_max: u32) -> Result<u64, StoreError> {
        self.change(node, |rows| {
            let mut void: Vec<Seq> =
                rows.items.values().copied().filter(|seq| *seq <= rows.purged_through_seq).collect();
            void.sort_unstable();
            void.truncate(items_max.max(1) as usize);
            rows.items.retain(|_, seq| !void.contains(seq));
            void.len() as u64
        })
    }

    async fn blank_retracted(
        &self,
        node: NodeId,
        retracted_through_seq: Seq,
        events_max: u32,
    ) -> Result<u64, StoreError> {
        self.change(node, |rows| {
            let mut blanked = 0;
            while blanked < u64::from(events_max.max(1))
                && let Some(&(retraction, seq)) = rows.retracted.first()
                && retraction <= retracted_through_seq
            {
                rows.retracted.pop_first();
                rows.blank(seq);
                blanked += 1;
            }
            blanked
        })
    }
}

impl SimulatedStore {
    /// The same, while the rules are still those.
    fn change_ruled(
        &self,
        NodeRules { node, rules_version }: NodeRules,
        change: impl FnOnce(&mut NodeRows) -> u64,
    ) -> Result<u64, StoreError> {
        self.change(node, |rows| if rows.head.rules_version == rules_version { change(rows) } else { 0 })
    }

    /// One transaction on one node. A database would wait for whoever holds the head; here it says that it is in the way.
    fn change(&self, node: NodeId, change: impl FnOnce(&mut NodeRows) -> u64) -> Result<u64, StoreError> {
        let mut disk = self.up()?;
        if disk.locks.contains_key(&node) {
            return Err(Fault::Unavailable.into());
        }
        let Some(rows) = disk.nodes.get_mut(&node) else { return Ok(0) };
        let changed = change(rows);
        rows.drop_rows_without_items();
        Ok(changed)
    }
}

fn retained(disk: &Disk, node: NodeId, rows: &NodeRows) -> RetainedNode {
    const OLDEST_ITEMS: usize = 16;
    let expires = rows.row.config.item_expire_seconds.is_some();
    let oldest_items = rows.items_in_order(None).into_iter().take(OLDEST_ITEMS).filter(|_| expires);
    let lagging = disk.lagging.values().filter(|row| row.key.node == node).map(|row| row.through_seq);
    RetainedNode {
        node,
        creator: rows.row.owner.clone(),
        config: rows.row.config.clone(),
        rules_version: rows.head.rules_version,
        log: LogState {
            head_seq: rows.head.seq,
            purged_through_seq: rows.purged_through_seq,
            delivered_through_seq: disk.position(node).through_seq,
            lagging_through_seq: lagging.min(),
            log_bytes: rows.log_bytes,
        },
        trimmed_through_seq: rows.head.trimmed_through_seq,
        oldest_event: rows.log().next().map(|event| logged(event)),
        item_count: rows.item_count,
        oldest_item_published_at_ms: oldest_items.map(|item| item.published_at_ms).min(),
        has_purged_items: rows.items.values().any(|seq| *seq <= rows.purged_through_seq),
        oldest_retraction_seq: rows.retracted.first().map(|(retraction, _)| *retraction),
    }
}

fn logged(event: &bus_domain::Event) -> LoggedEvent {
    LoggedEvent {
        seq: event.seq,
        payload_bytes: payload_bytes(event),
        published_at_ms: event.published_at_ms,
    }
}
