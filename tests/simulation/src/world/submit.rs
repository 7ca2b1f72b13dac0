use std::sync::Arc;

use bus_domain::BusError;
use bus_engine::Outcome;
use bus_engine::committer::Action;
use bus_store::NodeStore as _;

use crate::commands::{self, Ticket};
use crate::instance::{Load, Write};
use crate::violation::{Checked, Promise};

use super::commit::at_once;
use super::{Submitted, World};

impl World {
    /// Somebody asks for something.
    pub(super) fn submit(&mut self) -> Checked {
        self.last_ticket += 1;
        let ticket = self.last_ticket;
        let lives: Vec<_> = self.model.lives().filter(|(_, life)| !life.is_deleted).collect();
        let (sender, command) = commands::draw(&mut self.random, &self.scenario, ticket, |name| {
            lives.iter().any(|(_, life)| life.name == *name)
        });
        let at = sender.0 % self.instances.len();
        self.note(format!(
            "{} asks instance {at} on {}: {:?}",
            command.actor.jid(),
            command.node,
            command.verb
        ));
        let instance = &mut self.instances[at];
        let known = instance.facts.get(&command.node);
        let action = instance.committer.submit(command.clone(), ticket, known);
        self.decide_ahead(at);
        self.open.insert(ticket, Submitted { sender, instance: at, command });
        self.act(at, action)
    }

    /// A read of facts goes on: it begins, it sees the store, it is taken in.
    pub(super) fn load(&mut self, at: usize) -> Checked {
        let load = self.random.below(self.instances[at].loads.len());
        let load = self.instances[at].loads.swap_remove(load);
        let instance = &mut self.instances[at];
        let next = match load {
            Load::Asked(name) => {
                instance.facts.evict(&name);
                let before = instance.facts.before_read();
                Load::Begun { name, before }
            }
            Load::Begun { name, before } => {
                let found = at_once(self.store.find_node(&name));
                let found = found.map(|facts| facts.map(Arc::new)).map_err(|_| BusError::StoreUnavailable);
                Load::Done { name, before, found }
            }
            Load::Done { name, before, found } => {
                if let Ok(Some(facts)) = &found {
                    instance.facts.put_read(Arc::clone(facts), before);
                }
                let version = found.as_ref().map(|facts| facts.as_ref().map(|facts| facts.rules_version));
                self.trace.note(format!("instance {at} has the facts of {name}: {version:?}"));
                let actions = self.instances[at].committer.facts_loaded(&name, found);
                return self.act(at, actions);
            }
        };
        instance.loads.push(next);
        Ok(())
    }

    /// Does what a committer wants done.
    pub(super) fn act(&mut self, at: usize, actions: impl IntoIterator<Item = Action<Ticket>>) -> Checked {
        for action in actions {
            match action {
                Action::Load(name) => self.instances[at].loads.push(Load::Asked(name)),
                Action::Write(batch) => {
                    self.note(format!("instance {at} forms a batch of {}", batch.entries.len()));
                    self.instances[at].write = Some(Write::Formed(batch));
                }
                // No node here is in memory alone.
                Action::Emit(emission) => {
                    return Err(Promise::Rules.broken(format!("{:?} bypasses the store", emission.command)));
                }
                Action::Reply(ticket, answer) => self.answer(ticket, &answer)?,
            }
        }
        Ok(())
    }

    /// A requester hears what became of its command.
    fn answer(&mut self, ticket: Ticket, answer: &Result<Outcome, BusError>) -> Checked {
        self.note(format!("t{ticket} hears {answer:?}"));
        let known = self.open.remove(&ticket);
        let Submitted { sender, command, .. } =
            known.ok_or_else(|| Promise::OneOrder.broken(format!("t{ticket} is answered twice")))?;
        let Ok(outcome) = answer else { return Ok(()) };
        self.counts.acknowledged += 1;
        self.model.confirm(&command, outcome)?;
        let before = self.answered.insert((sender, command.node.clone()), ticket);
        Promise::OneOrder.check(before < Some(ticket), || format!("t{ticket} is answered behind {before:?}"))
    }
}
