/// A rate that may be saved up for a while (the generic cell rate algorithm). What is known of a key is one number: the
/// moment, in nanoseconds since 1970, through which it has used its rate up. That moment may lie ahead of the clock by
/// the burst. 0 stands for a key of which nothing is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::struct_field_names, reason = "units stand in names")]
pub struct Rate {
    item_ns: u64,
    saved_max_ns: u64,
    ahead_max_ns: u64,
}

const NS_PER_MS: u64 = 1_000_000;

impl Rate {
    /// So many items a second (at least one), of which the amount of `burst_ms` may come at once; requests have at most
    /// `request_items_max` items.
    pub fn new(items_per_second: u64, burst_ms: u64, request_items_max: u64) -> Self {
        let item_ns = 1_000_000_000 / items_per_second.max(1);
        let saved_max_ns = burst_ms.saturating_mul(NS_PER_MS);
        // No key gets further ahead by itself.
        let ahead_max_ns = saved_max_ns.max(item_ns.saturating_mul(request_items_max));
        Self { item_ns, saved_max_ns, ahead_max_ns }
    }

    /// What is known of a key once these items have passed, all of them together; or for how many milliseconds they have
    /// to wait. A request with more items than can be saved up passes when the whole burst is there, and is paid off
    /// afterwards. Whoever is further ahead than possible was so before the clock was set back, and begins anew.
    pub fn admit(self, used_through_ns: u64, now_ms: i64, items: u64) -> Result<u64, u64> {
        let clock_ns = u64::try_from(now_ms).unwrap_or_default().saturating_mul(NS_PER_MS);
        let ahead_ns = Some(used_through_ns.saturating_sub(clock_ns))
            .filter(|ahead_ns| *ahead_ns <= self.ahead_max_ns)
            .unwrap_or_default();
        let cost_ns = self.item_ns.saturating_mul(items).min(self.ahead_max_ns);
        let after_ns = ahead_ns.saturating_add(cost_ns);
        if ahead_ns == 0 || after_ns <= self.saved_max_ns {
            return Ok(clock_ns.saturating_add(after_ns));
        }
        let wait_ns = ahead_ns.min(after_ns - self.saved_max_ns);
        Err(wait_ns.div_ceil(NS_PER_MS))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW_MS: i64 = 1_700_000_000_000;

    /// A key of a rate and what became of its requests.
    struct Key(Rate, u64);

    impl Key {
        fn send(&mut self, after_ms: i64, items: u64) -> Result<(), u64> {
            self.1 = self.0.admit(self.1, NOW_MS + after_ms, items)?;
            Ok(())
        }
    }

    /// Ten items a second, and twenty at once.
    fn key() -> Key {
        Key(Rate::new(10, 2_000, 100), 0)
    }

    #[test]
    fn a_burst_passes_and_then_the_rate() {
        let mut key = key();
        for _ in 0..20 {
            assert_eq!(key.send(0, 1), Ok(()));
        }
        assert_eq!(key.send(0, 1), Err(100));
        assert_eq!(key.send(99, 1), Err(1));
        assert_eq!(key.send(100, 1), Ok(()));
        assert_eq!(key.send(100, 1), Err(100));
        assert_eq!(key.send(600, 5), Ok(()));
        assert_eq!(key.send(600, 1), Err(100));
    }

    #[test]
    fn no_more_is_saved_up_than_a_burst() {
        let mut key = key();
        assert_eq!(key.send(0, 20), Ok(()));
        assert_eq!(key.send(3_600_000, 20), Ok(()));
        assert_eq!(key.send(3_600_000, 1), Err(100));
    }

    #[test]
    fn a_request_passes_as_a_whole_or_not_at_all() {
        let mut key = key();
        assert_eq!(key.send(0, 15), Ok(()));
        assert_eq!(key.send(0, 6), Err(100));
        assert_eq!(key.send(0, 5), Ok(()), "the refused one has used nothing up");
    }

    #[test]
    fn a_request_longer_than_the_burst_passes_when_nothing_is_owed_and_is_paid_off() {
        let mut key = key();
        assert_eq!(key.send(0, 100), Ok(()));
        assert_eq!(key.send(0, 1), Err(8_100));
        assert_eq!(key.send(8_100, 1), Ok(()));
        assert_eq!(key.send(8_100, 100), Err(2_000));
        assert_eq!(key.send(10_100, 100), Ok(()));
    }

    #[test]
    fn a_clock_that_jumps_holds_nobody_up_for_long() {
        let mut key = key();
        assert_eq!(key.send(0, 20), Ok(()));
        assert_eq!(key.send(-3_600_000, 1), Ok(()), "back by an hour");
        assert_eq!(key.send(3_600_000, 20), Ok(()), "and forth again");
    }

    #[test]
    fn a_rate_beyond_what_can_be_counted_is_none() {
        let mut key = Key(Rate::new(u64::MAX, 1, 1_000), 0);
        for _ in 0..10 {
            assert_eq!(key.send(0, 1_000), Ok(()));
        }
        assert_eq!(Rate::new(1, u64::MAX, u64::MAX).admit(u64::MAX, i64::MAX, u64::MAX), Ok(u64::MAX));
    }
}
