use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;

use bus_domain::quota::StoredFull;
use bus_domain::{BusError, NodeFacts, NodeId, NodeName};

use super::plan::Surroundings;
use super::{Batch, EntryResult, FactsAfter};
use crate::{Command, Outcome, Settings, Verb};

mod ahead;
mod forming;

use forming::Forming;

/// How often a command is decided again because the rules moved under it.
const ATTEMPTS_MAX: u32 = 8;
/// How often a node whose head another instance holds is left for the next batch, before it is waited for.
const SKIPS_MAX: u32 = 4;
/// How often it is waited for, within the store's bound, before its senders are told to try again.
const WAITS_MAX: u32 = 2;

/// The committer without I/O: commands, loaded facts and results of batches go in, [`Action`]s come out.
///
/// Commands of one node are decided and written in the order in which they came; a command whose decision others
/// depend on is the only one of its node in a batch. One batch is in flight at a time, while the next one is being decided;
/// the commands in a batch need the same level of durability, and levels take turns.
#[derive(Debug)]
pub struct Committer<Ticket> {
    settings: Settings,
    nodes: HashMap<NodeName, NodeQueue<Ticket>>,
    /// Nodes with commands to decide and facts to decide them on.
    ready: VecDeque<NodeName>,
    in_flight: Option<Vec<Waiting<Ticket>>>,
    /// What is decided of the batch behind that in flight.
    ahead: Forming<Ticket>,
    /// Of the batch that is being formed; the one in flight has the number before it.
    number: u64,
    queued: usize,
    queued_bytes: usize,
    refused: u64,
    /// Entries that the next batch may have: halved by a batch that the store refused, so that the offender ends
    /// up alone; doubled by one that came through.
    entries_max: usize,
    surroundings: Surroundings,
    /// Others write to the store too: see [`Committer::on_shared_store`].
    is_shared: bool,
}

/// What the committer wants done.
#[derive(Debug)]
pub enum Action<Ticket> {
    /// Read the node's facts and call [`Committer::facts_loaded`].
    Load(NodeName),
    /// Decide the publish, hand its events to delivery and answer it, before anything else of its node.
    Emit(Emission<Ticket>),
    /// Answer the command.
    Reply(Ticket, Result<Outcome, BusError>),
    /// Write the batch and call [`Committer::batch_written`] or [`Committer::batch_failed`].
    Write(Batch),
}

/// A publish on a node in memory. Nothing of it is written, so no transaction could find its decision stale: it is made
/// when the publish has its turn, on the facts of then.
#[derive(Debug)]
pub struct Emission<Ticket> {
    /// Whose answer.
    pub ticket: Ticket,
    /// The publish.
    pub command: Command,
    /// What it is to be decided on.
    pub facts: Arc<NodeFacts>,
}

/// Why a batch was not written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BatchFailure {
    /// The store is away: nothing of the batch is there, and its senders may try again.
    Unavailable,
    /// The store refused something in the batch.
    Refused,
    /// The store is away, and the batch may be there: nobody could say what became of its COMMIT.
    Unknown,
}

#[derive(Debug)]
struct NodeQueue<Ticket> {
    waiting: VecDeque<Waiting<Ticket>>,
    facts: Facts,
    /// The newest batch that has a command of the node.
    batch: u64,
    /// The newest batch that has a command on whose outcome others depend.
    batch_alone: u64,
}

impl<Ticket> NodeQueue<Ticket> {
    fn new(waiting: Waiting<Ticket>, facts: Facts) -> Self {
        Self { waiting: VecDeque::from([waiting]), facts, batch: 0, batch_alone: 0 }
    }
}

#[derive(Debug)]
enum Facts {
    Loading,
    /// The same, and what comes of it may be old already.
    LoadingOutdated,
    Known(Option<Arc<NodeFacts>>),
}

#[derive(Debug)]
struct Waiting<Ticket> {
    command: Command,
    ticket: Ticket,
    weight_bytes: usize,
    attempts: u32,
    /// How often the node's head was held by somebody else.
    postponed: u32,
    /// Facts have been read from the store since the command came.
    is_confirmed: bool,
}

impl<Ticket> Committer<Ticket> {
    /// An idle committer.
    pub fn new(settings: Settings) -> Self {
        Self {
            entries_max: settings.engine.batch_events_max,
            settings,
            nodes: HashMap::new(),
            ready: VecDeque::new(),
            in_flight: None,
            ahead: Forming::new(),
            // No node has had a command in it, or in the one before.
            number: 2,
            queued: 0,
            queued_bytes: 0,
            refused: 0,
            surroundings: Surroundings::default(),
            is_shared: false,
        }
    }

    /// For a store that others write to as well. A commit checks the version of what it carries out, but nothing checks
    /// a refusal: there it rests on facts that were read after the command came.
    #[must_use]
    pub fn on_shared_store(self, is_shared: bool) -> Self {
        Self { is_shared, ..self }
    }

