//! What follows when an event was not dealt with: another attempt after a while, or the end.

use super::ConsumerConfig;

/// How an attempt has failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// Its lease has run out.
    TimedOut,
    /// The worker has refused it.
    Refused {
        /// When it wants to see it again, in milliseconds from now; `None` leaves that to the schedule.
        delay_ms: Option<u64>,
    },
    /// The worker says that no attempt will succeed.
    Terminated,
}

/// What follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// The event rests so long, and is handed out again.
    Retry {
        /// In milliseconds from now.
        delay_ms: u64,
    },
    /// It goes to the dead-letter node.
    DeadLetter,
    /// It counts as dealt with: there is no dead-letter node, and the worker wants it no more.
    GiveUp,
}

/// The longest rest, in milliseconds.
pub const DELAY_MS_MAX: u64 = 7 * 24 * 60 * 60 * 1_000;

/// Decides what follows attempt number `attempt`, counted from 1. The same schedule holds for leases that run out and for
/// refusals, unless a refusal names its delay.
pub fn after(config: &ConsumerConfig, attempt: u32, failure: Failure) -> Next {
    let is_last = config.attempts_max > 0 && attempt >= config.attempts_max;
    let is_hopeless = failure == Failure::Terminated;
    if is_last || is_hopeless {
        return if config.dead_letter_node.is_some() { Next::DeadLetter } else { Next::GiveUp };
    }
    let named_ms = if let Failure::Refused { delay_ms } = failure { delay_ms } else { None };
    let delay_ms = named_ms.unwrap_or_else(|| scheduled_ms(config, attempt));
    Next::Retry { delay_ms: delay_ms.min(DELAY_MS_MAX) }
}

fn scheduled_ms(config: &ConsumerConfig, attempt: u32) -> u64 {
    let index = usize::try_from(attempt.saturating_sub(1)).unwrap_or(usize::MAX);
    let schedule = &config.retry_schedule_ms;
    schedule.get(index).or(schedule.last()).copied().unwrap_or(0)
}
