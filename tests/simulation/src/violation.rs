use thiserror::Error;

/// A promise that did not hold.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{promise}: {what}")]
pub struct Violation {
    /// Which.
    pub promise: Promise,
    /// How.
    pub what: String,
}

/// What the bus promises (README), as far as a run can show it broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Promise {
    /// P1.
    #[error("acknowledged means on disk")]
    AcknowledgedIsStored,
    /// P2.
    #[error("nothing goes undelivered")]
    Delivered,
    /// P3.
    #[error("one order per node")]
    OneOrder,
    /// P4.
    #[error("a gap is never silent")]
    GapsShow,
    /// P5.
    #[error("one row per event")]
    BoundedRows,
    /// P6.
    #[error("one set of rules")]
    Rules,
    /// The run itself: it must come to an end.
    #[error("everything comes to rest")]
    ComesToRest,
}

/// Something, or the promise that does not hold.
pub(crate) type Checked<T = ()> = Result<T, Violation>;

impl Promise {
    /// Fails with what is said, unless it holds.
    pub fn check(self, holds: bool, what: impl FnOnce() -> String) -> Checked {
        if holds { Ok(()) } else { Err(self.broken(what())) }
    }

    /// It does not hold.
    pub fn broken(self, what: String) -> Violation {
        Violation { promise: self, what }
    }
}
