use std::collections::VecDeque;
use std::fmt::Write as _;

use bus_xml::escape_attribute;
use tokio::time::Instant;

/// Unanswered barriers at most; notifications wait for an answer beyond it.
const IN_FLIGHT_MAX: usize = 64;

/// The barriers of one stream: pings to the server's host domain (XEP-0199) placed among the notifications.
///
/// A server handles what it reads from one stream in order, so the answer to a ping, of whatever kind, proves that it
/// took every stanza before. No answer is needed twice: a later one proves what an earlier one would have.
#[derive(Debug)]
pub(crate) struct Barriers {
    every_stanzas: u32,
    /// Everything of the ping before the number in its id.
    request_head: String,
    id_prefix: String,
    next_number: u64,
    in_flight: VecDeque<InFlight>,
    stanzas_since_last: u32,
    longest_since_last_bytes: usize,
    last_ticket: Option<u64>,
    proven_ticket: Option<u64>,
    is_wanted: bool,
    has_answer: bool,
}

#[derive(Debug)]
struct InFlight {
    number: u64,
    through_ticket: Option<u64>,
    longest_bytes: usize,
    placed_at: Instant,
}

/// Who the barriers of a link are between.
#[derive(Debug, Clone)]
pub(crate) struct BarrierEnds {
    pub(crate) domain: String,
    pub(crate) host: String,
    pub(crate) every_stanzas: u32,
}

impl Barriers {
    /// `nonce` makes the ids of this stream unknown to everybody else.
    pub(crate) fn new(ends: &BarrierEnds, nonce: u128) -> Self {
        let id_prefix = format!("b{nonce:032x}-");
        let mut request_head = String::from("<iq type='get' from='");
        escape_attribute(&ends.domain, &mut request_head);
        request_head.push_str("' to='");
        escape_attribute(&ends.host, &mut request_head);
        request_head.push_str("' id='");
        request_head.push_str(&id_prefix);
        Self {
            every_stanzas: ends.every_stanzas.max(1),
            request_head,
            id_prefix,
            next_number: 0,
            in_flight: VecDeque::new(),
            stanzas_since_last: 0,
            longest_since_last_bytes: 0,
            last_ticket: None,
            proven_ticket: None,
            is_wanted: true,
            has_answer: false,
        }
    }

    /// A notification was put into the write buffer.
    pub(crate) fn notification_placed(&mut self, ticket: u64) {
        self.stanzas_since_last += 1;
        self.last_ticket = self.last_ticket.max(Some(ticket));
    }

    /// A stanza of that length, of either lane, was put into the write buffer.
    pub(crate) fn stanza_placed(&mut self, bytes: usize) {
        self.longest_since_last_bytes = self.longest_since_last_bytes.max(bytes);
    }

    /// The longest stanza that no answer has proved yet, in bytes.
    pub(crate) fn longest_unproven_bytes(&self) -> usize {
        let in_flight = self.in_flight.iter().map(|barrier| barrier.longest_bytes);
        in_flight.max().unwrap_or(0).max(self.longest_since_last_bytes)
    }

    /// Asks for a ping at the next occasion, whether or not anything is unproven.
    pub(crate) fn want(&mut self) {
        self.is_wanted = true;
    }

    /// Whether the server has answered one on this stream. Before that it may have accepted the stream without being
    /// whole: what is sent then may be lost although a later answer seems to prove it.
    pub(crate) fn has_answer(&self) -> bool {
        self.has_answer
    }

    /// A barrier must stand before the next notification.
    pub(crate) fn is_due(&self) -> bool {
        self.stanzas_since_last >= self.every_stanzas
    }

    /// A barrier must stand at the end of this round of writing.
    pub(crate) fn is_due_at_rest(&self) -> bool {
        self.is_wanted || self.is_due() || (self.stanzas_since_last > 0 && self.in_flight.is_empty())
    }

    /// False while too many barriers are unanswered.
    pub(crate) fn has_room(&self) -> bool {
        self.in_flight.len() < IN_FLIGHT_MAX
    }

    /// Everything that was placed is proven.
    pub(crate) fn is_settled(&self) -> bool {
        self.stanzas_since_last == 0 && self.in_flight.is_empty()
    }

    /// Barriers without an answer yet.
    pub(crate) fn unanswered(&self) -> usize {
        self.in_flight.len()
    }

    /// When the oldest unanswered barrier was placed.
    pub(crate) fn oldest_placed_at(&self) -> Option<Instant> {
        self.in_flight.front().map(|barrier| barrier.placed_at)
    }

    /// Appends a ping that covers every notification placed so far.
    pub(crate) fn place(&mut self, now: Instant, out: &mut Vec<u8>) {
        let number = self.next_number;
        self.next_number += 1;
        let mut request = self.request_head.clone();
        write!(request, "{number}'><ping xmlns='urn:xmpp:ping'/></iq>").expect("a String takes everything");
        out.extend_from_slice(request.as_bytes());
        let longest_bytes = std::mem::take(&mut self.longest_since_last_bytes);
        self.in_flight.push_back(InFlight {
            number,
            through_ticket: self.last_ticket,
            longest_bytes,
            placed_at: now,
        });
        self.stanzas_since_last = 0;
        self.is_wanted = false;
    }

    /// Whether the id is one of this stream's.
    pub(crate) fn is_own(&self, id: &str) -> bool {
        id.starts_with(&self.id_prefix)
    }

    /// Takes the id of an IQ answer from the host domain. `None` when it is none of ours.
    pub(crate) fn answer(&mut self, id: &str) -> Option<Proof> {
        let number: u64 = id.strip_prefix(self.id_prefix.as_str())?.parse().ok()?;
        self.has_answer = true;
        let mut proof = Proof { barriers: 0, through_ticket: None, longest_bytes: 0 };
        while let Some(barrier) = self.in_flight.pop_front_if(|barrier| barrier.number <= number) {
            proof.barriers += 1;
            proof.longest_bytes = proof.longest_bytes.max(barrier.longest_bytes);
            if barrier.through_ticket > self.proven_ticket {
                self.proven_ticket = barrier.through_ticket;
                proof.through_ticket = barrier.through_ticket;
            }
        }
        Some(proof)
    }
}

/// What an answer proves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Proof {
    /// Barriers that it settles.
    pub(crate) barriers: u64,
    /// The highest ticket that is newly proven.
    pub(crate) through_ticket: Option<u64>,
    /// The longest stanza among those that are newly proven.
    pub(crate) longest_bytes: usize,
}

#[cfg(test)]
mod tests;
