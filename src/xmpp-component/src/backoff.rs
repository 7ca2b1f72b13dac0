use std::time::Duration;

use crate::LinkLimits;

/// How long to wait before the next connection: doubling from a minimum to a cap, with jitter.
#[derive(Debug)]
pub(crate) struct Backoff {
    shortest: Duration,
    longest: Duration,
    after_fault: Duration,
    next: Duration,
}

/// Which wait a failure asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pace {
    /// It may pass by itself: doubling.
    Passing,
    /// Somebody took our place: the longest ordinary wait, or two instances would replace each other for ever.
    Replaced,
    /// Only an administrator can mend it.
    Fault,
}

impl Backoff {
    pub(crate) fn new(limits: &LinkLimits) -> Self {
        let shortest = Duration::from_millis(limits.backoff_ms_min);
        Self {
            shortest,
            longest: Duration::from_millis(limits.backoff_ms_max).max(shortest),
            after_fault: Duration::from_millis(limits.backoff_ms_fault),
            next: shortest,
        }
    }

    /// The wait before the next attempt. `random` spreads it over its upper half, so that many links that lost one
    /// server do not come back at once.
    pub(crate) fn next(&mut self, pace: Pace, random: u64) -> Duration {
        let whole = match pace {
            Pace::Replaced => self.longest,
            Pace::Fault => self.after_fault,
            Pace::Passing => {
                let doubled = self.next.saturating_mul(2).min(self.longest);
                std::mem::replace(&mut self.next, doubled)
            }
        };
        let half_ms = u64::try_from(whole.as_millis() / 2).unwrap_or(u64::MAX - 1);
        whole.saturating_sub(Duration::from_millis(random % (half_ms + 1)))
    }

    /// A stream that lasted for `uptime` starts the row anew if it outlived the longest wait: a server that accepts
    /// and closes at once must not be hammered.
    pub(crate) fn stream_lasted(&mut self, uptime: Duration) {
        if uptime >= self.longest {
            self.next = self.shortest;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn backoff() -> Backoff {
        let limits = LinkLimits {
            backoff_ms_min: 100,
            backoff_ms_max: 500,
            backoff_ms_fault: 900,
            ..LinkLimits::default()
        };
        Backoff::new(&limits)
    }

    /// The shortest and the longest wait that the same state may give, in milliseconds.
    fn range(backoff: &mut Backoff, pace: Pace) -> (u128, u128) {
        let next = backoff.next;
        let longest = backoff.next(pace, 0).as_millis();
        backoff.next = next;
        let half = u64::try_from(longest / 2).unwrap();
        (backoff.next(pace, half).as_millis(), longest)
    }

    #[test]
    fn waits_double_up_to_the_cap_and_jitter_over_their_upper_half() {
        let mut backoff = backoff();
        for expected in [(50, 100), (100, 200), (200, 400), (250, 500), (250, 500)] {
            assert_eq!(range(&mut backoff, Pace::Passing), expected);
        }
    }

    #[test]
    fn a_fault_and_a_replacement_have_their_own_wait() {
        let mut backoff = backoff();
        assert_eq!(range(&mut backoff, Pace::Fault), (450, 900));
        assert_eq!(range(&mut backoff, Pace::Replaced), (250, 500));
        assert_eq!(range(&mut backoff, Pace::Passing), (50, 100));
    }

    #[test]
    fn only_a_stream_that_lasted_starts_anew() {
        let mut backoff = backoff();
        backoff.next(Pace::Passing, 0);
        backoff.stream_lasted(Duration::from_millis(499));
        assert_eq!(range(&mut backoff, Pace::Passing), (100, 200));
        backoff.stream_lasted(Duration::from_millis(500));
        assert_eq!(range(&mut backoff, Pace::Passing), (50, 100));
    }
}
