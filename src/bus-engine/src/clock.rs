use std::cell::RefCell;
use std::time::{SystemTime, UNIX_EPOCH};

/// Where the engine reads the time of day. Durations are measured with tokio's clock, which tests can pause.
pub trait Clock: Send + Sync + 'static {
    /// Milliseconds since 1970.
    fn now_ms(&self) -> i64;
}

/// Where the engine gets its randomness.
pub trait IdSource: Send + Sync + 'static {
    /// Unpredictable bytes.
    fn random_bytes(&self) -> [u8; 16];
}

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

/// The operating system's randomness, asked for many at a time.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemIds;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place where the time of day is read")]
    fn now_ms(&self) -> i64 {
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        i64::try_from(since_1970.as_millis()).unwrap_or(i64::MAX)
    }
}

impl IdSource for SystemIds {
    fn random_bytes(&self) -> [u8; 16] {
        thread_local! { static DRAWN: RefCell<Drawn> = const { RefCell::new(Drawn::NOTHING) }; }
        DRAWN.with_borrow_mut(Drawn::take)
    }
}

/// Randomness that a thread has drawn and not used up. A call into the system for each id is a thirtieth of a publish.
struct Drawn {
    bytes: [[u8; 16]; 64],
    left: usize,
}

impl Drawn {
    const NOTHING: Self = Self { bytes: [[0; 16]; 64], left: 0 };

    #[expect(clippy::disallowed_methods, reason = "the one place where randomness is drawn")]
    fn take(&mut self) -> [u8; 16] {
        if self.left == 0 {
            getrandom::fill(self.bytes.as_flattened_mut()).expect("the operating system has randomness");
            self.left = self.bytes.len();
        }
        self.left -= 1;
        // What was handed out is not kept.
        std::mem::take(&mut self.bytes[self.left])
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn no_randomness_is_handed_out_twice() {
        let threads: Vec<_> = (0..4)
            .map(|_| std::thread::spawn(|| (0..1_000).map(|_| SystemIds.random_bytes()).collect::<Vec<_>>()))
            .collect();
        let drawn: Vec<_> = threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect();
        assert_eq!(drawn.iter().collect::<HashSet<_>>().len(), 4_000);
    }
}
