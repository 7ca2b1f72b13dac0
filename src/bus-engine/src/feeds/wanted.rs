use std::collections::{BTreeSet, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use bus_domain::NodeId;
use tokio::sync::Notify;

/// Which feeds are to be looked at. The committer leaves word here; it never waits, and one entry for each child is all
/// that it leaves.
#[derive(Debug, Default)]
pub(crate) struct WantedFeeds {
    inner: Mutex<Inner>,
    filled: Notify,
}

#[derive(Debug, Default)]
struct Inner {
    /// Nodes that are children of collections, or were.
    children: HashSet<NodeId>,
    wanted: Wanted,
}

/// Feeds to look at.
#[derive(Debug, Default)]
pub(super) struct Wanted {
    /// All of them: there may be new ones.
    pub(super) look_again: bool,
    /// Those of these children.
    pub(super) children: BTreeSet<NodeId>,
}

impl WantedFeeds {
    /// Takes note that these nodes are children of collections.
    pub(super) fn add(&self, children: &[NodeId]) {
        self.lock().children.extend(children);
    }

    /// Takes note of children that were found with their feeds. Which of them are new here are to be looked at once more:
    /// of what was committed since they were read, nobody has told.
    pub(super) fn found(&self, children: &[NodeId]) {
        let mut inner = self.lock();
        let new: Vec<NodeId> =
            children.iter().copied().filter(|child| inner.children.insert(*child)).collect();
        if !new.is_empty() {
            inner.wanted.children.extend(new);
            drop(inner);
            self.filled.notify_one();
        }
    }

    /// Forgets nodes that have turned out to be nobody's children, so that there are no more than feeds. One that has become
    /// a child meanwhile is wanted, and so is noted again before it is looked at.
    pub(super) fn forget(&self, strangers: impl Iterator<Item = NodeId>) {
        let mut inner = self.lock();
        for node in strangers {
            inner.children.remove(&node);
        }
    }

    /// Leaves word that associations of these nodes have begun or ended.
    pub(crate) fn associated(&self, children: &[NodeId]) {
        if !children.is_empty() {
            self.add(children);
            for child in children {
                self.committed(*child);
            }
        }
    }

    /// Leaves word that something was committed on a node.
    pub(crate) fn committed(&self, node: NodeId) {
        let mut inner = self.lock();
        if inner.children.contains(&node) && inner.wanted.children.insert(node) {
            drop(inner);
            self.filled.notify_one();
        }
    }

    /// Leaves word that something may have been committed, associations too, of which nobody tells.
    pub(crate) fn look_again(&self) {
        self.lock().wanted.look_again = true;
        self.filled.notify_one();
    }

    /// Waits until there is something and takes it all.
    pub(super) async fn take(&self) -> Wanted {
        loop {
            let wanted = std::mem::take(&mut self.lock().wanted);
            if wanted.look_again || !wanted.children.is_empty() {
                return wanted;
            }
            self.filled.notified().await;
        }
    }

    /// Takes back what could not be looked at.
    pub(super) fn put_back(&self, wanted: Wanted) {
        let mut inner = self.lock();
        inner.wanted.look_again |= wanted.look_again;
        inner.wanted.children.extend(wanted.children);
    }

    /// Every call leaves it consistent, so a panic elsewhere cannot have left it half changed.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_what_is_committed_on_children_is_looked_at() {
        let feeds = WantedFeeds::default();
        feeds.add(&[NodeId(1), NodeId(2)]);
        for node in [3, 1, 1] {
            feeds.committed(NodeId(node));
        }
        let wanted = feeds.take().await;
        assert_eq!(
            (wanted.children.iter().copied().collect::<Vec<_>>(), wanted.look_again),
            (vec![NodeId(1)], false)
        );
        feeds.put_back(wanted);
        feeds.look_again();
        let wanted = feeds.take().await;
        assert!(wanted.look_again && wanted.children.contains(&NodeId(1)));
    }

    #[tokio::test]
    async fn who_is_found_first_is_looked_at_once_more_and_strangers_are_forgotten() {
        let feeds = WantedFeeds::default();
        feeds.add(&[NodeId(1), NodeId(2)]);
        feeds.found(&[NodeId(2), NodeId(3)]);
        assert_eq!(feeds.take().await.children, BTreeSet::from([NodeId(3)]), "the others were known");
        feeds.forget([NodeId(1), NodeId(3)].into_iter());
        for node in 1..=3 {
            feeds.committed(NodeId(node));
        }
        assert_eq!(feeds.take().await.children, BTreeSet::from([NodeId(2)]));
    }
}
