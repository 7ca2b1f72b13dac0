use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use bus_domain::{BareJid, NodeId};

/// Who reads which node's log at this moment over a stream of another leg: a count for each, for as long as somebody reads.
#[derive(Debug, Default)]
pub(crate) struct LiveReaders(Mutex<HashMap<(NodeId, BareJid), usize>>);

/// Somebody who reads; dropped when it no longer does.
#[derive(Debug)]
pub(crate) struct LiveReader {
    readers: Arc<LiveReaders>,
    key: (NodeId, BareJid),
}

impl LiveReaders {
    /// Takes note of a reader.
    pub(crate) fn begin(self: &Arc<Self>, node: NodeId, jid: &BareJid) -> LiveReader {
        let key = (node, jid.clone());
        let mut readers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *readers.entry(key.clone()).or_default() += 1;
        LiveReader { readers: Arc::clone(self), key }
    }

    /// Whether somebody reads a node.
    pub(crate) fn reads(&self, node: NodeId, jid: &BareJid) -> bool {
        let readers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        readers.contains_key(&(node, jid.clone()))
    }
}

impl Drop for LiveReader {
    fn drop(&mut self) {
        let mut readers = self.readers.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = readers.get_mut(&self.key) {
            *count -= 1;
            if *count == 0 {
                readers.remove(&self.key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn somebody_reads_until_the_last_of_his_streams_ends() {
        let readers = Arc::new(LiveReaders::default());
        let jid = BareJid::new("a@example.org").unwrap();
        let (first, second) = (readers.begin(NodeId(1), &jid), readers.begin(NodeId(1), &jid));
        drop(first);
        assert!(readers.reads(NodeId(1), &jid) && !readers.reads(NodeId(2), &jid));
        drop(second);
        assert!(!readers.reads(NodeId(1), &jid));
        assert!(readers.0.lock().unwrap().is_empty(), "nothing stays of who reads no more");
    }
}
