//! Which nodes have something to send: those that were behind at the start, and those that have moved since.

use bus_domain::{NodeId, Seq};
use bus_store::{Position, SubscriptionKey, Undelivered};

use super::Dispatcher;
use crate::dispatcher::DeliveryNode;
use crate::dispatcher::mailbox::{Deltas, NodeSignal, RecipientChange};
use crate::dispatcher::node::NodeDelivery;

impl Dispatcher {
    /// Takes a page of the nodes that are behind their cursors. They come in the order of their ids; `through` is
    /// where the next page starts, `None` after the last.
    pub fn resume(&mut self, nodes: Vec<Undelivered>, through: Option<NodeId>) {
        self.resumed_through = through;
        self.resume_also(nodes);
    }

    /// Takes nodes of the last page that came a moment later.
    pub fn resume_also(&mut self, nodes: Vec<Undelivered>) {
        for Undelivered { node, name, config, head, position } in nodes {
            let id = node;
            let node = DeliveryNode { id, name, epoch: head.epoch, config };
            match self.nodes.get_mut(&id) {
                Some(known) if known.node.epoch == node.epoch => {
                    known.catch_up(node, &head);
                    self.activate(id);
                }
                Some(_) => {
                    // Another process has begun a new life of the log: only the store knows where it goes on.
                    self.marks.forget(id);
                    self.nodes.remove(&id);
                    self.lagging.set_back(id, position.through_seq);
                    self.moved_to(node, head.seq, position);
                }
                None => self.moved_to(node, head.seq, position),
            }
        }
    }

    /// Looks for all nodes that are behind their cursors once more: there may be commits of which no signal tells,
    /// because their outcome was never known here, or because another process made them. Until all pages are read,
    /// nodes that are not known are left to them.
    pub fn look_again(&mut self) {
        self.resumed_through = Some(NodeId(i64::MIN));
    }

    /// Where the next page of nodes to resume starts, if there is one and there is room for it.
    pub fn next_to_resume(&self) -> Option<NodeId> {
        self.resumed_through.filter(|_| self.nodes.len() < self.bounds.nodes_max)
    }

    /// Whether the node is in memory.
    pub fn knows(&self, node: NodeId) -> bool {
        self.nodes.contains_key(&node)
    }

    /// Takes word of a node that has moved.
    pub fn signal(&mut self, mut signal: NodeSignal) {
        let (id, from, head_seq) = (signal.node.id, signal.from, signal.head_seq);
        let is_transient = signal.node.is_transient();
        self.end_lagging_of_removed(id, &signal.deltas);
        if let Some(known) = self.nodes.get_mut(&id) {
            self.recipients_taken += signal.deltas.give_standing(&self.admins);
            if known.moved_to(signal) {
                self.marks.forget(id);
                self.lagging.set_back(id, from.through_seq);
            }
        } else if from < Position::behind(head_seq)
            && (is_transient || self.resumed_through.is_none_or(|through| id <= through))
        {
            // Everything before the signal is handed over, or the node would be known.
            let make = if is_transient { NodeDelivery::new_transient } else { NodeDelivery::new };
            let mut delivery = make(signal.node.clone(), head_seq, from);
            delivery.moved_to(signal);
            self.nodes.insert(id, delivery);
        }
        self.activate(id);
    }

    fn end_lagging_of_removed(&mut self, node: NodeId, deltas: &Deltas) {
        let Deltas::Known(deltas) = deltas else { return };
        for delta in deltas {
            if let RecipientChange::Removed(subscription) = delta.change {
                self.lagging.end(SubscriptionKey { node, subscription });
            }
        }
    }

    pub(super) fn moved_to(&mut self, node: DeliveryNode, head_seq: Seq, position: Position) {
        let id = node.id;
        self.nodes.entry(id).or_insert_with(|| NodeDelivery::new(node, head_seq, position));
        self.activate(id);
    }
}
