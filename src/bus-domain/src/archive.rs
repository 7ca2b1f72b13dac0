//! The archive of a node (XEP-0313, XEP-0442): may the actor read it, which entries does a query match, and which of
//! them are on a page.
//!
//! Each event of the log is one entry, so an archive has no holes, and its entries are counted by their positions alone.

mod time_search;

use crate::retrieve::decide_log;
use crate::retrieve::{Page, PageAt};
use crate::{Actor, BusError, ErrorClass, Limits, NodeFacts, Seq};

pub use time_search::TimeSearch;

/// Decides whether an actor may query the archive: who may read the log. Whoever may not is told the same whatever the
/// reason (XEP-0313 §8.1).
pub fn decide(facts: &NodeFacts, actor: &Actor, is_subscribed: bool) -> Result<(), BusError> {
    decide_log(facts, actor, is_subscribed).map_err(|refused| match refused.class() {
        ErrorClass::Denied => BusError::Forbidden,
        ErrorClass::Request | ErrorClass::Wait | ErrorClass::Internal => refused,
    })
}

/// Checks how many entries a query names one by one.
pub fn check_listed(entries: usize, limits: &Limits) -> Result<(), BusError> {
    if entries > limits.request_items_max {
        return Err(BusError::TooManyItems { items_max: limits.request_items_max });
    }
    Ok(())
}

/// From where to where an archive reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extent {
    /// Entries up to here are gone.
    pub gone_through_seq: Seq,
    /// The newest entry.
    pub head_seq: Seq,
}

/// The entries that a query matches, oldest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Matches {
    /// All between two positions, without these.
    Between(Seq, Seq),
    /// Those at these positions, which ascend.
    Listed(Vec<Seq>),
}

/// A page of what matches, as numbers of entries counted from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slice {
    /// The first one.
    pub from: u64,
    /// The one behind the last one.
    pub to: u64,
    /// Whether those next to the end stay when not all fit.
    pub is_from_end: bool,
}

impl Extent {
    /// The archive of a log: a purge takes what is in front of it at once, whenever its rows go.
    pub fn of_log(head_seq: Seq, trimmed_through_seq: Seq, purged_through_seq: Seq) -> Self {
        Self { gone_through_seq: trimmed_through_seq.max(purged_through_seq.saturating_sub(1)), head_seq }
    }

    /// Whether the entry of this position is there.
    pub fn holds(self, seq: Seq) -> bool {
        self.gone_through_seq < seq && seq <= self.head_seq
    }

    /// All entries.
    pub fn all(self) -> Matches {
        Matches::Between(self.gone_through_seq, self.head_seq + 1)
    }
}

impl Matches {
    /// Nothing.
    pub const NONE: Self = Self::Listed(Vec::new());

    /// Those that are behind one position and in front of another one.
    #[must_use]
    pub fn between(self, after_seq: Seq, before_seq: Seq) -> Self {
        match self {
            Self::Between(after, before) => Self::Between(after.max(after_seq), before.min(before_seq)),
            Self::Listed(mut seqs) => {
                seqs.retain(|seq| after_seq < *seq && *seq < before_seq);
                Self::Listed(seqs)
            }
        }
    }

    /// Those at these positions, in any order.
    #[must_use]
    pub fn among(self, mut seqs: Vec<Seq>) -> Self {
        seqs.sort_unstable();
        seqs.dedup();
        match self {
            Self::Between(after, before) => Self::Listed(seqs).between(after, before),
            Self::Listed(mut listed) => {
                listed.retain(|seq| seqs.binary_search(seq).is_ok());
                Self::Listed(listed)
            }
        }
    }

    /// How many entries match.
    pub fn count(&self) -> u64 {
        match self {
            Self::Between(after, before) => before.saturating_sub(after + 1),
            Self::Listed(seqs) => seqs.len() as u64,
        }
    }

    /// How many of them are in front of a position.
    pub fn count_before(&self, seq: Seq) -> u64 {
        match self {
            Self::Between(after, _) => seq.saturating_sub(after + 1).min(self.count()),
            Self::Listed(seqs) => seqs.partition_point(|listed| *listed < seq) as u64,
        }
    }

    /// The page that is asked for, of no more than `page.items_max` entries.
    pub fn slice(&self, page: Page) -> Slice {
        let (count, entries_max) = (self.count(), u64::from(page.items_max));
        let forward = |from: u64| {
            let from = from.min(count);
            Slice { from, to: count.min(from.saturating_add(entries_max)), is_from_end: false }
        };
        let backward = |to: u64| Slice { from: to.saturating_sub(entries_max), to, is_from_end: true };
        match page.at {
            PageAt::First => forward(0),
            PageAt::After(seq) => forward(self.count_before(seq.saturating_add(1))),
            PageAt::Index(index) => forward(index),
            PageAt::Last => backward(count),
            PageAt::Before(seq) => backward(self.count_before(seq)),
            PageAt::IndexFromEnd(index) => backward(count.saturating_sub(index)),
        }
    }

    /// The positions of a slice, as stretches without holes: the first and the last one of each.
    pub fn stretches(&self, slice: Slice) -> Vec<(Seq, Seq)> {
        if slice.from >= slice.to {
            return Vec::new();
        }
        match self {
            Self::Between(after, _) => vec![(after + 1 + slice.from, after + slice.to)],
            Self::Listed(seqs) => {
                let at = |number: u64| usize::try_from(number).unwrap_or(usize::MAX).min(seqs.len());
                let mut stretches: Vec<(Seq, Seq)> = Vec::new();
                for &seq in &seqs[at(slice.from)..at(slice.to)] {
                    match stretches.last_mut() {
                        Some((_, last)) if *last + 1 == seq => *last = seq,
                        _ => stretches.push((seq, seq)),
                    }
                }
                stretches
            }
        }
    }
}

#[cfg(test)]
mod tests;
