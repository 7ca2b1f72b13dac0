//! Create: how a new consumer may be.

use super::start::Start;
use super::{
    ConsumerConfig, ConsumerError, DeadLetterNode, Destination, Filter, Mode, NodePattern, destination, retry,
};
use crate::{Limits, NodeName};

/// What somebody wants a consumer to be; what is `None` is the default.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wish {
    /// The nodes that are read.
    pub nodes: Vec<NodePattern>,
    /// How it is read.
    pub mode: Mode,
    /// Where it begins.
    pub start: Start,
    /// How long a worker has for an event, in milliseconds; [`LEASE_MS`] if not given.
    pub lease_ms: Option<u64>,
    /// See [`ConsumerConfig::retry_schedule_ms`]; [`RETRY_SCHEDULE_MS`] if empty.
    pub retry_schedule_ms: Vec<u64>,
    /// How often an event is handed out at most; [`ATTEMPTS_MAX`] with a dead-letter node, no bound without.
    pub attempts_max: Option<u32>,
    /// The node that takes dead letters.
    pub dead_letter_node: Option<NodeName>,
    /// Events that may be leased at a time; [`IN_FLIGHT_MAX`] if not given, or fewer where the operator allows no more.
    pub in_flight_max: Option<u32>,
    /// Which events are handed out; `None` for all.
    pub filter: Option<Filter>,
    /// Whether events of one key are handed out one after the other.
    pub key_ordered: bool,
    /// Where events are brought, if they are not fetched.
    pub destination: Option<Destination>,
}

/// How long a worker has for an event by default, in milliseconds.
pub const LEASE_MS: u64 = 30_000;
/// The shortest and the longest lease, in milliseconds.
pub const LEASE_MS_RANGE: std::ops::RangeInclusive<u64> = 1_000..=12 * 60 * 60 * 1_000;
/// How long events rest by default, in milliseconds.
pub const RETRY_SCHEDULE_MS: [u64; 5] = [1_000, 5_000, 30_000, 120_000, 600_000];
/// Entries of a schedule.
pub const RETRY_SCHEDULE_ENTRIES_MAX: usize = 32;
/// Attempts by default, where there is a dead-letter node.
pub const ATTEMPTS_MAX: u32 = 5;
/// Events that may be leased at a time by default.
pub const IN_FLIGHT_MAX: u32 = 1_000;
/// Patterns of one consumer.
pub const PATTERNS_MAX: usize = 64;

/// Decides how a new consumer is.
pub fn decide(wish: &Wish, limits: &Limits) -> Result<ConsumerConfig, ConsumerError> {
    check_nodes(wish)?;
    if wish.mode == Mode::Stream {
        let leases = wish.lease_ms.is_some() || wish.in_flight_max.is_some();
        if leases || !wish.retry_schedule_ms.is_empty() || wish.attempts_max.is_some() {
            return invalid("leases, attempts and their schedule are for QUEUE");
        }
        if wish.dead_letter_node.is_some() {
            return invalid("a dead-letter node is for QUEUE");
        }
        if wish.key_ordered {
            return invalid("key_ordered is for QUEUE: a STREAM is in order anyway");
        }
    }
    if let Some(destination) = &wish.destination {
        destination::check(destination, wish.mode)?;
    }
    if let Some(filter) = &wish.filter {
        filter.check().or_else(|error| invalid(error.to_string()))?;
    }
    let lease_ms = wish.lease_ms.unwrap_or(LEASE_MS);
    if !LEASE_MS_RANGE.contains(&lease_ms) {
        return invalid("lease must be from 1 second to 12 hours");
    }
    let in_flight_max = wish.in_flight_max.unwrap_or(IN_FLIGHT_MAX.min(limits.consumer_unsettled_max));
    if !(1..=limits.consumer_unsettled_max).contains(&in_flight_max) {
        return invalid(format!("in_flight_max must be from 1 to {}", limits.consumer_unsettled_max));
    }
    Ok(ConsumerConfig {
        nodes: wish.nodes.clone(),
        mode: wish.mode,
        lease_ms,
        retry_schedule_ms: schedule(wish)?,
        attempts_max: attempts(wish)?,
        dead_letter_node: wish.dead_letter_node.clone().map(DeadLetterNode),
        in_flight_max,
        filter: wish.filter.clone(),
        key_ordered: wish.key_ordered,
        destination: wish.destination.clone(),
    })
}

fn check_nodes(wish: &Wish) -> Result<(), ConsumerError> {
    if wish.nodes.is_empty() || wish.nodes.len() > PATTERNS_MAX {
        return invalid(format!("it must name 1 to {PATTERNS_MAX} nodes or patterns"));
    }
    let is_one_node = wish.nodes.len() == 1 && wish.nodes[0].exact().is_some();
    if matches!(wish.start, Start::After(_)) && !is_one_node {
        return invalid("a position to start behind is of one node, and the subscription has several");
    }
    match &wish.dead_letter_node {
        Some(node) if wish.nodes.iter().any(|pattern| pattern.matches(node)) => {
            invalid("its dead letters would come back to it: the dead-letter node is one that it reads")
        }
        _ => Ok(()),
    }
}

fn schedule(wish: &Wish) -> Result<Vec<u64>, ConsumerError> {
    let schedule = &wish.retry_schedule_ms;
    if schedule.len() > RETRY_SCHEDULE_ENTRIES_MAX {
        return invalid(format!("retry_schedule has more than {RETRY_SCHEDULE_ENTRIES_MAX} entries"));
    }
    if schedule.iter().any(|delay_ms| *delay_ms > retry::DELAY_MS_MAX) {
        return invalid("retry_schedule has a delay of more than 7 days");
    }
    Ok(if schedule.is_empty() { RETRY_SCHEDULE_MS.to_vec() } else { schedule.clone() })
}

fn attempts(wish: &Wish) -> Result<u32, ConsumerError> {
    match (wish.attempts_max, &wish.dead_letter_node) {
        (Some(1..), None) => {
            invalid("attempts_max needs a dead_letter_node: an event must not be lost after its last attempt")
        }
        (Some(0), Some(_)) => invalid("attempts_max must be at least 1 where there is a dead_letter_node"),
        (Some(attempts_max), _) => Ok(attempts_max),
        (None, Some(_)) => Ok(ATTEMPTS_MAX),
        (None, None) => Ok(0),
    }
}

fn invalid<T>(reason: impl Into<String>) -> Result<T, ConsumerError> {
    Err(ConsumerError::Invalid { reason: reason.into() })
}
