//! When requests may go to a destination, and how many events may be asked for meanwhile.

use std::time::Duration;

use bus_domain::consumer::destination::Pace;
use tokio::time::Instant;

use super::Condition;

/// How long a destination that fails is left alone after its first failure in a row; twice as long after each further one.
const PAUSE: Duration = Duration::from_secs(1);
/// The longest of these rests.
const PAUSE_MAX: Duration = Duration::from_mins(1);
/// The longest wait that a destination can ask for.
const WAIT_MAX: Duration = Duration::from_hours(1);
/// Failures in a row after which a destination counts as failing.
pub(super) const FAILING_AFTER: u32 = 3;

/// One destination. Events are asked for only when a request for them may begin at once, so that their leases run while
/// something is done about them.
#[derive(Debug)]
pub(super) struct Flow {
    pace: Pace,
    /// Between the beginnings of two requests.
    interval: Duration,
    in_flight: usize,
    /// Events that were asked for and have not come.
    asked_for: u64,
    next_at: Instant,
    paused_until: Instant,
    failures_in_a_row: u32,
}

impl Flow {
    /// A destination that allows so many requests in a minute, if there is a bound.
    pub(super) fn new(pace: Pace, allowed_per_minute: Option<u32>, now: Instant) -> Self {
        let per_minute = [pace.requests_per_minute, allowed_per_minute].into_iter().flatten().min();
        let interval = per_minute.map_or(Duration::ZERO, |requests| Duration::from_mins(1) / requests.max(1));
        Self {
            pace,
            interval,
            in_flight: 0,
            asked_for: 0,
            next_at: now,
            paused_until: now,
            failures_in_a_row: 0,
        }
    }

    /// Requests that may begin now. A destination that fails is tried by one at a time.
    pub(super) fn free(&self, now: Instant) -> usize {
        if now < self.paused_until || now < self.next_at {
            return 0;
        }
        let is_failing = self.failures_in_a_row > 0;
        let requests_max = if is_failing { 1 } else { self.pace.requests_in_flight_max as usize };
        let free = requests_max.saturating_sub(self.in_flight);
        if self.interval.is_zero() { free } else { free.min(1) }
    }

    /// How many events to ask for now, when so many are here already. Takes note that they are asked for.
    pub(super) fn ask(&mut self, here: usize, now: Instant) -> u64 {
        let wanted = (self.free(now) as u64) * u64::from(self.pace.batch_events_max);
        let missing = wanted.saturating_sub(self.asked_for + here as u64);
        self.asked_for += missing;
        missing
    }

    /// So many have come.
    pub(super) fn came(&mut self, events: usize) {
        self.asked_for = self.asked_for.saturating_sub(events as u64);
    }

    /// What was asked for comes no more.
    pub(super) fn asks_no_more(&mut self) {
        self.asked_for = 0;
    }

    /// A request has begun.
    pub(super) fn begun(&mut self, now: Instant) {
        self.in_flight += 1;
        self.next_at = now + self.interval;
    }

    /// A request has ended. Says how long no other may begin, if that is from now on.
    pub(super) fn ended(&mut self, condition: &Condition, now: Instant) -> Option<Duration> {
        self.in_flight = self.in_flight.saturating_sub(1);
        let pause = match condition {
            Condition::Well => {
                self.failures_in_a_row = 0;
                return None;
            }
            Condition::Gone { .. } => return None,
            Condition::Busy { wait_ms } => Duration::from_millis(*wait_ms).min(WAIT_MAX),
            Condition::Failing { .. } => {
                self.failures_in_a_row = self.failures_in_a_row.saturating_add(1);
                let doublings = (self.failures_in_a_row - 1).min(16);
                (PAUSE * (1 << doublings)).min(PAUSE_MAX)
            }
        };
        self.paused_until = self.paused_until.max(now + pause);
        Some(pause)
    }

    /// Failures since the destination was well.
    pub(super) fn failures_in_a_row(&self) -> u32 {
        self.failures_in_a_row
    }

    /// When a request may begin, if only time stands against it.
    pub(super) fn due_at(&self, now: Instant) -> Option<Instant> {
        let at = self.paused_until.max(self.next_at);
        (at > now).then_some(at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PACE: Pace = Pace { requests_in_flight_max: 3, batch_events_max: 10, requests_per_minute: None };

    fn failing() -> Condition {
        Condition::Failing { reason: "500".to_owned() }
    }

    #[test]
    fn events_are_asked_for_as_requests_may_begin() {
        let now = Instant::now();
        let mut flow = Flow::new(PACE, None, now);
        assert_eq!((flow.ask(0, now), flow.ask(0, now)), (30, 0), "once");
        flow.came(10);
        flow.begun(now);
        assert_eq!(flow.ask(0, now), 0, "20 are still to come for the other two");
        flow.came(20);
        flow.begun(now);
        flow.begun(now);
        assert_eq!((flow.free(now), flow.ask(0, now)), (0, 0));
        assert_eq!(flow.ended(&Condition::Well, now), None);
        assert_eq!((flow.ask(4, now), flow.due_at(now)), (6, None), "4 are here");
    }

    #[test]
    fn the_lower_of_two_rates_holds() {
        let now = Instant::now();
        let mut flow = Flow::new(Pace { requests_per_minute: Some(120), ..PACE }, Some(60), now);
        assert_eq!(flow.ask(0, now), 10, "one request's");
        flow.came(10);
        flow.begun(now);
        assert_eq!((flow.free(now), flow.due_at(now)), (0, Some(now + Duration::from_secs(1))));
        let later = now + Duration::from_secs(1);
        assert_eq!((flow.free(later), flow.due_at(later)), (1, None));
    }

    #[test]
    fn who_fails_is_left_alone_for_longer_and_longer_and_tried_by_one_request() {
        let mut now = Instant::now();
        let mut flow = Flow::new(PACE, None, now);
        flow.begun(now);
        flow.begun(now);
        for pause_s in [1, 2, 4, 8, 16, 32, 60, 60] {
            assert_eq!(flow.ended(&failing(), now), Some(Duration::from_secs(pause_s)));
            assert_eq!(flow.free(now), 0);
            now += Duration::from_secs(pause_s);
        }
        assert_eq!((flow.failures_in_a_row(), flow.free(now)), (8, 1), "one at a time");
        flow.ended(&Condition::Well, now);
        assert_eq!((flow.failures_in_a_row(), flow.free(now)), (0, 3));
    }

    #[test]
    fn who_is_busy_gets_nothing_for_as_long_as_it_says() {
        let now = Instant::now();
        let mut flow = Flow::new(PACE, None, now);
        let pause = |wait_ms, flow: &mut Flow| flow.ended(&Condition::Busy { wait_ms }, now);
        assert_eq!(pause(5_000, &mut flow), Some(Duration::from_secs(5)));
        assert_eq!(pause(1_000, &mut flow), Some(Duration::from_secs(1)));
        assert_eq!(flow.due_at(now), Some(now + Duration::from_secs(5)), "the longer one holds");
        assert_eq!(pause(u64::MAX, &mut flow), Some(WAIT_MAX));
        assert_eq!(flow.failures_in_a_row(), 0, "it is no failure");
    }
}