    /// Takes a command in. `known` are the node's facts as far as they are in memory, with every change that was answered.
    pub fn submit(
        &mut self,
        command: Command,
        ticket: Ticket,
        known: Option<Arc<NodeFacts>>,
    ) -> Option<Action<Ticket>> {
        if let Some(facts) = &known
            && command.verb.is_emitted(facts)
            && !self.nodes.contains_key(&command.node)
        {
            return Some(Action::Emit(Emission { ticket, command, facts: Arc::clone(facts) }));
        }
        let weight_bytes = command.weight_bytes();
        let limits = &self.settings.engine;
        if self.queued >= limits.queued_commands_max
            || self.queued_bytes + weight_bytes > limits.queued_bytes_max
        {
            self.refused += 1;
            return Some(Action::Reply(ticket, Err(BusError::Busy)));
        }
        self.queued += 1;
        self.queued_bytes += weight_bytes;
        let name = command.node.clone();
        let waiting =
            Waiting { command, ticket, weight_bytes, attempts: 0, postponed: 0, is_confirmed: false };
        if let Some(node) = self.nodes.get_mut(&name) {
            node.waiting.push_back(waiting);
            // An empty queue with known facts stands for a node whose commands are all in flight.
            if node.waiting.len() == 1 && matches!(node.facts, Facts::Known(_)) {
                self.ready.push_back(name);
            }
            return None;
        }
        let facts = known.map_or(Facts::Loading, |facts| Facts::Known(Some(facts)));
        let load = matches!(facts, Facts::Loading);
        self.nodes.insert(name.clone(), NodeQueue::new(waiting, facts));
        if load {
            return Some(Action::Load(name));
        }
        self.ready.push_back(name);
        None
    }

    /// Takes the facts that were asked for; an error answers everything that waits for them.
    pub fn facts_loaded(
        &mut self,
        name: &NodeName,
        loaded: Result<Option<Arc<NodeFacts>>, BusError>,
    ) -> Vec<Action<Ticket>> {
        let Some(node) = self.nodes.get_mut(name) else { return Vec::new() };
        match loaded {
            Ok(_) if matches!(node.facts, Facts::LoadingOutdated) => {
                node.facts = Facts::Loading;
                vec![Action::Load(name.clone())]
            }
            Ok(facts) => {
                node.facts = Facts::Known(facts);
                if !node.waiting.is_empty() {
                    self.ready.push_back(name.clone());
                }
                self.forget_idle(std::slice::from_ref(name));
                Vec::new()
            }
            Err(error) => {
                let waiting = self.nodes.remove(name).map(|node| node.waiting).unwrap_or_default();
                waiting.into_iter().map(|waiting| self.reply(waiting, Err(error.clone()))).collect()
            }
        }
    }

    /// Takes the results of the batch in flight, one for each entry.
    pub fn batch_written(&mut self, results: Vec<EntryResult>) -> Vec<Action<Ticket>> {
        self.entries_max = (self.entries_max * 2).min(self.settings.engine.batch_events_max);
        let commands = self.in_flight.take().unwrap_or_default();
        let names = names(&commands);
        let mut actions = Vec::with_capacity(commands.len());
        let mut again = Vec::new();
        let mut reload = Vec::new();
        for (waiting, result) in commands.into_iter().zip(results) {
            match result {
                EntryResult::Done { outcome, facts } => {
                    self.note_facts(&waiting.command.node, facts);
                    actions.push(self.reply(waiting, Ok(*outcome)));
                }
                EntryResult::Refused(error) => actions.push(self.reply(waiting, Err(error))),
                EntryResult::Postponed if waiting.postponed >= SKIPS_MAX + WAITS_MAX => {
                    actions.push(self.reply(waiting, Err(BusError::StoreUnavailable)));
                }
                EntryResult::Postponed => {
                    again.push(Waiting { postponed: waiting.postponed + 1, ..waiting });
                }
                EntryResult::Stale if waiting.attempts >= ATTEMPTS_MAX => {
                    reload.push(waiting.command.node.clone());
                    actions.push(self.reply(waiting, Err(BusError::Contended)));
                }
                EntryResult::Stale => {
                    reload.push(waiting.command.node.clone());
                    again.push(Waiting { attempts: waiting.attempts + 1, ..waiting });
                }
            }
        }
        if !again.is_empty() || !reload.is_empty() {
            self.put_back_ahead();
        }
        self.put_back(again);
        self.reload(reload, &mut actions);
        self.forget_idle(&names);
        actions
    }

