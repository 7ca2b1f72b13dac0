use crate::Seq;

/// Looks for the first entry of an archive that is not from before a moment, by asking for the times of a few entries at
/// once: no index is kept by time, and none is needed, because the log is in the order of its commits.
///
/// Where a clock went back the order of times is not that of positions. Then it ends at one of the places where times
/// cross the moment, and whoever must not see other times looks at each entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimeSearch {
    moment_ms: i64,
    /// From before the moment, or gone.
    early_seq: Seq,
    /// Not from before the moment, or behind the head.
    late_seq: Seq,
}

/// Entries that are asked for at once: five rounds are enough for a million.
const PROBES: u64 = 16;

impl TimeSearch {
    /// A search between two positions, without these, for a moment in milliseconds since 1970.
    pub fn new(after_seq: Seq, before_seq: Seq, moment_ms: i64) -> Self {
        Self { moment_ms, early_seq: after_seq, late_seq: before_seq.max(after_seq + 1) }
    }

    /// The positions whose times are wanted; none when the search is over.
    pub fn probes(&self) -> Vec<Seq> {
        let between = self.late_seq - self.early_seq - 1;
        let probes = between.min(PROBES);
        // Spread evenly, and far from overflow: there are never 2^59 entries.
        (1..=probes).map(|number| self.early_seq + number * (between + 1) / (probes + 1)).collect()
    }

    /// Takes the times that the probes have, in the order of their positions. One that has none is gone by now.
    pub fn narrow(&mut self, probes: &[Seq], known: &[(Seq, i64)]) {
        for &seq in probes {
            let time_ms = known.iter().find(|(of, _)| *of == seq).map(|(_, time_ms)| *time_ms);
            if time_ms.is_some_and(|time_ms| time_ms >= self.moment_ms) {
                self.late_seq = seq;
                return;
            }
            self.early_seq = seq;
        }
    }

    /// The first entry that is not from before the moment, or the end of the search.
    pub fn found(&self) -> Seq {
        self.late_seq
    }
}
