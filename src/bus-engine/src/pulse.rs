use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior, interval};

/// How often a task that lives says so.
const BEAT_INTERVAL: Duration = Duration::from_secs(1);

/// A task's sign of life: it beats for as long as the task comes back to the runtime. Waiting for a store or a link is
/// life; to spin or to block is not.
#[derive(Debug)]
pub(crate) struct Pulse {
    began: Instant,
    last_beat_ms: AtomicU64,
}

impl Default for Pulse {
    fn default() -> Self {
        Self { began: Instant::now(), last_beat_ms: AtomicU64::new(0) }
    }
}

impl Pulse {
    /// Carries out `work`, in the caller's task, and beats meanwhile.
    pub(crate) async fn during<T>(&self, work: impl Future<Output = T>) -> T {
        let mut work = pin!(work);
        let mut beat = interval(BEAT_INTERVAL);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                output = &mut work => return output,
                _ = beat.tick() => self.last_beat_ms.store(self.now_ms(), Ordering::Relaxed),
            }
        }
    }

    /// For how long there was no beat.
    pub(crate) fn silent_for(&self) -> Duration {
        Duration::from_millis(self.now_ms().saturating_sub(self.last_beat_ms.load(Ordering::Relaxed)))
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use tokio::time::timeout;

    use super::*;

    #[tokio::test]
    async fn a_task_that_waits_is_alive_and_one_that_is_not_polled_is_not() {
        let long_ago =
            Instant::now().checked_sub(Duration::from_secs(100)).expect("the machine is up as long");
        let pulse = Pulse { began: long_ago, ..Pulse::default() };
        let waiting = pulse.during(pending::<()>());
        assert!(pulse.silent_for() >= Duration::from_secs(100), "as if it were stuck");
        assert!(timeout(BEAT_INTERVAL / 2, waiting).await.is_err());
        assert!(pulse.silent_for() < Duration::from_secs(100), "it came back");
    }
}
