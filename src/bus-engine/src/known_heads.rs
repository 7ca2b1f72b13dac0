use std::num::NonZeroUsize;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bus_domain::{Epoch, NodeId, Seq};
use lru::LruCache;

/// The heads that this process has committed, of the nodes in use: a database that came back without its newest commits
/// is found out by them. Bounded in number; a node that was let go is only not checked.
#[derive(Debug)]
pub struct KnownHeads(Mutex<LruCache<NodeId, (Epoch, Seq)>>);

impl KnownHeads {
    /// Of at most so many nodes.
    pub fn new(nodes_max: usize) -> Self {
        Self(Mutex::new(LruCache::new(NonZeroUsize::new(nodes_max).unwrap_or(NonZeroUsize::MIN))))
    }

    /// Takes note of a commit.
    pub fn note(&self, node: NodeId, epoch: Epoch, seq: Seq) {
        self.lock().put(node, (epoch, seq));
    }

    /// Whether a log that ends here has lost events which this process had committed.
    pub fn has_gone_back(&self, node: NodeId, epoch: Epoch, seq: Seq) -> bool {
        self.lock().peek(&node).is_some_and(|(known_epoch, known)| *known_epoch == epoch && seq < *known)
    }

    /// Every call leaves it consistent, so a panic elsewhere cannot have left it half changed.
    fn lock(&self) -> MutexGuard<'_, LruCache<NodeId, (Epoch, Seq)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_head_below_a_known_one_of_its_epoch_has_gone_back() {
        let heads = KnownHeads::new(1);
        assert!(!heads.has_gone_back(NodeId(1), Epoch(1), 0), "nothing is known");
        heads.note(NodeId(1), Epoch(1), 5);
        let check = |epoch, seq| heads.has_gone_back(NodeId(1), Epoch(epoch), seq);
        assert_eq!([check(1, 4), check(1, 5), check(1, 6), check(2, 4)], [true, false, false, false]);
        heads.note(NodeId(2), Epoch(1), 5);
        assert!(!check(1, 4), "bounded");
    }
}
