use std::time::Duration;

use tokio::time::Instant;

use crate::{DownReason, LinkLimits};

/// A day: beyond it a limit means "never", and sums of times stay in range.
const MS_MAX: u64 = 86_400_000;

/// Decides when to ask the server for a sign of life and when to give up, without I/O: time is passed in.
///
/// Any byte read is a sign of life. While the link itself does not read (its reader has no room), silence says
/// nothing; then only a server that takes nothing either for as long is given up, or both would wait for ever.
#[derive(Debug)]
pub(crate) struct Liveness {
    idle_ping: Duration,
    reprobe: Duration,
    dead_after: Duration,
    last_read: Instant,
    last_ping: Instant,
    paused_since: Option<Instant>,
    write_blocked_since: Option<Instant>,
}

/// What to do now.
#[derive(Debug)]
pub(crate) enum Verdict {
    /// Nothing; ask again then.
    AskAgainAt(Instant),
    /// Send a ping; ask again at once.
    Ping,
    /// Give the connection up.
    Dead(DownReason),
}

impl Liveness {
    pub(crate) fn new(limits: &LinkLimits, now: Instant) -> Self {
        let idle_ping = Duration::from_millis(limits.idle_ping_ms.clamp(1, MS_MAX));
        Self {
            idle_ping,
            reprobe: Duration::from_millis(limits.reprobe_ms.max(1)).min(idle_ping),
            dead_after: Duration::from_millis(limits.dead_after_ms.min(MS_MAX)).max(idle_ping * 2),
            last_read: now,
            last_ping: now,
            paused_since: None,
            write_blocked_since: None,
        }
    }

    /// Bytes came in.
    pub(crate) fn read(&mut self, now: Instant) {
        self.last_read = now;
    }

    /// Whether the link reads at all. Silence counts from the moment that it reads again.
    pub(crate) fn reading(&mut self, is_reading: bool, now: Instant) {
        match (is_reading, self.paused_since) {
            (true, Some(_)) => {
                self.paused_since = None;
                self.last_read = now;
            }
            (false, None) => self.paused_since = Some(now),
            _ => {}
        }
    }

    /// Whether there are bytes that the server has not taken, and whether it just took some.
    pub(crate) fn writing(&mut self, is_pending: bool, made_progress: bool, now: Instant) {
        if !is_pending || made_progress {
            self.write_blocked_since = None;
        }
        if is_pending && self.write_blocked_since.is_none() {
            self.write_blocked_since = Some(now);
        }
    }

    /// `oldest_barrier` is when the oldest unanswered barrier was placed: its answer may have gone to somebody else, and
    /// the answer to another one makes up for it.
    pub(crate) fn check(
        &mut self,
        now: Instant,
        oldest_barrier: Option<Instant>,
        is_contested: bool,
    ) -> Verdict {
        if let Some(reason) = self.death(now) {
            return Verdict::Dead(reason);
        }
        let ping_at = match oldest_barrier {
            _ if is_contested => self.last_ping + self.reprobe / 4,
            Some(placed) => placed.max(self.last_ping) + self.reprobe,
            None => self.last_read.max(self.last_ping) + self.idle_ping,
        };
        if self.paused_since.is_none() && now >= ping_at {
            self.last_ping = now;
            return Verdict::Ping;
        }
        let death_at = match (self.paused_since, self.write_blocked_since) {
            (None, _) => self.last_read + self.dead_after,
            (Some(paused), Some(blocked)) => paused.max(blocked) + self.dead_after,
            (Some(_), None) => now + self.idle_ping,
        };
        let next = if self.paused_since.is_none() { ping_at.min(death_at) } else { death_at };
        // A barrier may be placed meanwhile.
        Verdict::AskAgainAt(next.min(now + self.reprobe))
    }

    fn death(&self, now: Instant) -> Option<DownReason> {
        match (self.paused_since, self.write_blocked_since) {
            (None, _) => (now >= self.last_read + self.dead_after).then_some(DownReason::Silent),
            (Some(paused), Some(blocked)) => {
                (now >= paused.max(blocked) + self.dead_after).then_some(DownReason::Stalled)
            }
            (Some(_), None) => None,
        }
    }
}

#[cfg(test)]
mod tests;
