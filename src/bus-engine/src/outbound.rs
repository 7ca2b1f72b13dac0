//! Consumers whose events the bus brings to a destination: each is read by a session like any other ([`runner`]), and a
//! [`Carrier`] of a bridge takes its events there. Who is served is looked at by [`supervisor`]; when the next request may
//! go out, and how much may be asked for meanwhile, is a state machine without I/O ([`flow`]).

mod flow;
mod manage;
mod runner;
mod supervisor;

use std::time::Duration;

use async_trait::async_trait;
use bus_domain::consumer::{Consumer, Destination};

use crate::Delivered;

/// How events are brought to one kind of destination.
#[async_trait]
pub trait Carrier: Send + Sync + 'static {
    /// Whether it goes to destinations like this.
    fn serves(&self, destination: &Destination) -> bool;

    /// Asks a destination whether it wants events. Nothing is brought to it before it agrees.
    async fn ask(&self, consumer: &Consumer) -> Agreement;

    /// Brings events to a destination in one request, within this time, and says what has become of each.
    async fn bring(&self, consumer: &Consumer, events: &[Delivered], patience: Duration) -> Brought;
}

/// Whether a destination wants events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Agreement {
    /// It does.
    Agreed {
        /// So many requests in a minute at most; `None` for any number.
        requests_per_minute: Option<u32>,
    },
    /// It does not, or does not say so.
    Refused {
        /// What it says.
        reason: String,
    },
    /// It was not reached.
    Unanswered {
        /// Why.
        reason: String,
    },
}

/// What has come of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Brought {
    /// What has become of each event, in their order.
    pub verdicts: Vec<Verdict>,
    /// How the destination is.
    pub condition: Condition,
}

/// What has become of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The destination has it.
    Taken,
    /// It is to be brought again.
    Later {
        /// In so many milliseconds; `None` leaves that to the consumer's schedule.
        delay_ms: Option<u64>,
    },
    /// The destination will never take it. It becomes a dead letter, or is tried on where there is no node for that.
    Never,
}

/// How a destination is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Condition {
    /// It takes what it gets.
    Well,
    /// It wants no requests for so many milliseconds.
    Busy {
        /// The wait.
        wait_ms: u64,
    },
    /// It does not answer, or not as it should.
    Failing {
        /// Why.
        reason: String,
    },
    /// It is gone for good.
    Gone {
        /// What it says.
        reason: String,
    },
}

impl Brought {
    /// The same for all events of a request.
    pub fn all(events: usize, verdict: Verdict, condition: Condition) -> Self {
        Self { verdicts: vec![verdict; events], condition }
    }
}
