/// What a provider's answer means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PushVerdict {
    /// The provider has taken it.
    Delivered,
    /// The device is not there any more.
    Gone {
        /// Since when, in milliseconds since 1970, if the provider says so.
        since_ms: Option<i64>,
    },
    /// The provider refuses this device for a reason that may be a mistake of ours, too: a token of the other environment,
    /// another sender's key. It is kept, and gets nothing until it registers anew.
    Quarantine,
    /// Not now.
    Retry {
        /// The milliseconds that the provider asks to wait.
        after_ms: Option<u64>,
    },
    /// Our credentials or our configuration are at fault, so all pushes of this provider wait until somebody mends it.
    Operator,
    /// Nothing can be sent for this account at the moment, whatever the device: all its pushes wait.
    Unavailable {
        /// For how many milliseconds.
        after_ms: u64,
    },
    /// This message can never be delivered; nothing is wrong with the device.
    Rejected,
}

/// What becomes of the job and of the device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settled {
    /// The job is done.
    Done,
    /// The job has failed for good, and the device is deleted.
    DeleteDevice,
    /// The job has failed for good, and the device is set aside.
    QuarantineDevice,
    /// The job waits, for so many milliseconds at least if the provider asks for it.
    Retry {
        /// See [`PushVerdict::Retry`].
        after_ms: Option<u64>,
    },
    /// The job waits with all others of its account until one is taken that tries whether it is usable again.
    WaitForAccount {
        /// When that is tried, in milliseconds from now; after a pause that doubles each time if nobody knows.
        after_ms: Option<u64>,
    },
    /// The job has failed for good.
    Fail,
}

impl PushVerdict {
    /// Its name in metrics and logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Gone { .. } => "gone",
            Self::Quarantine => "quarantine",
            Self::Retry { .. } => "retry",
            Self::Operator => "operator",
            Self::Unavailable { .. } => "unavailable",
            Self::Rejected => "rejected",
        }
    }

    /// What becomes of the job, and of its device that has registered last at `registered_at_ms`. A device that was gone
    /// before that is back: the answer was about its old registration.
    pub fn settle(self, registered_at_ms: i64) -> Settled {
        match self {
            Self::Delivered => Settled::Done,
            Self::Gone { since_ms: Some(since_ms) } if since_ms < registered_at_ms => {
                Settled::Retry { after_ms: None }
            }
            Self::Gone { .. } => Settled::DeleteDevice,
            Self::Quarantine => Settled::QuarantineDevice,
            Self::Retry { after_ms } => Settled::Retry { after_ms },
            Self::Operator => Settled::WaitForAccount { after_ms: None },
            Self::Unavailable { after_ms } => Settled::WaitForAccount { after_ms: Some(after_ms) },
            Self::Rejected => Settled::Fail,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_that_registered_after_it_was_gone_is_kept() {
        let gone = |since_ms| PushVerdict::Gone { since_ms }.settle(1_000);
        assert_eq!(gone(Some(999)), Settled::Retry { after_ms: None });
        assert_eq!(gone(Some(1_000)), Settled::DeleteDevice);
        assert_eq!(gone(None), Settled::DeleteDevice);
    }

    #[test]
    fn each_verdict_has_its_consequence() {
        for (verdict, expected) in [
            (PushVerdict::Delivered, Settled::Done),
            (PushVerdict::Quarantine, Settled::QuarantineDevice),
            (PushVerdict::Retry { after_ms: Some(5) }, Settled::Retry { after_ms: Some(5) }),
            (PushVerdict::Operator, Settled::WaitForAccount { after_ms: None }),
            (PushVerdict::Unavailable { after_ms: 7 }, Settled::WaitForAccount { after_ms: Some(7) }),
            (PushVerdict::Rejected, Settled::Fail),
        ] {
            assert_eq!(verdict.settle(0), expected);
        }
    }

    /// Metrics have these words as a label.
    #[test]
    fn each_verdict_has_its_name() {
        for (verdict, name) in [
            (PushVerdict::Delivered, "delivered"),
            (PushVerdict::Gone { since_ms: None }, "gone"),
            (PushVerdict::Quarantine, "quarantine"),
            (PushVerdict::Retry { after_ms: None }, "retry"),
            (PushVerdict::Operator, "operator"),
            (PushVerdict::Unavailable { after_ms: 7 }, "unavailable"),
            (PushVerdict::Rejected, "rejected"),
        ] {
            assert_eq!(verdict.as_str(), name);
        }
    }
}
