use std::sync::Arc;

use bus_domain::consumer::{ConsumerError, Mode};
use bus_domain::{NodeId, NodeName, Seq};

use super::super::BacklogOfNode;
use super::{ConsumerState, NodeState, Standing};

/// Where a consumer stands.
impl ConsumerState {
    pub(crate) fn node_ids(&self) -> Vec<NodeId> {
        self.nodes.keys().copied().collect()
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = (NodeId, NodeName)> {
        self.nodes.iter().map(|(id, node)| (*id, node.facts.name.clone()))
    }

    /// The node of this name, or the only one.
    pub(crate) fn node_of(&self, name: Option<&NodeName>) -> Result<NodeId, ConsumerError> {
        let invalid = |reason: &str| ConsumerError::Invalid { reason: reason.to_owned() };
        let Some(name) = name else {
            let only = self.nodes.keys().next().filter(|_| self.nodes.len() == 1);
            return only.copied().ok_or_else(|| invalid("it reads several nodes: say which one"));
        };
        // The newest one of this name, if it was deleted and made anew.
        let found = self.nodes.iter().rev().find(|(_, node)| node.facts.name == *name).map(|(id, _)| *id);
        found.ok_or_else(|| invalid("it does not read that node"))
    }

    /// Where the nodes stand, as far as they were handed out: at most so many.
    pub(crate) fn backlog(&self, nodes_max: usize) -> Vec<BacklogOfNode> {
        let of_node = |(id, node): (&NodeId, &NodeState)| {
            let pending = self.pending.range((*id, 0)..=(*id, Seq::MAX));
            let (mut leased, mut waiting, mut oldest) = (0, 0, None);
            for ((_, seq), pending) in pending {
                oldest = oldest.or(Some(*seq));
                match pending.standing {
                    Standing::Leased { .. } => leased += 1,
                    _ => waiting += 1,
                }
            }
            let is_queue = self.config.mode == Mode::Queue;
            let through_seq = if is_queue { node.handed_seq } else { node.settled_seq };
            BacklogOfNode {
                facts: Arc::clone(&node.facts),
                head_seq: node.next_after().max(through_seq),
                through_seq,
                leased,
                waiting,
                oldest_unsettled_seq: oldest,
            }
        };
        self.nodes.iter().take(nodes_max).map(of_node).collect()
    }

    /// Takes note whether those who read may read a node.
    pub(crate) fn set_readable(&mut self, node: NodeId, is_readable: bool) {
        if let Some(node) = self.nodes.get_mut(&node) {
            node.is_readable = is_readable;
        }
    }

    /// As [`Self::backlog`], of nodes that those who read may read.
    pub(crate) fn positions(&self, nodes_max: usize) -> Vec<BacklogOfNode> {
        let readable = |node: &BacklogOfNode| self.nodes.get(&node.facts.id).is_some_and(|it| it.is_readable);
        self.backlog(usize::MAX).into_iter().filter(readable).take(nodes_max).collect()
    }

    /// Whether everything up to an event was handed out, and that is on disk.
    pub(crate) fn is_passed(&self, node: NodeId, seq: Seq) -> bool {
        self.nodes.get(&node).is_some_and(|node| seq <= node.stored_seq)
    }
}
