use std::collections::{BTreeMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use bus_domain::consumer::NodePattern;
use bus_domain::{NodeId, NodeName};
use tokio::sync::Notify;

/// Which nodes push profiles have to look at. The committer leaves word here and never waits: without profiles that costs it the
/// look at a flag, and with them, on nodes that none is about, the look into a set.
#[derive(Debug, Default)]
pub(crate) struct ProfileWatch {
    has_profiles: AtomicBool,
    inner: Mutex<Inner>,
    filled: Notify,
}

#[derive(Debug, Default)]
struct Inner {
    /// What the profiles are about.
    patterns: Vec<NodePattern>,
    /// Nodes that some pattern stands for.
    covered: HashSet<NodeId>,
    /// Nodes that none does. Bounded: forgotten all at once, and looked at again.
    strangers: HashSet<NodeId>,
    wanted: Wanted,
}

/// What there is to look at.
#[derive(Debug, Default)]
pub(super) struct Wanted {
    /// All of it: there may be new profiles, and events of which nobody has told.
    pub(super) look_again: bool,
    /// These nodes.
    pub(super) nodes: BTreeMap<NodeId, NodeName>,
}

const STRANGERS_MAX: usize = 100_000;

impl ProfileWatch {
    /// Leaves word that something was committed on a node.
    pub(crate) fn committed(&self, node: NodeId, name: &NodeName) {
        if !self.has_profiles.load(Ordering::Acquire) {
            return;
        }
        let mut inner = self.lock();
        if inner.is_covered(node, name) && inner.wanted.nodes.insert(node, name.clone()).is_none() {
            drop(inner);
            self.filled.notify_one();
        }
    }

    /// Leaves word that anything may have happened, of which nobody tells.
    pub(crate) fn look_again(&self) {
        self.lock().wanted.look_again = true;
        self.filled.notify_one();
    }

    /// Takes note of what all profiles are about.
    pub(super) fn set_patterns(&self, patterns: Vec<NodePattern>) {
        let mut inner = self.lock();
        let has_some = !patterns.is_empty();
        let wanted = std::mem::take(&mut inner.wanted);
        *inner = Inner { patterns, wanted, ..Inner::default() };
        self.has_profiles.store(has_some, Ordering::Release);
    }

    /// Takes back what could not be looked at.
    pub(super) fn put_back(&self, wanted: Wanted) {
        let mut inner = self.lock();
        inner.wanted.look_again |= wanted.look_again;
        inner.wanted.nodes.extend(wanted.nodes);
        drop(inner);
        self.filled.notify_one();
    }

    /// Waits until there is something and takes it all.
    pub(super) async fn take(&self) -> Wanted {
        loop {
            let wanted = std::mem::take(&mut self.lock().wanted);
            if wanted.look_again || !wanted.nodes.is_empty() {
                return wanted;
            }
            self.filled.notified().await;
        }
    }

    /// Every call leaves it consistent, so a panic elsewhere cannot have left it half changed.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn is_covered(&mut self, node: NodeId, name: &NodeName) -> bool {
        if self.covered.contains(&node) {
            return true;
        }
        if self.strangers.contains(&node) {
            return false;
        }
        let is_covered = self.patterns.iter().any(|pattern| pattern.matches(name));
        let known = if is_covered { &mut self.covered } else { &mut self.strangers };
        if known.len() >= STRANGERS_MAX {
            known.clear();
        }
        known.insert(node);
        is_covered
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_what_is_committed_on_nodes_of_profiles_is_looked_at() {
        let (watch, name) = (ProfileWatch::default(), |name: &str| NodeName::new(name).unwrap());
        watch.committed(NodeId(1), &name("orders.a"));
        assert!(watch.lock().strangers.is_empty() && watch.lock().wanted.nodes.is_empty(), "a flag, no more");
        watch.set_patterns(vec![NodePattern::new("orders.*").unwrap()]);
        for (node, text) in [(1, "orders.a"), (2, "news"), (2, "news"), (1, "orders.a")] {
            watch.committed(NodeId(node), &name(text));
        }
        assert_eq!(watch.lock().strangers, HashSet::from([NodeId(2)]), "compared once");
        let wanted = watch.take().await;
        assert_eq!(
            (wanted.nodes.keys().copied().collect::<Vec<_>>(), wanted.look_again),
            (vec![NodeId(1)], false)
        );
        watch.put_back(wanted);
        watch.look_again();
        let wanted = watch.take().await;
        assert!(wanted.look_again && wanted.nodes.contains_key(&NodeId(1)));
        watch.set_patterns(Vec::new());
        watch.committed(NodeId(1), &name("orders.a"));
        assert!(watch.lock().wanted.nodes.is_empty());
    }
}
