//! Which requests may be under way at once, without I/O: one sender's are answered in order, publishes of one
//! sender overlap, senders do not wait for each other, and everything is bounded.

mod load;

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use load::{Load, Loads};

use crate::RequestLoad;

/// The bounds of the requests that are under way. Over the first four a request is refused as busy.
///
/// Order is per full JID, bounds are per bare JID: a user with many resources has no larger share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestLimits {
    /// Requests that wait or are under way.
    pub requests_in_flight_max: usize,
    /// Of them, those of one bare JID, of all its resources together.
    pub requests_per_sender_max: usize,
    /// Bytes of them, about.
    pub requests_bytes_max: usize,
    /// Of them, those of one bare JID. A single request may be over it.
    pub requests_bytes_per_sender_max: usize,
    /// Requests other than publishes that are under way at once, of all senders together; more wait. One bare JID has an
    /// eighth of them at most, so that whoever asks what is slow holds up himself.
    pub exclusive_in_flight_max: usize,
    /// Bytes of answers that may wait to be sent before no more requests are taken in.
    pub answers_bytes_max: usize,
}

impl Default for RequestLimits {
    fn default() -> Self {
        Self {
            requests_in_flight_max: 4096,
            requests_per_sender_max: 256,
            requests_bytes_max: 32 * 1024 * 1024,
            requests_bytes_per_sender_max: 4 * 1024 * 1024,
            exclusive_in_flight_max: 64,
            answers_bytes_max: 2 * 1024 * 1024,
        }
    }
}

/// The requests of all senders. `R` is a request.
#[derive(Debug)]
pub(crate) struct Ordering<R> {
    limits: RequestLimits,
    senders: HashMap<Arc<str>, Lane<R>>,
    /// Senders whose next request is a publish that may start.
    publishers: VecDeque<Arc<str>>,
    /// Senders whose next request is another one that may start.
    others: VecDeque<Arc<str>>,
    /// Senders of those who have their share of the others, by bare JID.
    held: HashMap<Box<str>, VecDeque<Arc<str>>>,
    /// Answers that may leave, each with all of its stanzas.
    answers: VecDeque<Vec<String>>,
    answers_bytes: usize,
    in_flight: Loads,
    others_running: usize,
}

/// A request as it comes in.
#[derive(Debug)]
pub(crate) struct Arrival<R> {
    /// The request.
    pub(crate) request: R,
    /// Publishes overlap; anything else is alone.
    pub(crate) is_publish: bool,
    /// About how many bytes it takes.
    pub(crate) bytes: usize,
}

/// A request that was started; to be given back with its answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ticket {
    sender: Arc<str>,
    number: u64,
}

/// One sender's requests, oldest first: answered and running ones, then waiting ones.
#[derive(Debug)]
struct Lane<R> {
    slots: VecDeque<Slot<R>>,
    /// The number of the first slot.
    first_number: u64,
    /// Slots in front that do not wait any more.
    started: usize,
    /// Whether the running one has to be alone.
    is_exclusive: bool,
    /// Whether the sender stands in one of the queues of those that may start.
    is_queued: bool,
}

#[derive(Debug)]
enum Slot<R> {
    Waiting(Arrival<R>),
    Running { is_publish: bool, bytes: usize },
    Answered { answer: Vec<String>, bytes: usize },
}

impl<R> Ordering<R> {
    pub(crate) fn new(limits: RequestLimits) -> Self {
        Self {
            limits,
            senders: HashMap::new(),
            publishers: VecDeque::new(),
            others: VecDeque::new(),
            held: HashMap::new(),
            answers: VecDeque::new(),
            answers_bytes: 0,
            in_flight: Loads::default(),
            others_running: 0,
        }
    }

    /// Takes a request in, or gives it back when there are too many.
    pub(crate) fn admit(&mut self, sender: &str, arrival: Arrival<R>) -> Result<(), R> {
        if !self.in_flight.has_room(&self.limits, sender, arrival.bytes) {
            return Err(arrival.request);
        }
        self.in_flight.add(sender, arrival.bytes);
        let sender = self.lane(sender);
        self.push(&sender, Slot::Waiting(arrival));
        self.queue(&sender);
        Ok(())
    }

    /// Takes an answer that is known already: it leaves behind the sender's earlier ones, or at once when there are
    /// too many.
    pub(crate) fn admit_answer(&mut self, sender: &str, answer: Vec<String>) {
        let bytes = bytes_of(&answer);
        if !self.senders.contains_key(sender) || !self.in_flight.has_room(&self.limits, sender, bytes) {
            return self.send(answer);
        }
        self.in_flight.add(sender, bytes);
        let sender = self.lane(sender);
        self.push(&sender, Slot::Answered { answer, bytes });
        self.queue(&sender);
    }

    /// Lets an answer leave before any other of its sender.
    pub(crate) fn send(&mut self, answer: Vec<String>) {
        let bytes = bytes_of(&answer);
        if bytes > 0 {
            self.answers_bytes += bytes;
            self.answers.push_back(answer);
        }
    }

    /// The next request that may start.
    pub(crate) fn start(&mut self) -> Option<(Ticket, R)> {
        let sender = match self.publishers.pop_front() {
            Some(sender) => sender,
            None if self.may_start_others() => self.next_other()?,
            None => return None,
        };
        let lane = self.senders.get_mut(&sender)?;
        lane.is_queued = false;
        let (number, arrival) = lane.start()?;
        if !arrival.is_publish {
            self.others_running += 1;
            self.in_flight.other_started(&sender);
        }
        self.queue(&sender);
        Some((Ticket { sender, number }, arrival.request))
    }

