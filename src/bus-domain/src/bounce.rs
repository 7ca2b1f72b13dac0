//! Bounce: what it says of a subscription when a notification comes back as an error.
//!
//! Both common servers answer `service-unavailable` for a local user that does not exist, and a remote server may be
//! away for days. So a subscription is parked after failures over days without a delivery in between, never by their
//! number.

use jid::Jid;

use crate::{Limits, Seq};

/// What a bounce says of its subscriber.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum BounceClass {
    /// Not now: the event is sent again later.
    Retry,
    /// There is nobody any more; parks after [`Limits::park_gone_after_ms`].
    Gone,
    /// It did not arrive, and may never; parks after [`Limits::park_after_ms`].
    Failing,
    /// It says nothing of the subscriber: an error of its client's own code, or about the content.
    Ignored,
}

/// The `type` of a stanza error (RFC 6120 §8.3.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// Retry after giving credentials.
    Auth,
    /// Do not retry.
    Cancel,
    /// It was only a warning.
    Continue,
    /// Retry with another content.
    Modify,
    /// Retry later.
    Wait,
}

/// Failures of one subscription without a delivery in between, as far as that shows: what was sent again and taken ends
/// them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Failures {
    /// When they began, in milliseconds since 1970.
    pub since_ms: i64,
    /// The newest event that failed.
    pub through_seq: Seq,
}

/// Bounced events of one subscription, each directly behind the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BouncedRun {
    /// What the newest bounce said.
    pub class: BounceClass,
    /// The event before the run that was due to the subscriber.
    pub after_seq: Seq,
    /// The newest event of the run.
    pub through_seq: Seq,
}

/// How the events of a run had been sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attempt {
    /// Each for the first time, or once more after a cut.
    First,
    /// Again, and nothing has been taken since it failed last.
    Repeated,
    /// Again, after some of what had failed was taken.
    Advanced,
}

/// What follows from a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Judgement {
    /// The failures as they stand now.
    pub failures: Failures,
    /// Whether they have lasted long enough.
    pub parks: bool,
}

impl ErrorKind {
    /// The kind of this name.
    pub fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "auth" => Self::Auth,
            "cancel" => Self::Cancel,
            "continue" => Self::Continue,
            "modify" => Self::Modify,
            "wait" => Self::Wait,
            _ => return None,
        })
    }
}

/// The table from an error's type and defined condition (RFC 6120 §8.3.3) to its class.
pub fn classify(kind: ErrorKind, condition: &str) -> BounceClass {
    match (condition, kind) {
        // Clients answer like this when their own code fails on a message that they have read.
        ("undefined-condition" | "feature-not-implemented" | "unexpected-request", _) => BounceClass::Ignored,
        (_, ErrorKind::Wait) | ("resource-constraint" | "remote-server-timeout", _) => BounceClass::Retry,
        ("gone" | "item-not-found", _) => BounceClass::Gone,
        ("jid-malformed", _) | (_, ErrorKind::Cancel | ErrorKind::Auth) => BounceClass::Failing,
        // About the content, not about the subscriber.
        (_, ErrorKind::Modify | ErrorKind::Continue) => BounceClass::Ignored,
    }
}

/// What an error from `from` says of the subscription of `subscribed`; `None` if it is none of its business.
///
/// A server sends errors in the name of a resource that has ended, also for messages that were read. So one resource
/// is no proof for the whole account, nor for another resource.
pub fn weigh(class: BounceClass, subscribed: &Jid, from: &Jid) -> Option<BounceClass> {
    if subscribed.to_bare() != from.to_bare() {
        return None;
    }
    match from.resource() {
        Some(resource) if subscribed.resource() != Some(resource) => Some(BounceClass::Ignored),
        _ => Some(class),
    }
}

/// Adds a run to what is known.
///
/// A run of a first attempt that does not follow the known failures begins anew, because an event between them was
/// delivered; an old event that comes back once more changes nothing. Further attempts begin far behind what had failed
/// at first, so they say themselves whether anything was delivered.
pub fn judge(
    known: Option<Failures>,
    run: &BouncedRun,
    attempt: Attempt,
    now_ms: i64,
    limits: &Limits,
) -> Judgement {
    let began = Failures { since_ms: now_ms, through_seq: run.through_seq };
    let failures = match (known, attempt) {
        (None, _) => began,
        (Some(known), Attempt::First) if run.through_seq < known.through_seq => {
            return Judgement { failures: known, parks: false };
        }
        (Some(known), Attempt::First) if run.after_seq > known.through_seq => began,
        (Some(known), attempt) => Failures {
            since_ms: if attempt == Attempt::Advanced { now_ms } else { known.since_ms },
            through_seq: run.through_seq.max(known.through_seq),
        },
    };
    let patience_ms = match run.class {
        BounceClass::Gone => limits.park_gone_after_ms,
        BounceClass::Retry | BounceClass::Failing | BounceClass::Ignored => limits.park_after_ms,
    };
    // A clock that was set back makes it negative: rather late than without reason.
    let lasted_ms = u64::try_from(now_ms.saturating_sub(failures.since_ms)).unwrap_or_default();
    Judgement { failures, parks: lasted_ms >= patience_ms }
}

#[cfg(test)]
mod tests;
