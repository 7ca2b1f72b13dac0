use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use bus_domain::push::PushLane;
use bus_store::PushQueue;

use super::sender::Sender;
use super::{PushOutcome, Pushes};

/// How often something has come of a push.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PushCount {
    /// Through whom.
    pub lane: PushLane,
    /// What it meant.
    pub verdict: &'static str,
    /// The word of the provider's table.
    pub reason: &'static str,
    /// How often.
    pub count: u64,
}

/// How often something has come of a push that came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PushInCount {
    /// How it came: `xmpp` or `web`.
    pub leg: &'static str,
    /// What came of it.
    pub result: &'static str,
    /// How often.
    pub count: u64,
}

/// What is under way in a lane.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PushGauges {
    /// Which.
    pub lane: PushLane,
    /// How many pushes are under way.
    pub in_flight: usize,
    /// How many may be.
    pub in_flight_limit: usize,
    /// Whether nothing is sent until somebody mends the provider's credentials, or they can be renewed.
    pub is_in_trouble: bool,
    /// Whether there is anything to send with: credentials that can be read.
    pub is_usable: bool,
    /// Until when what we show the provider counts, in milliseconds since 1970, if it ends.
    pub credentials_end_at_ms: Option<i64>,
    /// What apps subscribe with, where they need it.
    pub subscription_key: Option<String>,
}

type Key = (PushLane, &'static str, &'static str);

/// Outcomes by lane, verdict and reason. The words come from tables, so they are few.
#[derive(Debug, Default)]
pub(super) struct Counts {
    sent: Mutex<BTreeMap<Key, u64>>,
    /// Of pushes that came in, by leg and result.
    taken_in: Mutex<BTreeMap<(&'static str, &'static str), u64>>,
}

#[derive(Debug, Default)]
pub(super) struct LaneGauges {
    in_flight: AtomicUsize,
    in_flight_limit: AtomicUsize,
    is_in_trouble: AtomicUsize,
}

impl Counts {
    pub(super) fn add(&self, lane: &PushLane, outcome: &PushOutcome) {
        let mut counts = self.sent.lock().unwrap_or_else(PoisonError::into_inner);
        *counts.entry((lane.clone(), outcome.verdict.as_str(), outcome.reason)).or_default() += 1;
    }

    pub(super) fn add_in(&self, leg: &'static str, result: &'static str) {
        let mut counts = self.taken_in.lock().unwrap_or_else(PoisonError::into_inner);
        *counts.entry((leg, result)).or_default() += 1;
    }
}

impl LaneGauges {
    pub(super) fn show(&self, sender: &Sender) {
        self.in_flight.store(sender.in_flight(), Ordering::Relaxed);
        self.in_flight_limit.store(sender.in_flight_limit(), Ordering::Relaxed);
        self.is_in_trouble.store(usize::from(sender.next_try_ms().is_some()), Ordering::Relaxed);
    }
}

impl Pushes {
    /// What has come of pushes since the start, by lane, verdict and reason.
    pub fn counts(&self) -> Vec<PushCount> {
        let counts = self.0.counts.sent.lock().unwrap_or_else(PoisonError::into_inner);
        let count = |((lane, verdict, reason), &count): (&Key, &u64)| PushCount {
            lane: lane.clone(),
            verdict,
            reason,
            count,
        };
        counts.iter().map(count).collect()
    }

    /// What has come of pushes that came in since the start, by leg and result.
    pub fn counts_in(&self) -> Vec<PushInCount> {
        let counts = self.0.counts.taken_in.lock().unwrap_or_else(PoisonError::into_inner);
        counts.iter().map(|(&(leg, result), &count)| PushInCount { leg, result, count }).collect()
    }

    /// How much waits, as last counted in the background.
    pub fn measured_queues(&self) -> Vec<PushQueue> {
        self.0.queues.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What is under way, by lane.
    pub fn gauges(&self) -> Vec<PushGauges> {
        let gauges = self.0.lanes.iter().map(|lane| PushGauges {
            lane: lane.id.clone(),
            in_flight: lane.gauges.in_flight.load(Ordering::Relaxed),
            in_flight_limit: lane.gauges.in_flight_limit.load(Ordering::Relaxed),
            is_in_trouble: lane.gauges.is_in_trouble.load(Ordering::Relaxed) == 1,
            is_usable: lane.sink.borrow().is_some(),
            credentials_end_at_ms: lane.sink().and_then(|sink| sink.credentials_end_at_ms()),
            subscription_key: lane.sink().and_then(|sink| sink.subscription_key()),
        });
        gauges.collect()
    }
}
