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

/// The operating system's randomness.
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
    #[expect(clippy::disallowed_methods, reason = "the one place where randomness is drawn")]
    fn random_bytes(&self) -> [u8; 16] {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes).expect("the operating system has randomness");
        bytes
    }
}
