use std::collections::{BTreeMap, VecDeque};

use bus_domain::NodeId;
use bus_store::Position;

/// Positions that are sent and not proven, in the order of their tickets. A ticket has at most one position for each
/// node, so events that are due to nobody do not pile up behind one that is.
#[derive(Debug, Default)]
pub(super) struct Marks(VecDeque<Mark>);

#[derive(Debug)]
struct Mark {
    ticket: u64,
    positions: BTreeMap<NodeId, Position>,
}

impl Marks {
    /// Notes that the node has come to this position with the newest ticket.
    pub(super) fn note(&mut self, ticket: u64, node: NodeId, position: Position) {
        match self.0.back_mut().filter(|last| last.ticket == ticket) {
            Some(last) => {
                last.positions.insert(node, position);
            }
            None => self.0.push_back(Mark { ticket, positions: BTreeMap::from([(node, position)]) }),
        }
    }

    /// Takes the positions that are proven by this ticket, older ones first.
    pub(super) fn take_proven(&mut self, through_ticket: u64) -> Vec<(NodeId, Position)> {
        let mut proven = Vec::new();
        while let Some(mark) = self.0.pop_front_if(|mark| mark.ticket <= through_ticket) {
            proven.extend(mark.positions);
        }
        proven
    }

    /// Forgets positions of a node whose log has begun a new life.
    pub(super) fn forget(&mut self, node: NodeId) {
        for mark in &mut self.0 {
            mark.positions.remove(&node);
        }
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// Tickets with positions.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}
