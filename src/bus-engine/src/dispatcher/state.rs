use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;

use bus_domain::{Event, NodeId, Seq, SubscriptionId};
use bus_store::{CursorMove, Position, RecipientPage, Undelivered};

use super::mailbox::NodeSignal;
use super::node::NodeDelivery;
use super::{DeliveryInput, DeliveryNode, HandOff, NotificationSink, SinkFull};

/// Notifications for one node before it is the next one's turn.
const TURN_NOTIFICATIONS_MAX: usize = 256;

/// The dispatcher without I/O: signals, pages and proofs go in; notifications go to the sink, and
/// [`Dispatcher::pump`] says what it needs to go on.
///
/// Each node's events go out in order, each event to its recipients in the order of their ids. What was sent is
/// forgotten when the link goes, and sent again from the last position that was proven.
#[derive(Debug)]
pub struct Dispatcher {
    nodes: HashMap<NodeId, NodeDelivery>,
    /// Nodes with something to send.
    active: VecDeque<NodeId>,
    /// Positions sent, in the order of their tickets.
    marks: VecDeque<Mark>,
    /// Nodes whose proven position is not stored yet.
    moved: HashSet<NodeId>,
    last_ticket: u64,
    proven_ticket: u64,
    /// The life of the link, while it is up.
    link: Option<u64>,
    sink_full: bool,
    bounds: DispatcherBounds,
}

/// What the dispatcher may keep in memory.
#[derive(Debug, Clone, Copy)]
pub struct DispatcherBounds {
    /// Nodes, those that have nothing to send included.
    pub nodes_max: usize,
    /// Recipients of all nodes together.
    pub recipients_max: usize,
}

/// What the dispatcher cannot do by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// Events behind a position: [`Dispatcher::take_events`].
    Events {
        /// Of this node.
        node: NodeId,
        /// Behind this position.
        after_seq: Seq,
    },
    /// A page of recipients: [`Dispatcher::take_recipients`].
    Recipients {
        /// Of this node.
        node: NodeId,
        /// Behind this one.
        after: Option<SubscriptionId>,
    },
}

#[derive(Debug)]
struct Mark {
    ticket: u64,
    node: NodeId,
    position: Position,
}

/// How a turn of a node ended.
enum Turn {
    /// There is nothing left to send.
    Idle,
    /// Others first.
    Over,
    Needs(Need),
    SinkFull,
}

impl Dispatcher {
    /// A dispatcher that knows no node and has no link.
    pub fn new(bounds: DispatcherBounds) -> Self {
        Self {
            nodes: HashMap::new(),
            active: VecDeque::new(),
            marks: VecDeque::new(),
            moved: HashSet::new(),
            last_ticket: 0,
            proven_ticket: 0,
            link: None,
            sink_full: false,
            bounds,
        }
    }

    /// Takes a node that was behind when the dispatcher started.
    pub fn resume(&mut self, undelivered: Undelivered) {
        let Undelivered { node, name, config, head, position } = undelivered;
        let node = DeliveryNode { id: node, name, epoch: head.epoch, config };
        self.moved_to(node, head.seq, position);
    }

    /// Takes word of a node that has moved.
    pub fn signal(&mut self, signal: NodeSignal) {
        let NodeSignal { node, before_seq, head_seq, deltas } = signal;
        let id = node.id;
        match self.nodes.get_mut(&id) {
            Some(known) => {
                known.recipients.change(deltas);
                known.node = node;
                known.head_seq = head_seq;
                self.activate(id);
            }
            // Everything before the signal is handed over, or the node would be known.
            None if before_seq < head_seq => self.moved_to(node, head_seq, Position::behind(before_seq)),
            None => {}
        }
    }

    /// Takes word from the leg.
    pub fn input(&mut self, input: DeliveryInput) {
        match input {
            DeliveryInput::LinkUp { link } => {
                self.forget_unproven();
                self.link = Some(link);
            }
            DeliveryInput::LinkDown => {
                self.forget_unproven();
                self.link = None;
            }
            DeliveryInput::RoomAgain => self.sink_full = false,
            DeliveryInput::HandedOver { through_ticket } => self.prove(through_ticket),
        }
    }

    /// Takes the events that were asked for; none means that the log ends here.
    pub fn take_events(&mut self, node: NodeId, events: Vec<Arc<Event>>) {
        if let Some(delivery) = self.nodes.get_mut(&node) {
            delivery.take_events(events);
        }
    }

    /// Takes a page of recipients that were asked for.
    pub fn take_recipients(&mut self, node: NodeId, page: RecipientPage, asked_for: usize) {
        if let Some(delivery) = self.nodes.get_mut(&node) {
            delivery.take_recipients(page, asked_for);
            self.bound_recipients(node);
        }
    }

    /// Sends what can be sent. `Some` says what is needed to go on.
    pub fn pump(&mut self, sink: &mut dyn NotificationSink) -> Option<Need> {
        while let Some(link) = self.link
            && !self.sink_full
        {
            let id = *self.active.front()?;
            match self.turn(link, id, sink) {
                Turn::Needs(need) => return Some(need),
                Turn::SinkFull => self.sink_full = true,
                Turn::Over => self.active.rotate_left(1),
                Turn::Idle => self.deactivate(id),
            }
        }
        None
    }

