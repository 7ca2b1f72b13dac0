use std::num::NonZeroUsize;
use std::sync::{Mutex, PoisonError};

use bus_domain::push::InletId;
use bus_domain::quota::Rate;
use lru::LruCache;

use super::PushLimits;

/// How fast pushes come in through this process: a number for each inlet that was heard of lately, and one for all.
pub(super) struct InletRates {
    of_each: Rate,
    of_all: Rate,
    used: Mutex<Used>,
}

struct Used {
    inlets: LruCache<InletId, u64>,
    total: u64,
}

/// Over it, those that are pushed to least are forgotten, and begin with a whole burst; the rate of all holds.
const INLETS_MAX: NonZeroUsize = NonZeroUsize::new(10_000).expect("not zero");

impl InletRates {
    pub(super) fn new(limits: &PushLimits) -> Self {
        let rate = |per_second| Rate::new(per_second, limits.inlet_burst_ms, 1);
        Self {
            of_each: rate(limits.inlet_pushes_per_second_max),
            of_all: rate(limits.inlets_pushes_per_second_max),
            used: Mutex::new(Used { inlets: LruCache::new(INLETS_MAX), total: 0 }),
        }
    }

    /// Counts a push, or says in how many milliseconds there is room for it.
    pub(super) fn admit(&self, id: InletId, now_ms: i64) -> Result<(), u64> {
        // Every change of it is one assignment.
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        let of_inlet = used.inlets.get(&id).copied().unwrap_or_default();
        let of_inlet = self.of_each.admit(of_inlet, now_ms, 1)?;
        used.total = self.of_all.admit(used.total, now_ms, 1)?;
        used.inlets.put(id, of_inlet);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_inlet_is_held_to_its_rate_and_all_to_theirs() {
        let limits = PushLimits {
            inlet_pushes_per_second_max: 2,
            inlets_pushes_per_second_max: 3,
            inlet_burst_ms: 1_000,
            ..PushLimits::default()
        };
        let (rates, now_ms) = (InletRates::new(&limits), 1_700_000_000_000_i64);
        let admit = |number, after_ms| rates.admit(InletId([number; 16]), now_ms + after_ms);
        assert_eq!((admit(1, 0), admit(1, 0), admit(1, 0)), (Ok(()), Ok(()), Err(500)));
        assert_eq!((admit(2, 0), admit(3, 0).is_err()), (Ok(()), true), "all together are too fast");
        assert_eq!(admit(1, 500), Ok(()));
    }
}
