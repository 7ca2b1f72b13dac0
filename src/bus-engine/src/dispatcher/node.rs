use std::collections::VecDeque;
use std::sync::Arc;

use bus_domain::{Event, NodeId, NodeName, Roster, Seq, SubscriptionId};
use bus_store::{CursorMove, Head, Position, Recipient, RecipientPage};

use super::below::{Below, sources};
use super::digest::Aside;
use super::mailbox::NodeSignal;
use super::recipients::{Recipients, availability, is_due};
use super::state::Need;
use super::{Delivery, DeliveryNode, HandOff, NotificationSink};
use crate::{Availability, PresenceTable};

/// How far the delivery of one node's log is.
#[derive(Debug)]
pub(super) struct NodeDelivery {
    pub(super) node: DeliveryNode,
    pub(super) head_seq: Seq,
    pub(super) recipients: Recipients,
    pub(super) place: Place,
    /// In the sink's hands.
    pub(super) sent: Position,
    /// Proven to be in the other side's hands.
    pub(super) proven: Position,
    /// In the store.
    pub(super) stored: Position,
    /// The furthest that was ever in the sink's hands: what is sent behind a cut up to here is a repeat.
    sent_before: Position,
    /// Those of the owners and when they were given, while they decide and there is something to send.
    rosters: Option<(u64, Vec<Arc<Roster>>)>,
    /// What is known of the nodes below, if this is a collection.
    below: Below,
    /// Events to send; the first is the one behind `sent`.
    events: VecDeque<Arc<Event>>,
    pub(super) presence_wait: PresenceWait,
    /// Where the next page of recipients starts, while they are being read.
    recipients_after: Option<SubscriptionId>,
    deleted: bool,
    log: Log,
}

/// Where a node stands as regards the queue of those with something to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// Outside, until it has something to send.
    Out,
    /// In line.
    InLine,
    /// Outside until there is a link: the next event is due to somebody.
    WaitsForLink,
    /// Outside for good: what the store has of the node cannot be read.
    Broken,
}

/// Why no more could be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stopped {
    SinkFull,
    /// Of the next recipient it is not known yet whether it is there.
    PresenceUnknown,
}

/// Whether a node has waited for word of subscribers whose own options ask for their presence: once in the life of a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PresenceWait {
    NotYet,
    /// It may wait until then, in milliseconds of the dispatcher's clock.
    Until(u64),
    /// Of whom nothing is known is not there.
    Over,
}

/// Where the events of a node are.
#[derive(Debug)]
enum Log {
    Stored,
    /// In memory alone. No cursor is stored before it has ended; its last event is kept here, whatever memory forgets.
    Transient {
        deletion: Option<Arc<Event>>,
    },
}

impl NodeDelivery {
    pub(super) fn new(node: DeliveryNode, head_seq: Seq, position: Position) -> Self {
        Self {
            node,
            head_seq,
            recipients: Recipients::default(),
            place: Place::Out,
            sent: position,
            proven: position,
            stored: position,
            sent_before: position,
            rosters: None,
            below: Below::default(),
            events: VecDeque::new(),
            presence_wait: PresenceWait::NotYet,
            recipients_after: None,
            deleted: false,
            log: Log::Stored,
        }
    }

    /// As [`Self::new`], of a node whose log is in memory alone.
    pub(super) fn new_transient(node: DeliveryNode, head_seq: Seq, position: Position) -> Self {
        Self { log: Log::Transient { deletion: None }, ..Self::new(node, head_seq, position) }
    }

    /// Takes note of where the log stands now, and of its end. A new life goes on where the signal begins; true if it is one.
    pub(super) fn moved_to(&mut self, signal: NodeSignal) -> bool {
        let NodeSignal { node, from, head_seq, deltas, deletion } = signal;
        let is_new_life = self.node.epoch != node.epoch;
        if is_new_life {
            let end = Position::behind(from.through_seq);
            (self.sent, self.proven) = (self.sent.min(end), self.proven.min(end));
            (self.stored, self.head_seq) = (self.stored.min(end), from.through_seq);
            self.forget_events();
            self.recipients.forget();
        }
        if !deltas.is_empty() {
            self.leave_the_link_alone();
        }
        if self.node.owners != node.owners {
            self.forget_rosters();
        }
        self.recipients.change(deltas);
        self.node = node;
        self.head_seq = self.head_seq.max(head_seq);
        if let (Log::Transient { deletion: known }, Some(deletion)) = (&mut self.log, deletion) {
            *known = Some(deletion);
        }
        is_new_life
    }

