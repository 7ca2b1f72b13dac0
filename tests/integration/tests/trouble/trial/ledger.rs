use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What the publishers know: every attempt and what became of it.
#[derive(Debug, Default)]
pub(crate) struct Ledger(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    attempts: HashMap<String, Attempt>,
    counts: Counts,
    /// The highest position that a publisher was told, by node.
    acknowledged_through: HashMap<String, u64>,
}

/// One publish.
#[derive(Debug, Clone)]
pub(crate) struct Attempt {
    pub(crate) node: String,
    pub(crate) fate: Fate,
    /// How many attempts were made before, over all publishers.
    pub(crate) number: u64,
}

/// What its publisher heard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fate {
    /// Nothing yet.
    Waiting,
    /// It is acknowledged, over gRPC with its position.
    Acknowledged(Option<u64>),
    /// It was refused.
    Refused(String),
    /// The connection or the daemon went before an answer came.
    Unknown,
}

/// How many attempts there are of each fate.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) made: u64,
    pub(crate) waiting: u64,
    pub(crate) acknowledged: u64,
    pub(crate) refused: u64,
    pub(crate) unknown: u64,
}

impl Ledger {
    /// Notes an attempt before it is made.
    pub(crate) fn begin(&self, item_id: &str, node: &str) {
        let mut inner = self.lock();
        let attempt = Attempt { node: node.to_owned(), fate: Fate::Waiting, number: inner.counts.made };
        inner.counts.made += 1;
        inner.counts.waiting += 1;
        inner.attempts.insert(item_id.to_owned(), attempt);
    }

    /// Notes what became of it.
    pub(crate) fn end(&self, item_id: &str, fate: Fate) {
        let inner = &mut *self.lock();
        let attempt = inner.attempts.get_mut(item_id).expect("every attempt is noted before");
        inner.counts.waiting -= 1;
        match &fate {
            Fate::Acknowledged(seq) => {
                inner.counts.acknowledged += 1;
                let through = inner.acknowledged_through.entry(attempt.node.clone()).or_default();
                *through = (*through).max(seq.unwrap_or(0));
            }
            Fate::Refused(_) => inner.counts.refused += 1,
            Fate::Unknown | Fate::Waiting => inner.counts.unknown += 1,
        }
        attempt.fate = fate;
    }

    /// How it stands.
    pub(crate) fn counts(&self) -> Counts {
        self.lock().counts
    }

    /// Everything up to this position of the node was acknowledged before this call.
    pub(crate) fn acknowledged_through(&self, node: &str) -> u64 {
        self.lock().acknowledged_through.get(node).copied().unwrap_or_default()
    }

    /// The number of an attempt.
    pub(crate) fn number(&self, item_id: &str) -> Option<u64> {
        self.lock().attempts.get(item_id).map(|attempt| attempt.number)
    }

    /// Every attempt by its item id.
    pub(crate) fn attempts(&self) -> HashMap<String, Attempt> {
        self.lock().attempts.clone()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
