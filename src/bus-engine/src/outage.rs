use std::sync::atomic::{AtomicU64, Ordering};

/// How often something has failed since it worked last: so that the log tells of an outage, and not of each request
/// that met it.
#[derive(Debug, Default)]
pub(crate) struct Outage(AtomicU64);

impl Outage {
    /// Counts a failure. `Some` with their number when it is worth a line: the first, and each time that the number
    /// has doubled.
    pub(crate) fn failed(&self) -> Option<u64> {
        let failures = self.0.fetch_add(1, Ordering::Relaxed) + 1;
        failures.is_power_of_two().then_some(failures)
    }

    /// Takes note that it works. `Some` with the number of failures when it did not before.
    pub(crate) fn over(&self) -> Option<u64> {
        // A plain read first: it stands on the path of each commit.
        (self.0.load(Ordering::Relaxed) > 0).then(|| self.0.swap(0, Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outage_is_told_at_its_start_and_ever_more_rarely() {
        let outage = Outage::default();
        assert_eq!(outage.over(), None);
        let told: Vec<_> = (0..1_000).filter_map(|_| outage.failed()).collect();
        assert_eq!(told, [1, 2, 4, 8, 16, 32, 64, 128, 256, 512]);
        assert_eq!(outage.over(), Some(1_000));
        assert_eq!((outage.over(), outage.failed()), (None, Some(1)));
    }
}
