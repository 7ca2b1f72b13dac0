//! Nodes take turns at sending.

use bus_domain::NodeId;

use super::super::digest::Aside;
use super::super::node::{Place, Stopped};
use super::super::{Delivery, HandOff, NotificationSink, SinkFull};
use super::{Dispatcher, Need};

/// Nodes in line that may keep the rest of the page that they were reading.
const HELD_PAGES_MAX: usize = 64;
/// Notifications for one node before it is the next one's turn.
const TURN_NOTIFICATIONS_MAX: usize = 256;

/// How a turn of a node ended.
enum Turn {
    /// There is nothing left to send.
    Idle,
    /// Others first.
    Over,
    Needs(Need),
    SinkFull,
    AwaitsPresence,
}

/// Takes nothing.
struct NoLink;

impl NotificationSink for NoLink {
    fn try_send(&mut self, _delivery: &Delivery<'_>) -> Result<(), SinkFull> {
        Err(SinkFull)
    }
}

impl Dispatcher {
    pub(super) fn pump_nodes(&mut self, sink: &mut dyn NotificationSink) -> Option<Need> {
        while !self.sink_full {
            let id = *self.active.front()?;
            let turn = match self.link {
                Some(link) => self.turn(link, id, sink),
                None => self.turn(0, id, &mut NoLink),
            };
            if !matches!(turn, Turn::Needs(_))
                && let Some(delivery) = self.nodes.get_mut(&id)
            {
                delivery.forget_below();
            }
            match turn {
                Turn::Needs(need) => return Some(need),
                Turn::SinkFull if self.link.is_none() => self.wait_for_link(),
                Turn::SinkFull => self.sink_full = true,
                Turn::AwaitsPresence => self.wait_for_presence(id),
                Turn::Over => self.put_last(id),
                Turn::Idle => self.deactivate_first(),
            }
        }
        None
    }

    /// What is due to nobody needs no link; the first one in line has come to something else.
    fn wait_for_link(&mut self) {
        if let Some(id) = self.active.pop_front()
            && let Some(delivery) = self.nodes.get_mut(&id)
        {
            delivery.place = Place::WaitsForLink;
            delivery.forget_events();
        }
    }

    pub(super) fn activate(&mut self, id: NodeId) {
        if let Some(delivery) = self.nodes.get_mut(&id)
            && delivery.place == Place::Out
            && delivery.sent < delivery.end()
        {
            delivery.place = Place::InLine;
            self.active.push_back(id);
        }
    }

    pub(super) fn put_aside(&mut self, id: NodeId) {
        self.active.retain(|active| *active != id);
        if let Some(delivery) = self.nodes.get_mut(&id) {
            delivery.place = Place::Out;
        }
    }

    /// Has those try again whose events were ahead of the store.
    pub(super) fn look_at_ahead(&mut self) {
        for id in std::mem::take(&mut self.ahead) {
            if let Some(delivery) = self.nodes.get_mut(&id) {
                delivery.forget_events();
            }
            self.activate(id);
        }
    }

    fn deactivate_first(&mut self) {
        if let Some(id) = self.active.pop_front()
            && let Some(delivery) = self.nodes.get_mut(&id)
        {
            delivery.place = Place::Out;
            delivery.forget_rosters();
        }
    }

    /// The first becomes the last. Where many are in line it comes back with a fresh page, so that what is held in
    /// memory does not grow with their number.
    fn put_last(&mut self, id: NodeId) {
        self.active.rotate_left(1);
        if self.active.len() > HELD_PAGES_MAX
            && let Some(delivery) = self.nodes.get_mut(&id)
        {
            delivery.forget_events();
            delivery.forget_rosters();
        }
    }

    fn turn(&mut self, link: u64, id: NodeId, sink: &mut dyn NotificationSink) -> Turn {
        let Some(delivery) = self.nodes.get_mut(&id) else { return Turn::Idle };
        // Without a link, another instance may deliver, and may have made up with those who lag by what is known here.
        let is_served = self.link.is_some();
        let mut left = TURN_NOTIFICATIONS_MAX;
        while left > 0 {
            let event = match delivery.next_event(self.rosters_version) {
                Ok(None) => return Turn::Idle,
                Ok(Some(event)) => event,
                Err(need) => return Turn::Needs(need),
            };
            let before = self.last_ticket;
            let mut last = HandOff { link, ticket: before };
            // Without a link nobody is known to be there, and nothing is sent.
            let presence = self.link.and(Some(&*self.presence));
            let lagging = self.lagging.of(id).filter(|_| is_served);
            let may_digest = is_served && !delivery.node.is_transient();
            let mut aside = Aside::new(lagging, if may_digest { self.lagging.room_for_digests() } else { 0 });
            let (outcome, repeats) = delivery.send(&event, &mut last, left, &mut aside, presence, sink);
            let begun = aside.into_begun();
            if !begun.is_empty() {
                self.lagging.begin_digests(id, delivery.node.epoch, event.seq, begun, self.now_ms);
            }
            self.repeats += repeats;
            self.last_ticket = last.ticket;
            // An event that is due to nobody takes its share of the turn too.
            let sent = usize::try_from(self.last_ticket - before).unwrap_or(left);
            left = left.saturating_sub(sent.max(1));
            if self.last_ticket == self.proven_ticket {
                // Nothing is on its way, so what was due to nobody is proven at once.
                if delivery.proven < delivery.sent && delivery.prove(delivery.sent) {
                    self.moved.insert(id);
                }
            } else {
                self.marks.note(self.last_ticket, id, delivery.sent);
            }
            match outcome {
                Ok(()) => {}
                Err(Stopped::SinkFull) => return Turn::SinkFull,
                Err(Stopped::PresenceUnknown) => return Turn::AwaitsPresence,
            }
        }
        Turn::Over
    }
}
