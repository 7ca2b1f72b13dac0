//! How many pushes of one provider are under way at a time. No I/O, no clock.

/// Grows while the provider keeps up, and halves when it says again and again that it does not, or answers far later than
/// it can: a single device that is sent too much, or one slow answer, says nothing about all others.
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
    /// What has ended in this round, and how much of it with a complaint. A round is as many as may be under way.
    round: Round,
    /// The shortest time that an answer has taken, forgotten slowly.
    floor_ms: Option<f64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Round {
    ended: usize,
    complaints: usize,
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
    /// Nothing: nobody was asked.
    None,
}

const FIRST_LIMIT: f64 = 16.0;
/// A round has so many answers at least.
const ROUND_MIN: usize = 16;
/// So many complaints of a round, and one in so many answers, are too many.
const COMPLAINTS_MIN: usize = 3;
const COMPLAINTS_ONE_IN: usize = 10;
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
            round: Round::default(),
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
        let is_complaint = match feedback {
            Feedback::None => return,
            Feedback::Answered { latency_ms } => self.is_slow(latency_ms),
            Feedback::Congested => true,
        };
        if self.round.ended >= self.limit().max(ROUND_MIN) {
            self.round = Round::default();
        }
        self.round.ended += 1;
        if is_complaint {
            self.complain(ticket);
        } else if is_used {
            self.grow();
        }
    }

    fn complain(&mut self, ticket: Ticket) {
        // Of what was under way before the last cut, nothing counts twice.
        if ticket.0 <= self.cut_at {
            return;
        }
        self.round.complaints += 1;
        if self.round.complaints >= COMPLAINTS_MIN.max(self.limit() / COMPLAINTS_ONE_IN) {
            self.cut();
        }
    }

    fn grow(&mut self) {
        let step = if self.is_searching { 1.0 } else { 1.0 / self.limit };
        self.limit = (self.limit + step).min(self.limit_max);
    }

    /// Once for all that were under way together.
    fn cut(&mut self) {
        self.is_searching = false;
        self.limit = (self.limit / 2.0).max(1.0);
        self.cut_at = self.started;
        self.round = Round::default();
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
        for _ in 0..30 {
            let ticket = window.begin();
            window.end(ticket, Feedback::Congested);
        }
        assert_eq!((window.limit(), window.room()), (1, 1), "one always may");
    }

    #[test]
    fn after_a_cut_it_grows_by_one_for_each_window() {
        let mut window = Window::new(100);
        for ticket in fill(&mut window) {
            window.end(ticket, Feedback::Congested);
        }
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
        for ticket in &tickets[2..5] {
            window.end(*ticket, Feedback::Answered { latency_ms: 900 });
        }
        assert_eq!(window.limit(), 9);
    }

    #[test]
    fn one_device_that_is_sent_too_much_holds_up_no_other() {
        let mut window = Window::new(1_000);
        for number in 0..10_000 {
            let tickets = fill(&mut window);
            let feedback = if number % 20 == 0 { Feedback::Congested } else { FAST };
            window.end(tickets[0], feedback);
            // The others are still under way; with this one's place, there is room for one.
        }
        assert!(window.limit() > 900, "{}", window.limit());
    }

    #[test]
    fn what_never_left_says_nothing() {
        let mut window = Window::new(100);
        let before = window.clone();
        let ticket = window.begin();
        window.end(ticket, Feedback::None);
        assert_eq!((window.limit(), window.floor_ms, window.room()), (16, before.floor_ms, 16));
    }
}
