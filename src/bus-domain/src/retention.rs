//! Retention: what of a node's log and items goes by itself, and when.
//!
//! Items and events are two things. An item goes by count, by age, by a retract or a purge; its event stays in the log
//! as long as the node's [`History`] reaches, and longer while delivery is not through with it.

use serde::{Deserialize, Serialize};

use crate::{BusError, LimitKind, NodeConfig, Seq};

/// How far a log reaches back: an event is in the history while it is within all of these bounds. `None` is no bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct History {
    /// Events, the newest ones; at least 1.
    pub events_max: Option<u64>,
    /// Seconds since the event was committed; at least 1.
    pub age_seconds_max: Option<u64>,
    /// Bytes of payload, of the newest events; at least 1.
    pub bytes_max: Option<u64>,
}

/// What happens when more events wait for delivery than the operator allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WhenUndeliveredFull {
    /// Publishers are told to come again later.
    Wait,
    /// Events outside the history may go undelivered; subscribers see the gap.
    Gap,
}

/// Where a log stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogState {
    /// The newest event.
    pub head_seq: Seq,
    /// The newest purge; 0 without one.
    pub purged_through_seq: Seq,
    /// Everything up to here is handed over, but for those who lag.
    pub delivered_through_seq: Seq,
    /// Everything up to here is handed over to those who lag; `None` if nobody does.
    pub lagging_through_seq: Option<Seq>,
    /// Bytes of payload that the log holds.
    pub log_bytes: u64,
}

/// An event of the log, as far as retention looks at it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LoggedEvent {
    /// Its position.
    pub seq: Seq,
    /// Bytes of its payload.
    pub payload_bytes: u64,
    /// When it was committed, in milliseconds since 1970.
    pub published_at_ms: i64,
}

impl WhenUndeliveredFull {
    /// Every choice, for tables.
    pub const ALL: [Self; 2] = [Self::Wait, Self::Gap];

    /// The stored configuration's name of it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Wait => "wait",
            Self::Gap => "gap",
        }
    }
}

impl Default for History {
    fn default() -> Self {
        Self {
            events_max: Some(100_000),
            age_seconds_max: Some(7 * 24 * 60 * 60),
            bytes_max: Some(256 * 1024 * 1024),
        }
    }
}

impl LogState {
    /// Up to where nobody needs the log any more. The log waits for those who lag as it does for all together, but not
    /// for more than so many events: publishers are not held up for one who is away, so he would keep all of it.
    pub fn handed_over_through(&self, undelivered_events_max: u64) -> Seq {
        let reached_seq = self.head_seq.saturating_sub(undelivered_events_max);
        let waits_for = |lagging_seq: Seq| self.delivered_through_seq.min(lagging_seq.max(reached_seq));
        self.lagging_through_seq.map_or(self.delivered_through_seq, waits_for)
    }
}

/// Checks what a configuration says about retention.
pub fn check(config: &NodeConfig) -> Result<(), BusError> {
    let History { events_max, age_seconds_max, bytes_max } = config.history;
    let expire = config.item_expire_seconds.map(u64::from);
    let bounds = [
        ("item_expire_seconds", expire),
        ("history.events_max", events_max),
        ("history.age_seconds_max", age_seconds_max),
        ("history.bytes_max", bytes_max),
    ];
    match bounds.into_iter().find(|(_, bound)| *bound == Some(0)) {
        Some((name, _)) => Err(BusError::invalid_config(format!("{name} must be at least 1, or not set"))),
        None => Ok(()),
    }
}

/// Decides which of the oldest events leave the log: all up to the position that is returned, if any.
///
/// `oldest` is a page from the log's old end, without holes. An event goes when it is outside the history or in front of
/// a purge, and delivery is through with it (with [`WhenUndeliveredFull::Gap`]: or too many others wait behind it). The
/// first one that stays keeps all behind it, so a clock that was ahead for a while only delays what goes by age, and one
/// that was behind takes nothing away that is in front of it.
pub fn trim_through(
    config: &NodeConfig,
    log: &LogState,
    oldest: &[LoggedEvent],
    undelivered_events_max: u64,
    now_ms: i64,
) -> Option<Seq> {
    let delivered_through_seq = log.handed_over_through(undelivered_events_max);
    let may_go_through_seq = match config.when_undelivered_full {
        WhenUndeliveredFull::Wait => delivered_through_seq,
        WhenUndeliveredFull::Gap => {
            delivered_through_seq.max(log.head_seq.saturating_sub(undelivered_events_max))
        }
    };
    let mut bytes = log.log_bytes;
    let mut through = None;
    for event in oldest {
        let is_kept = !is_outside_history(&config.history, log, event, bytes, now_ms);
        if is_kept || event.seq > may_go_through_seq {
            break;
        }
        bytes = bytes.saturating_sub(event.payload_bytes);
        through = Some(event.seq);
    }
    through
}

/// `bytes` are those of the event and of all behind it.
fn is_outside_history(
    history: &History,
    log: &LogState,
    event: &LoggedEvent,
    bytes: u64,
    now_ms: i64,
) -> bool {
    let events = (log.head_seq + 1).saturating_sub(event.seq);
    event.seq < log.purged_through_seq
        || history.events_max.is_some_and(|events_max| events > events_max)
        || history.bytes_max.is_some_and(|bytes_max| bytes > bytes_max)
        || history.age_seconds_max.is_some_and(|seconds| event.published_at_ms <= before(now_ms, seconds))
}

/// Items published up to this moment, in milliseconds since 1970, have expired; `None` if items do not expire.
pub fn expired_through_ms(config: &NodeConfig, now_ms: i64) -> Option<i64> {
    config.item_expire_seconds.map(|seconds| before(now_ms, seconds.into()))
}

/// Decides whether a node takes more events while so many wait for delivery that the operator's bound is reached.
pub fn check_undelivered(config: &NodeConfig, is_full: bool) -> Result<(), BusError> {
    match config.when_undelivered_full {
        WhenUndeliveredFull::Wait if is_full => Err(BusError::LimitReached(LimitKind::Undelivered)),
        WhenUndeliveredFull::Wait | WhenUndeliveredFull::Gap => Ok(()),
    }
}

fn before(now_ms: i64, seconds: u64) -> i64 {
    let age_ms = i64::try_from(seconds.saturating_mul(1_000)).unwrap_or(i64::MAX);
    now_ms.saturating_sub(age_ms)
}

#[cfg(test)]
mod tests;