    /// Cursors that are to be stored; to be called again after they were ([`Self::stored`]).
    pub fn cursor_moves(&self) -> Vec<CursorMove> {
        let to = |node: &NodeId| self.nodes.get(node).map(|delivery| delivery.proven);
        self.moved.iter().filter_map(|node| Some(CursorMove { node: *node, to: to(node)? })).collect()
    }

    /// Takes note that cursors were stored.
    pub fn stored(&mut self, moves: &[CursorMove]) {
        for step in moves {
            if let Some(delivery) = self.nodes.get_mut(&step.node) {
                delivery.stored = step.to;
                if delivery.proven == step.to {
                    self.moved.remove(&step.node);
                }
            }
        }
        self.bound_nodes();
    }

    /// Whether a node's deletion has been handed over and its cursor stored since the last call: its rows can go.
    pub fn take_ended(&mut self) -> bool {
        let before = self.nodes.len();
        self.nodes.retain(|_, delivery| !(delivery.is_done() && delivery.is_deleted()));
        before > self.nodes.len()
    }

    /// Notifications that the sink has taken since the start.
    pub fn notifications(&self) -> u64 {
        self.last_ticket
    }

    /// Nodes with events that are not proven to be handed over.
    pub fn undelivered_nodes(&self) -> usize {
        self.nodes.values().filter(|delivery| delivery.proven < delivery.end()).count()
    }

    fn moved_to(&mut self, node: DeliveryNode, head_seq: Seq, position: Position) {
        let id = node.id;
        self.nodes.entry(id).or_insert_with(|| NodeDelivery::new(node, head_seq, position));
        self.activate(id);
    }

    fn activate(&mut self, id: NodeId) {
        if let Some(delivery) = self.nodes.get_mut(&id)
            && !delivery.active
            && delivery.sent < delivery.end()
        {
            delivery.active = true;
            self.active.push_back(id);
        }
    }

    fn deactivate(&mut self, id: NodeId) {
        self.active.retain(|active| *active != id);
        if let Some(delivery) = self.nodes.get_mut(&id) {
            delivery.active = false;
        }
    }

    fn turn(&mut self, link: u64, id: NodeId, sink: &mut dyn NotificationSink) -> Turn {
        let Some(delivery) = self.nodes.get_mut(&id) else { return Turn::Idle };
        let mut left = TURN_NOTIFICATIONS_MAX;
        while left > 0 {
            let event = match delivery.next_event() {
                Ok(None) => return Turn::Idle,
                Ok(Some(event)) => event,
                Err(need) => return Turn::Needs(need),
            };
            let before = self.last_ticket;
            let mut last = HandOff { link, ticket: before };
            let outcome = delivery.send(&event, &mut last, left, sink);
            self.last_ticket = last.ticket;
            left -= usize::try_from(self.last_ticket - before).unwrap_or(left).min(left);
            if self.last_ticket == self.proven_ticket {
                // Nothing is on its way, so what was due to nobody is proven at once.
                delivery.proven = delivery.sent;
                self.moved.insert(id);
            } else {
                self.marks.push_back(Mark { ticket: self.last_ticket, node: id, position: delivery.sent });
            }
            if outcome == Err(SinkFull) {
                return Turn::SinkFull;
            }
        }
        Turn::Over
    }

    fn prove(&mut self, through_ticket: u64) {
        self.proven_ticket = self.proven_ticket.max(through_ticket);
        while let Some(mark) = self.marks.front()
            && mark.ticket <= self.proven_ticket
        {
            if let Some(delivery) = self.nodes.get_mut(&mark.node)
                && delivery.proven < mark.position
            {
                delivery.proven = mark.position;
                self.moved.insert(mark.node);
            }
            self.marks.pop_front();
        }
    }

    fn forget_unproven(&mut self) {
        self.marks.clear();
        self.sink_full = false;
        self.proven_ticket = self.last_ticket;
        let ids: Vec<NodeId> = self.nodes.keys().copied().collect();
        for delivery in self.nodes.values_mut() {
            delivery.rewind();
        }
        for id in ids {
            self.activate(id);
        }
    }

    /// Lets go of recipients of other nodes when there are too many in memory.
    fn bound_recipients(&mut self, keep: NodeId) {
        let mut held: usize = self.nodes.values().map(|delivery| delivery.recipients.len()).sum();
        for (id, delivery) in &mut self.nodes {
            if held <= self.bounds.recipients_max {
                return;
            }
            if *id != keep {
                held -= delivery.recipients.len();
                delivery.recipients.forget();
            }
        }
    }

    /// Lets go of nodes that have nothing to send when there are too many in memory.
    fn bound_nodes(&mut self) {
        let mut excess = self.nodes.len().saturating_sub(self.bounds.nodes_max);
        if excess > 0 {
            self.nodes.retain(|_, delivery| {
                let goes = excess > 0 && delivery.is_done() && !delivery.is_deleted();
                excess -= usize::from(goes);
                !goes
            });
        }
    }
}

#[cfg(test)]
mod tests;
