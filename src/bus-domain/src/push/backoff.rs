/// How long a push waits that could not be delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// After the first attempt, in milliseconds; it doubles with each one.
    pub first_ms: u64,
    /// The longest wait, in milliseconds.
    pub longest_ms: u64,
}

impl Default for Backoff {
    fn default() -> Self {
        Self { first_ms: 1_000, longest_ms: 600_000 }
    }
}

impl Backoff {
    /// The milliseconds to wait after an attempt, when there were so many before it: between half of the doubled time and all
    /// of it, as `jitter` (0 to 1) says, and never less than the provider asks for.
    pub fn delay_ms(self, attempts_before: u32, asked_ms: Option<u64>, jitter: f64) -> i64 {
        let doubled_ms = self.first_ms.saturating_mul(1_u64.checked_shl(attempts_before).unwrap_or(u64::MAX));
        let most_ms = doubled_ms.min(self.longest_ms);
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a part of some minutes"
        )]
        let less_ms = (most_ms as f64 / 2.0 * jitter.clamp(0.0, 1.0)) as u64;
        // Those who ask for the same wait do not come back all at once.
        let asked_ms = asked_ms.map_or(0, |asked_ms| asked_ms.saturating_add(less_ms));
        i64::try_from((most_ms - less_ms).max(asked_ms)).unwrap_or(i64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest_and_are_spread() {
        let backoff = Backoff::default();
        for (attempts, most_ms) in
            [(0, 1_000), (1, 2_000), (9, 512_000), (10, 600_000), (63, 600_000), (200, 600_000)]
        {
            assert_eq!(backoff.delay_ms(attempts, None, 0.0), most_ms, "{attempts}");
            assert_eq!(backoff.delay_ms(attempts, None, 1.0), most_ms / 2, "{attempts}");
        }
    }

    #[test]
    fn what_the_provider_asks_for_is_the_least() {
        let backoff = Backoff::default();
        assert_eq!(backoff.delay_ms(0, Some(30_000), 0.0), 30_000);
        assert_eq!(backoff.delay_ms(0, Some(30_000), 1.0), 30_500);
        assert_eq!(backoff.delay_ms(5, Some(10), 0.0), 32_000);
        assert_eq!(backoff.delay_ms(0, Some(u64::MAX), 0.5), i64::MAX);
    }
}
