use async_trait::async_trait;
use bus_domain::quota::{Counted, UsageChange, UsageKey, moves};
use bus_domain::{BareJid, NodeId};
use bus_store::{CursorMove, CursorStore, Leg, Position, StoreError, Undelivered, UndeliveredPage};

use super::{Disk, SimulatedStore};

/// Node, head and cursor.
const NODE_ROWS: u64 = 3;

#[async_trait]
impl CursorStore for SimulatedStore {
    async fn undelivered(
        &self,
        _leg: Leg,
        after: Option<NodeId>,
        nodes_max: u32,
    ) -> Result<UndeliveredPage, StoreError> {
        let disk = self.up()?;
        let nodes_max = nodes_max.max(1) as usize;
        let after = after.unwrap_or(NodeId(i64::MIN));
        let behind = disk
            .nodes
            .iter()
            .filter(|(node, rows)| **node > after && !disk.is_delivered(**node, rows.head.seq));
        let nodes: Vec<Undelivered> = behind
            .take(nodes_max)
            .map(|(node, rows)| Undelivered {
                node: *node,
                name: rows.row.name.clone(),
                config: rows.row.config.clone(),
                head: rows.head,
                position: disk.position(*node),
            })
            .collect();
        let next_after = nodes.last().map(|last| last.node).filter(|_| nodes.len() == nodes_max);
        Ok(UndeliveredPage { nodes, next_after })
    }

    async fn positions(&self, _leg: Leg, nodes: &[NodeId]) -> Result<Vec<(NodeId, Position)>, StoreError> {
        let disk = self.up()?;
        Ok(nodes.iter().filter_map(|node| Some((*node, *disk.cursors.get(node)?))).collect())
    }

    async fn move_cursors(&self, _leg: Leg, moves: &[CursorMove]) -> Result<(), StoreError> {
        let mut disk = self.up()?;
        for step in moves {
            let is_of_life = |rows: &super::NodeRows| step.epoch.is_none_or(|epoch| rows.head.epoch == epoch);
            if disk.nodes.get(&step.node).is_some_and(is_of_life) {
                let position = disk.position(step.node).max(step.to);
                disk.cursors.insert(step.node, position);
            }
        }
        Ok(())
    }

    async fn reap_deleted(&self, rows_max: u32) -> Result<u64, StoreError> {
        let mut disk = self.up()?;
        let is_over = |(node, rows): &(&NodeId, &super::NodeRows)| {
            rows.deleted_at_ms.is_some()
                && disk.is_delivered(**node, rows.head.seq)
                && !disk.lagging.keys().any(|key| key.node == **node)
        };
        let Some(node) = disk.nodes.iter().find(is_over).map(|(node, _)| *node) else { return Ok(0) };
        let rows_max = u64::from(rows_max.max(1));
        let subscribers = |disk: &Disk| -> Vec<BareJid> {
            let of_node = disk.nodes.get(&node).map(|rows| &rows.subscriptions);
            of_node.into_iter().flat_map(|all| all.values()).map(|it| it.jid.to_bare()).collect()
        };
        let before = subscribers(&disk);
        let mut reaped = disk.nodes.get_mut(&node).map_or(0, |rows| rows.remove_rows(rows_max));
        let gone = before.len() - subscribers(&disk).len();
        let ended = |owner| UsageChange { counted: Counted::Subscriptions, owner, by: -1 };
        let ended: Vec<_> = before.into_iter().take(gone).map(ended).collect();
        if !disk.faults.counts_what_is_reaped {
            disk.move_usage(moves(&ended));
        }
        if reaped < rows_max {
            reaped += NODE_ROWS;
            disk.nodes.remove(&node);
            disk.cursors.remove(&node);
            disk.health.retain(|key, _| key.node != node);
            disk.kept_requests.retain(|name, _| name.node != node);
        }
        Ok(reaped)
    }
}

impl Disk {
    /// Moves what everybody has.
    pub fn move_usage(&mut self, moves: impl IntoIterator<Item = (UsageKey, i64)>) {
        for (key, by) in moves {
            *self.usage.entry(key).or_default() += by;
        }
        self.usage.retain(|_, count| *count != 0);
    }

    /// A node's cursor.
    pub fn position(&self, node: NodeId) -> Position {
        self.cursors.get(&node).copied().unwrap_or(Position::START)
    }

    fn is_delivered(&self, node: NodeId, head_seq: u64) -> bool {
        self.position(node).through_seq >= head_seq
    }
}
