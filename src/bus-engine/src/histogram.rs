use std::marker::PhantomData;
use std::sync::atomic::{AtomicU64, Ordering};

/// How many bounds each histogram has.
pub const HISTOGRAM_BOUNDS: usize = 15;

/// What a histogram's values are, and where its buckets end.
pub(crate) trait Scale {
    /// The highest value of each bucket; a last bucket takes what is above them all.
    const BOUNDS: [u64; HISTOGRAM_BOUNDS];
}

/// Microseconds: from what a fast disk takes for a sync to what nobody waits for.
#[derive(Debug, Default)]
pub(crate) struct Microseconds;

impl Scale for Microseconds {
    const BOUNDS: [u64; HISTOGRAM_BOUNDS] = [
        250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000,
        2_500_000, 10_000_000, 60_000_000,
    ];
}

/// How many: powers of two.
#[derive(Debug, Default)]
pub(crate) struct Count;

impl Scale for Count {
    const BOUNDS: [u64; HISTOGRAM_BOUNDS] =
        [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1_024, 2_048, 4_096, 8_192, 16_384];
}

/// Values sorted into buckets. To note one takes two additions and no allocation.
#[derive(Debug, Default)]
pub(crate) struct Histogram<S> {
    buckets: [AtomicU64; HISTOGRAM_BOUNDS + 1],
    sum: AtomicU64,
    scale: PhantomData<S>,
}

impl<S: Scale> Histogram<S> {
    pub(crate) fn note(&self, value: u64) {
        let bucket = S::BOUNDS.partition_point(|bound| *bound < value);
        self.buckets[bucket].fetch_add(1, Ordering::Relaxed);
        self.sum.fetch_add(value, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> HistogramSnapshot {
        let counts = std::array::from_fn(|bucket| self.buckets[bucket].load(Ordering::Relaxed));
        HistogramSnapshot { bounds: S::BOUNDS, counts, sum: self.sum.load(Ordering::Relaxed) }
    }
}

/// A histogram at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HistogramSnapshot {
    /// The highest value of each bucket but the last, ascending.
    pub bounds: [u64; HISTOGRAM_BOUNDS],
    /// Values in each bucket alone; the last one is of those above all bounds.
    pub counts: [u64; HISTOGRAM_BOUNDS + 1],
    /// All values, added up.
    pub sum: u64,
}

impl HistogramSnapshot {
    /// How many values there were.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_falls_into_the_first_bucket_that_reaches_it() {
        let sizes = Histogram::<Count>::default();
        for value in [0, 1, 2, 3, 4, 16_384, 16_385, 1_000_000] {
            sizes.note(value);
        }
        let snapshot = sizes.get();
        assert_eq!(snapshot.counts[..4], [2, 1, 2, 0]);
        assert_eq!(snapshot.counts[HISTOGRAM_BOUNDS - 1..], [1, 2]);
        assert_eq!((snapshot.count(), snapshot.sum), (8, 1_032_779));
    }

    #[test]
    fn bounds_ascend() {
        assert!(Microseconds::BOUNDS.is_sorted() && Count::BOUNDS.is_sorted());
    }
}