    /// Takes note that nothing of the batch in flight was written, as far as anybody knows.
    pub fn batch_failed(&mut self, failure: BatchFailure) -> Vec<Action<Ticket>> {
        let commands = self.in_flight.take().unwrap_or_default();
        let names = names(&commands);
        let mut actions = Vec::new();
        self.put_back_ahead();
        match failure {
            BatchFailure::Unavailable => {
                // A store that is full has no room for publishes, and some for what makes room: that is tried alone.
                let is_publish = |waiting: &Waiting<Ticket>| {
                    matches!(waiting.command.verb, Verb::Publish(_) | Verb::PublishSourced(_))
                };
                let (publishes, others): (Vec<_>, Vec<_>) = commands.into_iter().partition(is_publish);
                let (refused, alone) =
                    if publishes.is_empty() { (others, publishes) } else { (publishes, others) };
                for waiting in refused {
                    actions.push(self.reply(waiting, Err(BusError::StoreUnavailable)));
                }
                if !alone.is_empty() {
                    self.entries_max = alone.len();
                    self.put_back(alone);
                }
            }
            BatchFailure::Unknown => {
                for waiting in commands {
                    actions.push(self.reply(waiting, Err(BusError::StoreUnavailable)));
                }
                self.reload(names.clone(), &mut actions);
            }
            BatchFailure::Refused if commands.len() == 1 => {
                for waiting in commands {
                    actions.push(self.reply(waiting, Err(BusError::Internal)));
                }
            }
            BatchFailure::Refused => {
                self.entries_max = (commands.len() / 2).max(1);
                self.put_back(commands);
            }
        }
        self.forget_idle(&names);
        actions
    }

    /// Takes note of nodes whose rules have moved without a command on them.
    pub fn rules_moved(&mut self, names: &[NodeName]) -> Vec<Action<Ticket>> {
        if !names.is_empty() {
            self.put_back_ahead();
        }
        for name in names {
            if let Some(NodeQueue { facts: facts @ Facts::Loading, .. }) = self.nodes.get_mut(name) {
                *facts = Facts::LoadingOutdated;
            }
        }
        let mut actions = Vec::new();
        self.reload(names.to_vec(), &mut actions);
        actions
    }

    /// Takes note of the nodes of which [`bus_domain::Limits::node_undelivered_events_max`] events wait for delivery.
    pub fn undelivered_full(&mut self, nodes: HashSet<NodeId>) {
        self.surroundings.undelivered_full = nodes;
    }

    /// Takes note of who stores too much.
    pub fn stored_full(&mut self, full: StoredFull) {
        self.surroundings.stored_full = full;
    }

    /// Takes note of whether access models that rosters decide can be set from now on.
    pub fn rosters_are_readable(&mut self, are_readable: bool) {
        self.surroundings.rosters_are_readable = are_readable;
    }

    /// True when nothing waits and nothing is in flight.
    pub fn is_idle(&self) -> bool {
        self.in_flight.is_none() && self.nodes.is_empty()
    }

    /// Whether a batch is in flight: until its outcome is known there is no next one.
    pub fn is_writing(&self) -> bool {
        self.in_flight.is_some()
    }

    /// Commands that wait or are in flight, and their bytes.
    pub fn queued(&self) -> (usize, usize) {
        (self.queued, self.queued_bytes)
    }

    /// Commands refused because too many waited.
    pub fn refused(&self) -> u64 {
        self.refused
    }

    fn reply(&mut self, waiting: Waiting<Ticket>, answer: Result<Outcome, BusError>) -> Action<Ticket> {
        self.queued -= 1;
        self.queued_bytes -= waiting.weight_bytes;
        Action::Reply(waiting.ticket, answer)
    }

    fn emit(&mut self, waiting: Waiting<Ticket>, facts: Arc<NodeFacts>) -> Action<Ticket> {
        let Waiting { command, ticket, weight_bytes, .. } = waiting;
        self.queued -= 1;
        self.queued_bytes -= weight_bytes;
        Action::Emit(Emission { ticket, command, facts })
    }

    fn note_facts(&mut self, name: &NodeName, after: FactsAfter) {
        if let (FactsAfter::Now(facts), Some(node)) = (after, self.nodes.get_mut(name)) {
            node.facts = Facts::Known(facts);
        }
    }

    /// Puts commands back in front of their nodes' queues, in their old order.
    fn put_back(&mut self, commands: Vec<Waiting<Ticket>>) {
        for waiting in commands.into_iter().rev() {
            let name = waiting.command.node.clone();
            let Some(node) = self.nodes.get_mut(&name) else { continue };
            node.waiting.push_front(waiting);
            if !self.ready.contains(&name) && matches!(node.facts, Facts::Known(_)) {
                self.ready.push_front(name);
            }
        }
    }

    fn reload(&mut self, names: Vec<NodeName>, actions: &mut Vec<Action<Ticket>>) {
        for name in names {
            if let Some(node) = self.nodes.get_mut(&name)
                && matches!(node.facts, Facts::Known(_))
            {
                node.facts = Facts::Loading;
                self.ready.retain(|ready| *ready != name);
                actions.push(Action::Load(name));
            }
        }
    }

    /// Lets go of nodes of which nothing waits, is decided or is in flight.
    fn forget_idle(&mut self, names: &[NodeName]) {
        let oldest = self.number - u64::from(self.in_flight.is_some());
        for name in names {
            if let Some(NodeQueue { waiting, facts: Facts::Known(_), batch, .. }) = self.nodes.get(name)
                && waiting.is_empty()
                && *batch < oldest
            {
                self.nodes.remove(name);
            }
        }
    }
}

fn names<Ticket>(commands: &[Waiting<Ticket>]) -> Vec<NodeName> {
    commands.iter().map(|waiting| waiting.command.node.clone()).collect()
}

#[cfg(test)]
mod tests;
