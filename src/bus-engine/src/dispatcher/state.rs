use std::collections::{BTreeMap, BTreeSet, HashSet, VecDeque};
use std::sync::Arc;

use bus_domain::{BareJid, Event, NodeId, NodeName, Seq, SubscriptionId};
use bus_store::{CursorMove, Position, RecipientPage, SubscriptionKey};

use super::below::Below;
use super::bounces::Bounces;
use super::lagging::{Lagging, LaggingBounds};
use super::marks::Marks;
use super::node::{NodeDelivery, Place};
use super::recipients::give_standing;
use super::{DeliveryInput, NotificationSink};
use crate::PresenceTable;

mod feeding;
mod presence;
mod resuming;
mod rosters;
mod turns;

use resuming::Resumption;

/// The dispatcher without I/O: signals, pages and proofs go in; notifications go to the sink, and
/// [`Dispatcher::pump`] says what it needs to go on.
///
/// Each node's events go out in order, each event to its recipients in the order of their ids. What was sent is
/// forgotten when the link goes, and sent again from the last position that was proven. Recipients that lag are passed
/// over and fed by themselves (`state/feeding.rs`).
#[derive(Debug)]
pub struct Dispatcher {
    /// Ordered, like everything here that is walked through: the same inputs lead to the same outputs.
    nodes: BTreeMap<NodeId, NodeDelivery>,
    /// Nodes with something to send.
    active: VecDeque<NodeId>,
    /// Positions sent and not proven.
    marks: Marks,
    /// Nodes whose proven position is not stored yet.
    moved: BTreeSet<NodeId>,
    /// Nodes whose events are of a time that the store knows nothing of. Word of their new life is on its way; until
    /// then they hold up no other.
    ahead: BTreeSet<NodeId>,
    last_ticket: u64,
    proven_ticket: u64,
    /// The life of the link, while it is up.
    link: Option<u64>,
    sink_full: bool,
    bounds: DispatcherBounds,
    /// Who counts as an owner everywhere.
    admins: Arc<HashSet<BareJid>>,
    /// Recipients taken into memory since they were counted last, and those that were there then.
    recipients_taken: usize,
    resumption: Resumption,
    has_ended_nodes: bool,
    lagging: Lagging,
    /// Notifications that came back and are not judged yet.
    bounces: Bounces,
    /// Lagging ones and nodes take turns.
    feeds_next: bool,
    /// Of a clock that never jumps.
    now_ms: u64,
    /// Notifications sent that had been sent before.
    repeats: u64,
    /// Moves when rosters may be otherwise than they were.
    rosters_version: u64,
    rosters_renewed_at_ms: u64,
    /// Nodes whose owners' rosters cannot be had yet.
    waits_for_rosters: BTreeSet<NodeId>,
    presence: Arc<PresenceTable>,
    /// Nodes of whose recipients it is not known yet whether they are there.
    waits_for_presence: BTreeSet<NodeId>,
}

/// What the dispatcher may keep in memory.
#[derive(Debug, Clone, Copy)]
pub struct DispatcherBounds {
    /// Nodes, those that have nothing to send included.
    pub nodes_max: usize,
    /// Recipients of all nodes together.
    pub recipients_max: usize,
    /// Subscriptions that lag.
    pub lagging: LaggingBounds,
}

/// Events that are not proven to be handed over.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Lag {
    /// Nodes with such events.
    pub nodes: u64,
    /// Events of all of them together.
    pub events: u64,
    /// Events of the one that is furthest behind.
    pub events_max: u64,
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
    /// Events of a node in memory behind a position, from the oldest that is still there on:
    /// [`Dispatcher::take_events`].
    Recent {
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
    /// Rosters of the node's owners: [`Dispatcher::take_rosters`].
    Rosters {
        /// Of this node.
        node: NodeId,
    },
    /// The rules of other nodes that decide about the next events: [`Dispatcher::take_below`].
    Below {
        /// The node.
        node: NodeId,
    },
    /// Events for a lagging subscription, then the subscription itself: [`Dispatcher::feed`].
    Lagging {
        /// Which.
        key: SubscriptionKey,
        /// Behind this position.
        after_seq: Seq,
        /// At most so many.
        events_max: u32,
    },
}

