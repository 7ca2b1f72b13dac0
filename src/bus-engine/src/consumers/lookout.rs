use std::collections::HashMap;

use bus_domain::{Epoch, NodeId, Seq};
use bus_store::Head;

/// What was found in the store when it was looked at last: so a look at it is told only to consumers of nodes that have moved.
#[derive(Debug, Default)]
pub(super) struct Lookout {
    /// With the version of its rules, by which readers may have lost a node.
    heads: HashMap<NodeId, (Epoch, Seq, u64)>,
    newest_node: Option<NodeId>,
}

impl Lookout {
    /// Takes what was found of some nodes. Says which of them may have moved since, or are gone.
    pub(super) fn moved(&mut self, asked: &[NodeId], found: &[(NodeId, Head)]) -> Vec<NodeId> {
        let found: HashMap<NodeId, _> =
            found.iter().map(|(node, head)| (*node, (head.epoch, head.seq, head.rules_version))).collect();
        let mut has_moved = |node: &NodeId| match found.get(node) {
            Some(head) => self.heads.insert(*node, *head) != Some(*head),
            None => self.heads.remove(node).is_some(),
        };
        asked.iter().copied().filter(|node| has_moved(node)).collect()
    }

    /// Takes the newest node that there is. Whether it is another one than before.
    pub(super) fn is_new(&mut self, newest: Option<NodeId>) -> bool {
        std::mem::replace(&mut self.newest_node, newest) != newest
    }

    /// Forgets nodes that nobody reads any more.
    pub(super) fn keep(&mut self, is_read: impl Fn(NodeId) -> bool) {
        self.heads.retain(|node, _| is_read(*node));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(epoch: u64, seq: Seq) -> Head {
        Head { epoch: Epoch(epoch), seq, trimmed_through_seq: 0, rules_version: 1, recipients_version: 1 }
    }

    #[test]
    fn only_nodes_whose_logs_have_moved_are_told() {
        let mut lookout = Lookout::default();
        let nodes = [1, 2, 3].map(NodeId);
        let mut moved = |found: &[(i64, Head)]| {
            let found: Vec<_> = found.iter().map(|(node, head)| (NodeId(*node), *head)).collect();
            lookout.moved(&nodes, &found).into_iter().map(|node| node.0).collect::<Vec<_>>()
        };
        assert_eq!(moved(&[(1, head(1, 5)), (2, head(1, 5))]), [1, 2], "nothing was known");
        assert_eq!(moved(&[(1, head(1, 5)), (2, head(1, 6))]), [2]);
        assert_eq!(moved(&[(1, head(2, 3)), (2, head(1, 6))]), [1], "another life");
        assert_eq!(moved(&[(1, head(2, 3))]), [2], "gone");
        assert_eq!(moved(&[(1, head(2, 3))]), Vec::<i64>::new());
        lookout.keep(|_| false);
        assert_eq!(lookout.moved(&nodes, &[(NodeId(1), head(2, 3))]), [NodeId(1)], "it was forgotten");
        assert!(!lookout.is_new(None) && lookout.is_new(Some(NodeId(1))) && !lookout.is_new(Some(NodeId(1))));
    }
}
