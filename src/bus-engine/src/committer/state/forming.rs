//! How a batch is formed of what waits.

use std::sync::Arc;

use bus_domain::{ItemId, NodeName};
use bus_store::{CommitLevel, LockMode};

use super::super::plan::plan;
use super::super::{Batch, Entry};
use super::{Action, Committer, Facts, NodeQueue, SKIPS_MAX, Waiting};

impl<Ticket> Committer<Ticket> {
    /// Decides what waits and forms the next batch, unless one is in flight.
    pub fn next_batch(&mut self, next_item_id: &dyn Fn() -> ItemId) -> Vec<Action<Ticket>> {
        let mut actions = Vec::new();
        if self.in_flight.is_some() {
            return actions;
        }
        let mut forming = std::mem::replace(&mut self.ahead, Forming::new());
        let mut of_another_level = Vec::new();
        for _ in 0..self.ready.len() {
            if self.is_full(&forming) {
                break;
            }
            let Some(name) = self.ready.pop_front() else { break };
            if self.next_level(&name).is_some_and(|level| !forming.takes(level)) {
                of_another_level.push(name);
                continue;
            }
            self.take_from(&name, &mut forming, &mut actions, next_item_id);
            match self.nodes.get(&name) {
                Some(NodeQueue { facts: Facts::Loading | Facts::LoadingOutdated, .. }) => {}
                Some(node) if !node.waiting.is_empty() => self.ready.push_back(name),
                _ => self.forget_idle(&[name]),
            }
        }
        // First in line now, so that the next batch is theirs.
        for name in of_another_level.into_iter().rev() {
            self.ready.push_front(name);
        }
        if let Some(level) = forming.level {
            self.ahead = Forming::with_room_for(forming.entries.len());
            self.in_flight = Some(forming.commands);
            self.number += 1;
            actions.push(Action::Write(Batch { level, entries: forming.entries }));
        }
        actions
    }

    /// Decides the node's commands in order until one must wait for the next batch.
    fn take_from(
        &mut self,
        name: &NodeName,
        forming: &mut Forming<Ticket>,
        actions: &mut Vec<Action<Ticket>>,
        next_item_id: &dyn Fn() -> ItemId,
    ) {
        while !self.is_full(forming) {
            let Some(node) = self.nodes.get_mut(name) else { return };
            let Facts::Known(facts) = &node.facts else { return };
            let Some(front) = node.waiting.front() else { return };
            if let Some(facts) = facts.as_ref().filter(|facts| front.command.verb.is_emitted(facts)) {
                let facts = Arc::clone(facts);
                let Some(waiting) = node.waiting.pop_front() else { return };
                actions.push(self.emit(waiting, facts));
                continue;
            }
            let alone = front.command.verb.is_alone(facts.as_deref());
            let level = front.command.verb.level(facts.as_deref());
            let is_first = node.batch < self.number;
            if (alone && !is_first) || !forming.takes(level) {
                return;
            }
            let limits = &self.settings.limits;
            let surroundings = &self.surroundings;
            let planned = plan(&front.command, facts.as_ref(), limits, surroundings, next_item_id);
            if planned.is_err() && self.is_shared && !front.is_confirmed {
                // Once what was taken of the node is written.
                if is_first {
                    node.waiting.iter_mut().for_each(|waiting| waiting.is_confirmed = true);
                    node.facts = Facts::Loading;
                    actions.push(Action::Load(name.clone()));
                }
                return;
            }
            let Some(waiting) = node.waiting.pop_front() else { return };
            match planned {
                Err(error) => actions.push(self.reply(waiting, Err(error))),
                Ok(entry) => {
                    node.batch = self.number;
                    forming.push(level, entry, waiting);
                    if alone {
                        node.batch_alone = self.number;
                        return;
                    }
                }
            }
        }
    }

    /// The level of the node's next command, if it is to be written and its facts are known.
    fn next_level(&self, name: &NodeName) -> Option<CommitLevel> {
        let NodeQueue { waiting, facts: Facts::Known(facts), .. } = self.nodes.get(name)? else {
            return None;
        };
        let verb = &waiting.front()?.command.verb;
        let is_written = facts.as_ref().is_none_or(|facts| !verb.is_emitted(facts));
        is_written.then(|| verb.level(facts.as_deref()))
    }

    pub(super) fn is_full(&self, forming: &Forming<Ticket>) -> bool {
        forming.entries.len() >= self.entries_max
            || forming.events >= self.settings.engine.batch_events_max
            || forming.bytes >= self.settings.engine.batch_bytes_max
    }
}

/// A batch in the making.
#[derive(Debug)]
pub(super) struct Forming<Ticket> {
    /// That of its first entry.
    level: Option<CommitLevel>,
    entries: Vec<Entry>,
    pub(super) commands: Vec<Waiting<Ticket>>,
    events: usize,
    bytes: usize,
    /// What comes next cannot be decided ahead.
    pub(super) is_closed: bool,
}

impl<Ticket> Forming<Ticket> {
    pub(super) fn new() -> Self {
        Self { level: None, entries: Vec::new(), commands: Vec::new(), events: 0, bytes: 0, is_closed: false }
    }

    /// The next batch of a busy bus is about as long as the last one.
    fn with_room_for(entries: usize) -> Self {
        let (entries, commands) = (Vec::with_capacity(entries), Vec::with_capacity(entries));
        Self { entries, commands, ..Self::new() }
    }

    /// Whether an entry of this level may join.
    pub(super) fn takes(&self, level: CommitLevel) -> bool {
        self.level.is_none_or(|of_batch| of_batch == level)
    }

    pub(super) fn push(&mut self, level: CommitLevel, mut entry: Entry, waiting: Waiting<Ticket>) {
        if waiting.postponed >= SKIPS_MAX {
            entry.lock = LockMode::Wait;
        }
        self.level = Some(level);
        self.events += entry.work.events();
        self.bytes += waiting.weight_bytes;
        self.entries.push(entry);
        self.commands.push(waiting);
    }
}