    /// Takes note that everything up to this position is handed over. True if the store is to know: of a log in memory it
    /// hears only that it has ended, so that the rest of the node can go.
    pub(super) fn prove(&mut self, position: Position) -> bool {
        self.proven = position;
        let has_ended = self.deleted && position >= self.end();
        let is_for_store = matches!(self.log, Log::Stored) || has_ended;
        if !is_for_store {
            self.stored = position;
        }
        is_for_store
    }

    /// The cursor as it is to be stored.
    pub(super) fn cursor_move(&self) -> CursorMove {
        let epoch = (!self.node.is_transient()).then_some(self.node.epoch);
        CursorMove { node: self.node.id, epoch, to: self.proven }
    }

    /// Takes what the store says of the node by now.
    pub(super) fn catch_up(&mut self, node: DeliveryNode, head: &Head) {
        self.node = node;
        self.forget_rosters();
        self.head_seq = self.head_seq.max(head.seq);
        if self.recipients.forget_older_than(head.recipients_version) {
            self.leave_the_link_alone();
        }
    }

    /// Where delivery is when everything is handed over.
    pub(super) fn end(&self) -> Position {
        Position::behind(self.head_seq)
    }

    /// Everything is handed over and the store knows.
    pub(super) fn is_done(&self) -> bool {
        self.stored >= self.end()
    }

    /// The log has ended.
    pub(super) fn is_deleted(&self) -> bool {
        self.deleted
    }

    /// Goes back to what is proven.
    pub(super) fn rewind(&mut self) {
        self.sent_before = self.sent_before.max(self.sent);
        self.sent = self.proven;
        self.presence_wait = PresenceWait::NotYet;
        self.leave_the_link_alone();
        self.forget_events();
        self.recipients.forget_unless_loaded();
    }

    /// Whom the next event was due to may be gone.
    fn leave_the_link_alone(&mut self) {
        if self.place == Place::WaitsForLink {
            self.place = Place::Out;
        }
    }

    /// Lets go of events that are still to be sent; they are read again.
    pub(super) fn forget_events(&mut self) {
        self.events.clear();
    }

    /// Lets go of the owners' rosters; they are asked for again.
    pub(super) fn forget_rosters(&mut self) {
        self.rosters = None;
    }

    /// The nodes below that the events in memory are about.
    pub(super) fn sources(&self) -> Vec<(NodeId, NodeName)> {
        sources((self.node.id, &self.node.name, &self.node.config), self.events.iter())
    }

    pub(super) fn take_below(&mut self, below: Below) {
        self.below = below;
    }

    /// Lets go of what is known of the nodes below; it is asked for again.
    pub(super) fn forget_below(&mut self) {
        self.below.forget();
    }

    pub(super) fn take_rosters(&mut self, rosters: Vec<Arc<Roster>>, version: u64) {
        self.rosters = Some((version, rosters));
    }

    /// The next event to send, with recipients new enough for it and rosters of this version in memory; `None` at the end
    /// of the log.
    pub(super) fn next_event(&mut self, rosters_version: u64) -> Result<Option<Arc<Event>>, Need> {
        if self.sent.through_seq >= self.head_seq {
            return Ok(None);
        }
        let Some(event) = self.events.front().cloned() else {
            let (node, after_seq) = (self.node.id, self.sent.through_seq);
            return Err(match self.log {
                Log::Stored => Need::Events { node, after_seq },
                Log::Transient { .. } => Need::Recent { node, after_seq },
            });
        };
        if event.due_after_seq.is_some() && !self.recipients.are_as_new_as(event.recipients_version) {
            if !self.recipients.are_loading() {
                self.recipients.start_loading();
                self.recipients_after = None;
            }
            return Err(Need::Recipients { node: self.node.id, after: self.recipients_after });
        }
        let has_rosters = self.rosters.as_ref().is_some_and(|(version, _)| *version == rosters_version);
        let asks_rosters = event.due_after_seq.is_some() && self.node.config.access_model.asks_rosters();
        if asks_rosters && !has_rosters {
            return Err(Need::Rosters { node: self.node.id });
        }
        if event.due_after_seq.is_some() && !self.below.knows(&self.node, &event) {
            return Err(Need::Below { node: self.node.id });
        }
        Ok(Some(event))
    }

    pub(super) fn take_events(&mut self, mut events: Vec<Arc<Event>>) {
        if let (Log::Transient { deletion: Some(last) }, true) = (&self.log, events.is_empty())
            && last.seq > self.sent.through_seq
        {
            events.push(Arc::clone(last));
        }
        match (events.first(), events.last()) {
            (Some(first), Some(last)) if first.seq > self.head_seq => {
                // Retention has removed all that was known to be there. Word of what follows is on its way, but without it
                // the node would be through with nothing, and never done.
                self.head_seq = last.seq;
            }
            _ => {}
        }
        match events.first() {
            None => self.head_seq = self.sent.through_seq,
            // Retention may have removed what comes right behind; whoever misses it sees that from `after`.
            Some(first) if first.seq > self.sent.through_seq + 1 => {
                self.sent = Position::behind(first.seq - 1);
            }
            Some(_) => {}
        }
        self.events = events.into();
    }

