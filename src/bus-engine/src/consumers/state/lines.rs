use std::collections::{BTreeSet, HashMap};

use bus_domain::consumer::OrderKey;
use bus_domain::{NodeId, Seq};

/// Events that are handed out one after the other: for each key the one whose turn it is, and those behind it.
///
/// Bounded by what the consumer has unsettled, which all of these are.
#[derive(Debug, Default)]
pub(super) struct Lines(HashMap<(NodeId, OrderKey), Line>);

#[derive(Debug)]
struct Line {
    /// Whose turn it is.
    first: Seq,
    behind: BTreeSet<Seq>,
}

impl Lines {
    /// Puts an event in its line. Whether it is its turn.
    pub(super) fn enter(&mut self, node: NodeId, order_key: OrderKey, seq: Seq) -> bool {
        let line =
            self.0.entry((node, order_key)).or_insert_with(|| Line { first: seq, behind: BTreeSet::new() });
        let is_first = line.first == seq;
        if !is_first {
            line.behind.insert(seq);
        }
        is_first
    }

    /// Takes a settled event out of its line. Says whose turn it is then, if it was this one's.
    pub(super) fn leave(&mut self, node: NodeId, order_key: OrderKey, seq: Seq) -> Option<Seq> {
        let line = self.0.get_mut(&(node, order_key))?;
        if line.first != seq {
            line.behind.remove(&seq);
            return None;
        }
        let next = line.behind.pop_first();
        match next {
            Some(next) => line.first = next,
            None => {
                self.0.remove(&(node, order_key));
            }
        }
        next
    }

    /// Forgets a node.
    pub(super) fn remove_node(&mut self, node: NodeId) {
        self.0.retain(|(of, _), _| *of != node);
    }
}
