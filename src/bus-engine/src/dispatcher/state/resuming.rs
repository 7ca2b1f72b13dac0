//! Which nodes have something to send: those that were behind at the start, and those that have moved since.

use bus_domain::{NodeId, Seq};
use bus_store::{Head, Position, Recipient, SubscriptionKey, Undelivered};

use super::Dispatcher;
use crate::dispatcher::DeliveryNode;
use crate::dispatcher::mailbox::{Deltas, NodeSignal, RecipientChange};
use crate::dispatcher::node::NodeDelivery;

/// How far the dispatcher has looked for nodes that are behind their cursors: in passes, page by page in the order of
/// their ids.
#[derive(Debug)]
pub(super) struct Resumption {
    /// Where the pass that is under way goes on; `None` between passes.
    pass_through: Option<NodeId>,
    /// Commits became known to be there while that pass was under way: another one has to follow. It does not begin
    /// anew, or those who call often enough would keep it from its end.
    again: bool,
    /// Nodes behind this one were not looked for since the start; `None` once all were.
    resumed_through: Option<NodeId>,
}

impl Default for Resumption {
    fn default() -> Self {
        let nothing = Some(NodeId(i64::MIN));
        Self { pass_through: nothing, again: false, resumed_through: nothing }
    }
}

impl Resumption {
    /// Whether it is known how far the node's cursor had come when the dispatcher started.
    pub(super) fn has_resumed(&self, node: NodeId) -> bool {
        self.resumed_through.is_none_or(|through| node <= through)
    }

    /// Whether no pass will bring commits of the node that no signal told of.
    fn is_past(&self, node: NodeId) -> bool {
        !self.again && self.pass_through.is_none_or(|through| node <= through)
    }

    fn look_again(&mut self) {
        self.again = self.pass_through.is_some();
        self.pass_through = self.pass_through.or(Some(NodeId(i64::MIN)));
    }

    fn turn_page(&mut self, through: Option<NodeId>) {
        if self.resumed_through.is_some() {
            self.resumed_through = through;
        }
        self.pass_through = through;
        if through.is_none() && std::mem::take(&mut self.again) {
            self.look_again();
        }
    }
}

impl Dispatcher {
    /// Takes a page of the nodes that are behind their cursors. They come in the order of their ids; `through` is
    /// where the next page starts, `None` after the last.
    pub fn resume(&mut self, nodes: Vec<Undelivered>, through: Option<NodeId>) {
        self.resumption.turn_page(through);
        self.resume_also(nodes);
    }

    /// Takes nodes of the last page that came a moment later.
    pub fn resume_also(&mut self, nodes: Vec<Undelivered>) {
        for Undelivered { node, name, config, head, position } in nodes {
            let id = node;
            let node = DeliveryNode { id, name, epoch: head.epoch, config, owners: None };
            self.lagging.begin_life(id, head.epoch, position.through_seq);
            match self.nodes.get_mut(&id) {
                Some(known) if known.node.epoch == node.epoch => {
                    known.catch_up(node, &head);
                    self.activate(id);
                }
                Some(_) => {
                    // Another process has begun a new life of the log: only the store knows where it goes on.
                    self.marks.forget(id);
                    self.nodes.remove(&id);
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
        self.resumption.look_again();
    }

    /// The nodes in memory of which the store has nothing but rules and recipients.
    pub fn transient_nodes(&self) -> Vec<NodeId> {
        self.nodes
            .values()
            .map(|delivery| &delivery.node)
            .filter(|node| node.is_transient())
            .map(|node| node.id)
            .collect()
    }

    /// Lets go of recipients that are older than those of these heads.
    pub fn recipients_changed(&mut self, heads: &[(NodeId, Head)]) {
        for (node, head) in heads {
            if let Some(delivery) = self.nodes.get_mut(node) {
                delivery.recipients.forget_older_than(head.recipients_version);
            }
        }
    }

    /// Where the next page of nodes to resume starts, if there is one and there is room for it.
    pub fn next_to_resume(&self) -> Option<NodeId> {
        self.resumption.pass_through.filter(|_| self.nodes.len() < self.bounds.nodes_max)
    }

    /// Whether the node is in memory.
    pub fn knows(&self, node: NodeId) -> bool {
        self.nodes.contains_key(&node)
    }

    /// Takes word of a node that has moved.
    pub fn signal(&mut self, mut signal: NodeSignal) {
        let (id, from, head_seq) = (signal.node.id, signal.from, signal.head_seq);
        let is_transient = signal.node.is_transient();
        self.tell_lagging(id, &signal.deltas);
        self.lagging.begin_life(id, signal.node.epoch, from.through_seq);
        if let Some(known) = self.nodes.get_mut(&id) {
            self.recipients_taken += signal.deltas.give_standing(&self.admins);
            if known.moved_to(signal) {
                self.marks.forget(id);
            }
        } else if from < Position::behind(head_seq) && (is_transient || self.resumption.is_past(id)) {
            // Everything before the signal is handed over, or the node would be known.
            let make = if is_transient { NodeDelivery::new_transient } else { NodeDelivery::new };
            let mut delivery = make(signal.node.clone(), head_seq, from);
            delivery.moved_to(signal);
            self.nodes.insert(id, delivery);
        }
        self.activate(id);
    }

    fn tell_lagging(&mut self, node: NodeId, deltas: &Deltas) {
        let Deltas::Known(deltas) = deltas else { return };
        for change in deltas.iter().flat_map(|delta| &delta.changes) {
            match change {
                RecipientChange::Removed(subscription) => {
                    self.lagging.end(SubscriptionKey { node, subscription: *subscription });
                }
                RecipientChange::Changed(Recipient { subscription, .. }) => {
                    let key = SubscriptionKey { node, subscription: subscription.id };
                    self.lagging.hurry_digest(key, subscription.options.digest_ms(), self.now_ms);
                }
                RecipientChange::Added(_) | RecipientChange::Access => {}
            }
        }
    }

    pub(super) fn moved_to(&mut self, node: DeliveryNode, head_seq: Seq, position: Position) {
        let id = node.id;
        self.nodes.entry(id).or_insert_with(|| NodeDelivery::new(node, head_seq, position));
        self.activate(id);
    }
}