    /// Whether the next event is of a time that the store knows nothing of, going by recipients that were just read: it
    /// has lost commits, and the event with them.
    pub(super) fn is_ahead_of_store(&self) -> bool {
        self.events.front().is_some_and(|event| self.recipients.are_older_than(event.recipients_version))
    }

    pub(super) fn take_recipients(&mut self, page: RecipientPage, asked_for: usize) {
        if page.recipients_version == 0 {
            // The node's rows are gone: there is nobody left to tell.
            self.head_seq = self.sent.through_seq;
        }
        self.recipients_after = self.recipients.take_page(page, asked_for);
    }

    /// Sends the first event to at most `notifications_max` recipients, from where it was left: where the node or their
    /// options want it so, to those who are there by `presence`. Who gets digests is put aside. Says how it ended, and how
    /// many had been sent it before.
    pub(super) fn send(
        &mut self,
        event: &Arc<Event>,
        last: &mut HandOff,
        notifications_max: usize,
        aside: &mut Aside<'_>,
        presence: Option<&PresenceTable>,
        sink: &mut dyn NotificationSink,
    ) -> (Result<(), Stopped>, u64) {
        let mut left = notifications_max;
        let mut repeats = 0;
        let rosters = self.rosters.as_ref().map_or(&[][..], |(_, rosters)| rosters);
        if let Some(due_after_seq) = event.due_after_seq {
            for recipient in self.recipients.behind(self.sent.through_subscription) {
                let subscription = &recipient.subscription;
                let is_due = |it: &Recipient| is_due(it, &self.node, rosters, &self.below, event);
                if aside.wants_digest(subscription) && is_due(recipient) {
                    aside.begin(subscription);
                }
                let gets_it = |it: &Recipient| !aside.has(&it.subscription) && is_due(it);
                let available = |recipient: &Recipient| self.available(recipient, presence);
                let availability =
                    if gets_it(recipient) { available(recipient) } else { Availability::Offline };
                if availability == Availability::Unknown {
                    self.ask_behind(subscription.id, presence);
                    return (Err(Stopped::PresenceUnknown), repeats);
                }
                // The first of those with one address gets the message for all of them.
                let mut together = self
                    .recipients
                    .together_with(recipient)
                    .filter(|it| gets_it(it) && available(it) == Availability::Online)
                    .peekable();
                let is_first = availability == Availability::Online
                    && together.peek().is_some_and(|first| first.subscription.id == subscription.id);
                if is_first {
                    let sub_ids: Vec<_> = together.filter_map(|it| it.subscription.sub_id).collect();
                    if left == 0 {
                        return (Ok(()), repeats);
                    }
                    let hand_off = HandOff { ticket: last.ticket + 1, ..*last };
                    let sent = sink.try_send(&Delivery {
                        hand_off,
                        node: &self.node,
                        event,
                        source: self.below.source_of(event),
                        earlier: &[],
                        subscription,
                        sub_ids: &sub_ids,
                        after_seq: due_after_seq.max(subscription.since_seq),
                        is_late: self.sent < self.sent_before,
                    });
                    if sent.is_err() {
                        return (Err(Stopped::SinkFull), repeats);
                    }
                    repeats += u64::from(self.sent < self.sent_before);
                    *last = hand_off;
                    left -= 1;
                }
                self.sent.through_subscription = subscription.id;
            }
        }
        self.deleted = event.kind.is_deletion();
        self.sent = Position::behind(event.seq);
        self.events.pop_front();
        (Ok(()), repeats)
    }

    /// Whether the recipient is there. The node's own wish to know that is waited for as long as it takes; who asks for it by
    /// options does not hold up the others more than once in the life of a link, and is asked about when they are set.
    fn available(&self, recipient: &Recipient, presence: Option<&PresenceTable>) -> Availability {
        let config = &self.node.config;
        match availability(recipient, config, presence) {
            Availability::Unknown
                if !config.presence_based_delivery && self.presence_wait == PresenceWait::Over =>
            {
                Availability::Offline
            }
            other => other,
        }
    }

    /// Has all behind one asked about at once.
    fn ask_behind(&self, id: SubscriptionId, presence: Option<&PresenceTable>) {
        for other in self.recipients.behind(id) {
            self.available(other, presence);
        }
    }
}