    /// Takes the answer of a request that was started: the stanzas that it is made of, in the order in which they are to
    /// leave; none if none is due.
    pub(crate) fn finish(&mut self, ticket: &Ticket, answer: Vec<String>) {
        let Some(lane) = self.senders.get_mut(&ticket.sender) else { return };
        if !lane.finish(ticket.number, answer) {
            self.others_running -= 1;
            self.in_flight.other_finished(&ticket.sender);
            let user = load::bare(&ticket.sender);
            if let Some(held) = self.held.get_mut(user) {
                self.others.extend(held.pop_front());
                if held.is_empty() {
                    self.held.remove(user);
                }
            }
        }
        let mut answered = Load::default();
        while let Some(Slot::Answered { .. }) = lane.slots.front() {
            let Some(Slot::Answered { answer, bytes }) = lane.pop() else { break };
            answered.add(Load { requests: 1, bytes });
            if !answer.is_empty() {
                self.answers_bytes += bytes_of(&answer);
                self.answers.push_back(answer);
            }
        }
        self.in_flight.remove(&ticket.sender, answered);
        if lane.slots.is_empty() {
            self.senders.remove(&ticket.sender);
        } else {
            self.queue(&ticket.sender);
        }
    }

    /// The next answer that may leave, with all of its stanzas.
    pub(crate) fn take_answer(&mut self) -> Option<Vec<String>> {
        let answer = self.answers.pop_front()?;
        self.answers_bytes -= bytes_of(&answer);
        Some(answer)
    }

    /// Whether another request should be taken in. While answers pile up it should not: that slows senders down.
    pub(crate) fn has_room(&self) -> bool {
        self.answers_bytes < self.limits.answers_bytes_max
    }

    /// How much is under way.
    pub(crate) fn load(&self) -> RequestLoad {
        let Load { requests, bytes } = self.in_flight.total();
        RequestLoad { requests, bytes, answers_bytes: self.answers_bytes }
    }

    /// Whether nothing is under way and nothing waits.
    pub(crate) fn is_idle(&self) -> bool {
        self.in_flight.is_empty() && self.answers.is_empty()
    }

    /// Their answers may be long, so they are few, and fewer while answers pile up.
    fn may_start_others(&self) -> bool {
        self.others_running < self.limits.exclusive_in_flight_max.max(1) && self.has_room()
    }

    /// The next sender whose user has not got his share; those who have stand aside until one of theirs is through.
    fn next_other(&mut self) -> Option<Arc<str>> {
        let share = (self.limits.exclusive_in_flight_max / 8).max(1);
        loop {
            let sender = self.others.pop_front()?;
            if self.in_flight.others_of(&sender) < share {
                return Some(sender);
            }
            self.held.entry(load::bare(&sender).into()).or_default().push_back(sender);
        }
    }

    /// The key of a sender's lane, which is there from now on.
    fn lane(&mut self, sender: &str) -> Arc<str> {
        if let Some((sender, _)) = self.senders.get_key_value(sender) {
            return Arc::clone(sender);
        }
        let sender: Arc<str> = sender.into();
        self.senders.insert(Arc::clone(&sender), Lane::new());
        sender
    }

    fn push(&mut self, sender: &Arc<str>, slot: Slot<R>) {
        if let Some(lane) = self.senders.get_mut(sender) {
            lane.slots.push_back(slot);
        }
    }

    /// Lets the sender stand in line if its next request may start.
    fn queue(&mut self, sender: &Arc<str>) {
        let Some(lane) = self.senders.get_mut(sender) else { return };
        let Some(is_publish) = lane.startable() else { return };
        lane.is_queued = true;
        let queue = if is_publish { &mut self.publishers } else { &mut self.others };
        queue.push_back(Arc::clone(sender));
    }
}

impl<R> Lane<R> {
    fn new() -> Self {
        Self { slots: VecDeque::new(), first_number: 0, started: 0, is_exclusive: false, is_queued: false }
    }

    /// Whether the next waiting request may start, and if so, whether it is a publish.
    fn startable(&mut self) -> Option<bool> {
        while let Some(Slot::Answered { .. }) = self.slots.get(self.started) {
            self.started += 1;
        }
        let Some(Slot::Waiting(next)) = self.slots.get(self.started) else { return None };
        let may_start = !self.is_queued && !self.is_exclusive && (next.is_publish || self.started == 0);
        may_start.then_some(next.is_publish)
    }

    fn start(&mut self) -> Option<(u64, Arrival<R>)> {
        let slot = self.slots.get_mut(self.started)?;
        let Slot::Waiting(Arrival { is_publish, bytes, .. }) = *slot else { return None };
        let Slot::Waiting(arrival) = std::mem::replace(slot, Slot::Running { is_publish, bytes }) else {
            return None;
        };
        let number = self.first_number + self.started as u64;
        self.started += 1;
        self.is_exclusive = !is_publish;
        Some((number, arrival))
    }

    /// Returns whether it was a publish.
    fn finish(&mut self, number: u64, answer: Vec<String>) -> bool {
        let at = usize::try_from(number - self.first_number).unwrap_or(usize::MAX);
        let Some(slot) = self.slots.get_mut(at) else { return true };
        let Slot::Running { is_publish, bytes } = *slot else { return true };
        *slot = Slot::Answered { answer, bytes };
        self.is_exclusive &= is_publish;
        is_publish
    }

    fn pop(&mut self) -> Option<Slot<R>> {
        let slot = self.slots.pop_front()?;
        self.first_number += 1;
        self.started = self.started.saturating_sub(1);
        Some(slot)
    }
}

fn bytes_of(answer: &[String]) -> usize {
    answer.iter().map(String::len).sum()
}

#[cfg(test)]
mod tests;
