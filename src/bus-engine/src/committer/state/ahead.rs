//! What is decided of the next batch while one is in flight, so that the store need not wait for it.

use bus_domain::ItemId;

use super::super::plan::plan;
use super::forming::Forming;
use super::{Committer, Facts, NodeQueue};

impl<Ticket> Committer<Ticket> {
    /// Decides what waits while a batch is in flight, in the order in which the next batch would, up to the first command
    /// that has to see what that batch comes to: one on whose outcome others depend, and one that would be refused.
    pub fn decide_ahead(&mut self, next_item_id: &dyn Fn() -> ItemId) {
        if self.in_flight.is_none() {
            return;
        }
        let mut ahead = std::mem::replace(&mut self.ahead, Forming::new());
        while !self.is_full(&ahead) && self.decide_one_ahead(&mut ahead, next_item_id) {}
        self.ahead = ahead;
    }

    fn decide_one_ahead(&mut self, ahead: &mut Forming<Ticket>, next_item_id: &dyn Fn() -> ItemId) -> bool {
        let in_flight = self.number - 1;
        let Some(node) = self.ready.front().and_then(|name| self.nodes.get_mut(name)) else { return false };
        let NodeQueue { waiting, facts: Facts::Known(Some(facts)), batch, batch_alone } = node else {
            return false;
        };
        let Some(command) = waiting.front().map(|waiting| &waiting.command) else { return false };
        let level = command.verb.level(Some(facts));
        if ahead.is_closed
            || *batch_alone == in_flight
            || !ahead.takes(level)
            || command.verb.is_emitted(facts)
            || command.verb.is_alone(Some(facts))
        {
            return false;
        }
        let limits = &self.settings.limits;
        let Ok(entry) = plan(command, Some(facts), limits, &self.surroundings, next_item_id) else {
            // Once is enough until then.
            ahead.is_closed = true;
            return false;
        };
        let Some(taken) = waiting.pop_front() else { return false };
        *batch = self.number;
        if waiting.is_empty() {
            self.ready.pop_front();
        }
        ahead.push(level, entry, taken);
        true
    }

    /// Undecides it, because something that is to be written before it goes back to its queue, or rules have moved.
    pub(super) fn put_back_ahead(&mut self) {
        let ahead = std::mem::replace(&mut self.ahead, Forming::new());
        for waiting in &ahead.commands {
            if let Some(node) = self.nodes.get_mut(&waiting.command.node) {
                // At most what is in flight is left of it.
                node.batch = self.number - 1;
            }
        }
        self.put_back(ahead.commands);
    }
}
