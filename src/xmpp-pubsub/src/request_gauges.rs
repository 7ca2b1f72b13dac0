use std::sync::atomic::{AtomicUsize, Ordering};

/// How much the requests that are under way take, for metrics: written by [`crate::run`], read by anybody.
#[derive(Debug, Default)]
pub struct RequestGauges {
    requests: AtomicUsize,
    bytes: AtomicUsize,
    answers_bytes: AtomicUsize,
}

/// The requests of all senders at one moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RequestLoad {
    /// Requests that wait or are under way.
    pub requests: usize,
    /// Bytes of them, about.
    pub bytes: usize,
    /// Bytes of answers that wait to be sent.
    pub answers_bytes: usize,
}

impl RequestGauges {
    pub(crate) fn set(&self, load: RequestLoad) {
        self.requests.store(load.requests, Ordering::Relaxed);
        self.bytes.store(load.bytes, Ordering::Relaxed);
        self.answers_bytes.store(load.answers_bytes, Ordering::Relaxed);
    }

    /// What was written last.
    pub fn get(&self) -> RequestLoad {
        RequestLoad {
            requests: self.requests.load(Ordering::Relaxed),
            bytes: self.bytes.load(Ordering::Relaxed),
            answers_bytes: self.answers_bytes.load(Ordering::Relaxed),
        }
    }
}