impl Dispatcher {
    /// A dispatcher that knows no node and has no link.
    pub fn new(bounds: DispatcherBounds, admins: HashSet<BareJid>) -> Self {
        Self {
            nodes: BTreeMap::new(),
            active: VecDeque::new(),
            marks: Marks::default(),
            moved: BTreeSet::new(),
            ahead: BTreeSet::new(),
            last_ticket: 0,
            proven_ticket: 0,
            link: None,
            sink_full: false,
            lagging: Lagging::new(bounds.lagging),
            bounces: Bounces::default(),
            bounds,
            admins: Arc::new(admins),
            recipients_taken: 0,
            resumption: Resumption::default(),
            has_ended_nodes: false,
            feeds_next: false,
            now_ms: 0,
            repeats: 0,
            rosters_version: 0,
            rosters_renewed_at_ms: 0,
            waits_for_rosters: BTreeSet::new(),
            presence: Arc::default(),
            waits_for_presence: BTreeSet::new(),
        }
    }

    /// Goes by this table on nodes that send to those who are available.
    #[must_use]
    pub fn with_presence(self, presence: Arc<PresenceTable>) -> Self {
        Self { presence, ..self }
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
            DeliveryInput::Bounced(bounce) => self.bounces.add(*bounce),
        }
    }

    /// Takes the events that were asked for; none means that the log ends here.
    pub fn take_events(&mut self, node: NodeId, events: Vec<Arc<Event>>) {
        if let Some(delivery) = self.nodes.get_mut(&node) {
            delivery.take_events(events);
        }
    }

    /// Takes a page of recipients that were asked for.
    pub fn take_recipients(&mut self, node: NodeId, mut page: RecipientPage, asked_for: usize) {
        for recipient in &mut page.recipients {
            give_standing(recipient, &self.admins);
        }
        if let Some(delivery) = self.nodes.get_mut(&node) {
            self.recipients_taken += page.recipients.len();
            delivery.take_recipients(page, asked_for);
            if delivery.is_ahead_of_store() {
                self.ahead.insert(node);
                self.put_aside(node);
            }
            if self.recipients_taken > self.bounds.recipients_max {
                self.bound_recipients(node);
            }
        }
    }

    /// The nodes whose rules are asked for.
    pub fn sources(&self, node: NodeId) -> Vec<(NodeId, NodeName)> {
        self.nodes.get(&node).map(NodeDelivery::sources).unwrap_or_default()
    }

    /// Takes what was asked for of other nodes' rules. It holds for a turn.
    pub fn take_below(&mut self, node: NodeId, below: Below) {
        if let Some(delivery) = self.nodes.get_mut(&node) {
            delivery.take_below(below);
        }
    }

    /// Who counts as an owner everywhere.
    pub(super) fn admins(&self) -> Arc<HashSet<BareJid>> {
        Arc::clone(&self.admins)
    }

    /// Takes note that what was needed could not be had. With `for_good`, the node's delivery rests until the next
    /// start, so that it holds up no other.
    pub fn failed(&mut self, need: Need, for_good: bool) {
        let node = match need {
            Need::Events { node, .. }
            | Need::Recent { node, .. }
            | Need::Recipients { node, .. }
            | Need::Rosters { node }
            | Need::Below { node } => node,
            Need::Lagging { key, .. } => return self.feeding_failed(key, for_good),
        };
        self.put_aside(node);
        if for_good && let Some(delivery) = self.nodes.get_mut(&node) {
            delivery.place = Place::Broken;
        }
        self.activate(node);
    }

    /// Sends what can be sent. `Some` says what is needed to go on.
    pub fn pump(&mut self, sink: &mut dyn NotificationSink) -> Option<Need> {
        if std::mem::take(&mut self.feeds_next)
            && let Some(need) = self.next_to_feed()
        {
            return Some(need);
        }
        self.feeds_next = true;
        self.pump_nodes(sink).or_else(|| self.next_to_feed())
    }

    /// Cursors that are to be stored; to be called again after they were ([`Self::stored`]).
    pub fn cursor_moves(&self) -> Vec<CursorMove> {
        self.moved.iter().filter_map(|node| self.nodes.get(node)).map(NodeDelivery::cursor_move).collect()
    }

    /// Takes note that cursors were stored.
    pub fn stored(&mut self, moves: &[CursorMove]) {
        for step in moves {
            if let Some(delivery) = self.nodes.get_mut(&step.node) {
                delivery.stored = step.to;
                if delivery.proven == step.to {
                    self.moved.remove(&step.node);
                }
                if delivery.is_done() && delivery.is_deleted() {
                    self.nodes.remove(&step.node);
                    self.has_ended_nodes = true;
                }
            }
        }
        self.bound_nodes();
    }

    /// Whether a node's deletion has been handed over and its cursor stored since the last call: its rows can go.
    pub fn take_ended(&mut self) -> bool {
        std::mem::take(&mut self.has_ended_nodes)
    }

    /// Notifications that the sink has taken since the start.
    pub fn notifications(&self) -> u64 {
        self.last_ticket
    }

    /// Notifications among them that had been sent before, as far as this process knows.
    pub fn repeats(&self) -> u64 {
        self.repeats
    }

    /// How far the nodes in memory are behind.
    pub fn lag(&self) -> Lag {
        self.nodes.values().filter(|delivery| delivery.proven < delivery.end()).fold(
            Lag::default(),
            |lag, delivery| {
                // An event in mid-fan-out counts: some have not got it.
                let events = delivery.head_seq.saturating_sub(delivery.proven.through_seq);
                Lag {
                    nodes: lag.nodes + 1,
                    events: lag.events + events,
                    events_max: lag.events_max.max(events),
                }
            },
        )
    }

    /// Whether everything up to an event is proven to be handed over; `None` for a node that is not in memory.
    pub fn is_proven(&self, node: NodeId, seq: Seq) -> Option<bool> {
        self.nodes.get(&node).map(|delivery| delivery.proven >= Position::behind(seq))
    }

    /// Nodes of which at least so many events are not proven to be handed over, of those that are in memory.
    pub fn nodes_behind_by(&self, events: u64) -> HashSet<NodeId> {
        let is_behind =
            |delivery: &NodeDelivery| delivery.head_seq.saturating_sub(delivery.proven.through_seq) >= events;
        self.nodes.iter().filter(|(_, delivery)| is_behind(delivery)).map(|(id, _)| *id).collect()
    }

    /// The name of a node that is in memory.
    pub fn name_of(&self, node: NodeId) -> Option<NodeName> {
        self.nodes.get(&node).map(|delivery| delivery.node.name.clone())
    }

    fn prove(&mut self, through_ticket: u64) {
        self.proven_ticket = self.proven_ticket.max(through_ticket);
        for (node, position) in self.marks.take_proven(self.proven_ticket) {
            if let Some(delivery) = self.nodes.get_mut(&node)
                && delivery.proven < position
                && delivery.prove(position)
            {
                self.moved.insert(node);
            }
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
        self.lagging.rewind();
        for id in ids {
            self.activate(id);
        }
    }

    /// Counts the recipients in memory and, when there are too many, lets go of other nodes' until half of the bound
    /// is free: so that the counting is rare.
    fn bound_recipients(&mut self, keep: NodeId) {
        let mut held: usize = self.nodes.values().map(|delivery| delivery.recipients.len()).sum();
        if held > self.bounds.recipients_max {
            for (id, delivery) in &mut self.nodes {
                if *id != keep {
                    held -= delivery.recipients.len();
                    delivery.recipients.forget();
                }
                if held <= self.bounds.recipients_max / 2 {
                    break;
                }
            }
        }
        self.recipients_taken = held;
    }

    /// Lets go of nodes that have nothing to send when there are too many in memory.
    pub(super) fn bound_nodes(&mut self) {
        if self.nodes.len() >= self.bounds.nodes_max {
            let mut excess = self.nodes.len() - self.bounds.nodes_max / 2;
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
