//! What the tables of all providers are made of.

use bus_domain::push::PushVerdict;
use outbound_http::{Response, SendError, retry_after_ms};

use crate::Outcome;

/// One line of a provider's table.
#[derive(Debug)]
pub(crate) struct Row {
    /// The status of HTTP.
    pub(crate) status: u16,
    /// The provider's word for it, or ours where it has none. It is a label of metrics.
    pub(crate) reason: &'static str,
    /// What it means.
    pub(crate) meaning: Meaning,
}

/// A verdict without what an answer fills in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Meaning {
    Delivered,
    Gone,
    Quarantine,
    /// Again, after `Retry-After` if there is one.
    Retry,
    /// Again, not sooner than this, whatever the answer says.
    RetryNotBefore {
        ms: u64,
    },
    /// Only for what no single device can cause, because all of the provider's devices wait then.
    Operator,
    Rejected,
}

/// What an answer adds to its row.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Timing {
    pub(crate) retry_after_ms: Option<u64>,
    pub(crate) gone_since_ms: Option<i64>,
}

impl Timing {
    /// What the headers say.
    pub(crate) fn of(response: &Response, now_ms: i64) -> Self {
        let header = response.headers.get(hyper::header::RETRY_AFTER).and_then(|value| value.to_str().ok());
        Self { retry_after_ms: header.and_then(|value| retry_after_ms(value, now_ms)), gone_since_ms: None }
    }
}

impl Row {
    pub(crate) const fn new(status: u16, reason: &'static str, meaning: Meaning) -> Self {
        Self { status, reason, meaning }
    }

    pub(crate) fn outcome(&self, timing: Timing) -> Outcome {
        Outcome::new(self.meaning.verdict(timing), self.reason)
    }
}

impl Meaning {
    fn verdict(self, timing: Timing) -> PushVerdict {
        match self {
            Self::Delivered => PushVerdict::Delivered,
            Self::Gone => PushVerdict::Gone { since_ms: timing.gone_since_ms },
            Self::Quarantine => PushVerdict::Quarantine,
            Self::Retry => PushVerdict::Retry { after_ms: timing.retry_after_ms },
            Self::RetryNotBefore { ms } => {
                PushVerdict::Retry { after_ms: Some(timing.retry_after_ms.map_or(ms, |asked| asked.max(ms))) }
            }
            Self::Operator => PushVerdict::Operator,
            Self::Rejected => PushVerdict::Rejected,
        }
    }
}

/// What it means that there is no answer. The message may have arrived all the same when it was cut off.
pub(crate) fn without_answer(error: &SendError) -> Outcome {
    let (verdict, reason) = match error {
        // A resolver that goes wrong for an hour must not cost a device: what its registration says itself was looked at before.
        _ if error.refused().is_some() => (PushVerdict::Retry { after_ms: None }, "address_refused"),
        SendError::Connect(_) => (PushVerdict::Retry { after_ms: None }, "no_connection"),
        SendError::NotBegun { .. } => (PushVerdict::Retry { after_ms: None }, "not_begun"),
        SendError::CutOff(_) => (PushVerdict::Retry { after_ms: None }, "cut_off"),
        SendError::Timeout { .. } => (PushVerdict::Retry { after_ms: None }, "no_answer"),
        SendError::Malformed(_) => (PushVerdict::Rejected, "bad_message"),
    };
    Outcome::new(verdict, reason).with_detail(error.to_string())
}

/// The row of any other answer of this status: what is the server's fault is tried again, the rest costs the message. A new word
/// of a provider's must not cost devices.
pub(crate) fn unknown(status: u16) -> Row {
    if status == 408 || status == 425 || (500..600).contains(&status) {
        Row::new(status, "unknown_retry", Meaning::Retry)
    } else {
        Row::new(status, "unknown_refusal", Meaning::Rejected)
    }
}
