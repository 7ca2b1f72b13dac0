use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bus_domain::{NodeFacts, NodeName};
use lru::LruCache;

/// The facts of the nodes in use, bounded in number. What is absent is never remembered.
///
/// Decisions may rest on facts from here, because a commit checks their version.
#[derive(Debug)]
pub struct FactsCache(Mutex<Inner>);

#[derive(Debug)]
struct Inner {
    nodes: LruCache<NodeName, Arc<NodeFacts>>,
    /// Moves with every change of rules: a read that was under way then may have seen what is no longer so.
    changes: u64,
}

/// The state of the cache before a read.
#[derive(Debug, Clone, Copy)]
pub struct BeforeRead(u64);

impl FactsCache {
    /// An empty cache for so many nodes, and at least for one.
    pub fn new(nodes_max: usize) -> Self {
        let nodes = LruCache::new(NonZeroUsize::new(nodes_max).unwrap_or(NonZeroUsize::MIN));
        Self(Mutex::new(Inner { nodes, changes: 0 }))
    }

    /// The facts of a node, if they are here.
    pub fn get(&self, name: &NodeName) -> Option<Arc<NodeFacts>> {
        self.lock().nodes.get(name).cloned()
    }

    /// To be called before facts are read from the store.
    pub fn before_read(&self) -> BeforeRead {
        BeforeRead(self.lock().changes)
    }

    /// Keeps facts that were read, unless rules have changed meanwhile.
    pub fn put_read(&self, facts: Arc<NodeFacts>, before: BeforeRead) {
        let mut cache = self.lock();
        if cache.changes == before.0 {
            cache.nodes.put(facts.name.clone(), facts);
        }
    }

    /// Keeps the facts that a commit has made.
    pub fn put_committed(&self, facts: Arc<NodeFacts>) {
        let mut cache = self.lock();
        cache.changes += 1;
        cache.nodes.put(facts.name.clone(), facts);
    }

    /// The facts of nodes in memory. No commit checks the versions of what is published on them.
    pub fn transient(&self) -> Vec<Arc<NodeFacts>> {
        self.lock()
            .nodes
            .iter()
            .map(|(_, facts)| facts)
            .filter(|facts| facts.is_transient())
            .cloned()
            .collect()
    }

    /// Lets go of facts that turned out to be old; what others are reading now is none the worse for it.
    pub fn evict(&self, name: &NodeName) {
        self.lock().nodes.pop(name);
    }

    /// Lets go of a node that is gone, or may have changed without our knowing.
    pub fn forget(&self, name: &NodeName) {
        let mut cache = self.lock();
        cache.changes += 1;
        cache.nodes.pop(name);
    }

    /// The cache is consistent after every single call, so a panic elsewhere cannot have left it half changed.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
