//! How many pushes of one provider are under way at a time. No I/O, no clock.

/// Grows while the provider keeps up, and halves when it says that it does not, or answers far later than it can.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Window {
    limit: f64,
    limit_max: f64,
    /// Until the provider has complained once, each push that arrives allows one more: from then on, each window of them.
    is_searching: bool,
    in_flight: usize,
    /// Pushes that were begun before the last cut say nothing about what came of it.
    started: u64,
    cut_at: u64,
    /// The shortest time that an answer has taken, forgotten slowly.
    floor_ms: Option<f64>,
}

/// One push on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ticket(u64);

/// What an answer says about how much the provider takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Feedback {
    /// It has taken or refused the push, after so many milliseconds.
    Answered { latency_ms: u64 },
    /// It is too much, or it did not answer.
    Congested,
}

const FIRST_LIMIT: f64 = 16.0;
/// Answers that take so many times the shortest time, and more than the grace, are a queue that grows.
const SLOW_FACTOR: f64 = 8.0;
const SLOW_GRACE_MS: f64 = 500.0;
/// By so much the shortest time is forgotten with each answer: a thousand answers double it.
const FLOOR_DRIFT: f64 = 1.000_7;

impl Window {
    pub(super) fn new(limit_max: usize) -> Self {
        #[expect(clippy::cast_precision_loss, reason = "a number of requests, far below 2^52")]
        let limit_max = limit_max.max(1) as f64;
        Self {
            limit: FIRST_LIMIT.min(limit_max),
            limit_max,
            is_searching: true,
            in_flight: 0,
            started: 0,
            cut_at: 0,
            floor_ms: None,
        }
    }

    /// How many more may be begun.
    pub(super) fn room(&self) -> usize {
        self.limit().saturating_sub(self.in_flight)
    }

    /// How many may be under way.
    pub(super) fn limit(&self) -> usize {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 1 and its most")]
        let limit = self.limit as usize;
        limit
    }

    /// How many are under way.
    pub(super) fn in_flight(&self) -> usize {
        self.in_flight
    }

    pub(super) fn begin(&mut self) -> Ticket {
        self.in_flight += 1;
        self.started += 1;
        Ticket(self.started)
    }

    pub(super) fn end(&mut self, ticket: Ticket, feedback: Feedback) {
        // Only a window that is used says that more would be taken.
        let is_used = self.in_flight * 2 >= self.limit();
        self.in_flight -= 1;
        match feedback {
            Feedback::Answered { latency_ms } if !self.is_slow(latency_ms) => {
                if is_used {
                    self.grow();
                }
            }
            Feedback::Answered { .. } | Feedback::Congested => self.cut(ticket),
        }
    }

    fn grow(&mut self) {
        let step = if self.is_searching { 1.0 } else { 1.0 / self.limit };
        self.limit = (self.limit + step).min(self.limit_max);
    }

    /// Once for all that were under way together.
    fn cut(&mut self, ticket: Ticket) {
        self.is_searching = false;
        if ticket.0 > self.cut_at {
            self.limit = (self.limit / 2.0).max(1.0);
            self.cut_at = self.started;
        }
    }

    fn is_slow(&mut self, latency_ms: u64) -> bool {
        #[expect(clippy::cast_precision_loss, reason = "milliseconds of one request")]
        let latency_ms = latency_ms as f64;
        let floor_ms =
            self.floor_ms.map_or(latency_ms, |floor_ms| (floor_ms * FLOOR_DRIFT).min(latency_ms)).max(1.0);
        self.floor_ms = Some(floor_ms);
        latency_ms > SLOW_GRACE_MS.max(floor_ms * SLOW_FACTOR)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FAST: Feedback = Feedback::Answered { latency_ms: 20 };

    fn fill(window: &mut Window) -> Vec<Ticket> {
        (0..window.room()).map(|_| window.begin()).collect()
    }

    #[test]
    fn it_doubles_while_it_is_used_and_the_provider_keeps_up() {
        let mut window = Window::new(100);
        for expected in [16, 32, 64, 100, 100] {
            assert_eq!(window.limit(), expected);
            let mut under_way = fill(&mut window);
            for _ in 0..under_way.len() {
                window.end(under_way.remove(0), FAST);
                under_way.push(window.begin());
            }
            // They end without a word: as if there was no more to send.
            window.in_flight = 0;
        }
    }

    #[test]
    fn a_window_that_is_not_used_does_not_grow() {
        let mut window = Window::new(100);
        for _ in 0..100 {
            let ticket = window.begin();
            window.end(ticket, FAST);
        }
        assert_eq!(window.limit(), 16);
    }

    #[test]
    fn it_halves_once_for_all_that_were_under_way_together() {
        let mut window = Window::new(100);
        for ticket in fill(&mut window) {
            window.end(ticket, Feedback::Congested);
        }
        assert_eq!(window.limit(), 8);
        for ticket in fill(&mut window) {
            window.end(ticket, Feedback::Congested);
        }
        assert_eq!(window.limit(), 4);
        for _ in 0..10 {
            let ticket = window.begin();
            window.end(ticket, Feedback::Congested);
        }
        assert_eq!((window.limit(), window.room()), (1, 1), "one always may");
    }

    #[test]
    fn after_a_cut_it_grows_by_one_for_each_window() {
        let mut window = Window::new(100);
        let ticket = window.begin();
        window.end(ticket, Feedback::Congested);
        assert_eq!(window.limit(), 8);
        let mut under_way = fill(&mut window);
        for _ in 0..9 {
            window.end(under_way.remove(0), FAST);
            under_way.push(window.begin());
        }
        assert_eq!(window.limit(), 9);
    }

    #[test]
    fn answers_that_come_far_later_than_they_can_count_as_too_much() {
        let mut window = Window::new(100);
        let tickets = fill(&mut window);
        window.end(tickets[0], Feedback::Answered { latency_ms: 100 });
        window.end(tickets[1], Feedback::Answered { latency_ms: 790 });
        assert!(window.limit() >= 16);
        window.end(tickets[2], Feedback::Answered { latency_ms: 900 });
        assert_eq!(window.limit(), 9);
    }
}
