//! What is done with the jobs of one provider: a state machine without I/O. Time and jitter come in with each call.

use std::collections::{HashMap, VecDeque};

use bus_domain::push::{Backoff, Device, JobId, PushJob, PushVerdict, Settled};
use bus_store::{ClaimedJob, DeviceJudgement, JobResult, JobSettlement};

use super::PushOutcome;
use super::window::{Feedback, Ticket, Window};

/// Jobs that were claimed, and what became of them until it is stored.
#[derive(Debug)]
pub(super) struct Sender {
    window: Window,
    queue: VecDeque<ClaimedJob>,
    in_flight: HashMap<JobId, Flight>,
    settlements: Vec<JobSettlement>,
    judgements: Vec<DeviceJudgement>,
    /// Somebody has to mend the provider's credentials: one push at a time tries whether it is done.
    trouble: Option<Trouble>,
}

/// A push to be begun.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ToSend {
    pub(super) job: PushJob,
    pub(super) device: Device,
}

#[derive(Debug)]
struct Flight {
    to_send: ToSend,
    ticket: Ticket,
    began_at_ms: i64,
}

#[derive(Debug, Clone, Copy)]
struct Trouble {
    tries_at_ms: i64,
    pause_ms: i64,
}

/// What was stored takes so long at most on the way out; with less left of its claim, a job is not begun any more.
pub(super) const SEND_MS_MAX: i64 = 70_000;
/// How long a claim lasts.
pub(super) const CLAIM_MS: i64 = 100_000;
/// Jobs whose results are waiting to be stored; no more are begun then.
const UNSTORED_MAX: usize = 10_000;
const TROUBLE_FIRST_PAUSE_MS: i64 = 5_000;
const TROUBLE_PAUSE_MS_MAX: i64 = 300_000;

impl Sender {
    pub(super) fn new(in_flight_max: usize) -> Self {
        Self {
            window: Window::new(in_flight_max),
            queue: VecDeque::new(),
            in_flight: HashMap::new(),
            settlements: Vec::new(),
            judgements: Vec::new(),
            trouble: None,
        }
    }

    /// How many jobs should be claimed now: enough to fill the window twice.
    pub(super) fn wants(&self, now_ms: i64) -> usize {
        if self.settlements.len() >= UNSTORED_MAX || self.next_try_ms().is_some_and(|at_ms| now_ms < at_ms) {
            return 0;
        }
        let wanted = if self.trouble.is_some() { 1 } else { self.window.limit() * 2 };
        wanted.saturating_sub(self.queue.len() + self.window.in_flight())
    }

    pub(super) fn claimed(&mut self, jobs: Vec<ClaimedJob>) {
        self.queue.extend(jobs);
    }

    /// The next push to be begun. What cannot be sent is settled on the way.
    pub(super) fn next(&mut self, now_ms: i64) -> Option<ToSend> {
        while self.has_room(now_ms) {
            let ClaimedJob { job, device } = self.queue.pop_front()?;
            if job.due_at_ms - now_ms < SEND_MS_MAX {
                // The claim ends before the push would. It is due again then.
                continue;
            }
            if job.expires_at_ms <= now_ms {
                self.give_up(&job, now_ms, "expired");
                continue;
            }
            match device {
                None => self.give_up(&job, now_ms, "no_device"),
                Some(Device { quarantined: Some(_), .. }) => self.give_up(&job, now_ms, "quarantined"),
                Some(device) => return Some(self.begin(ToSend { job, device }, now_ms)),
            }
        }
        None
    }

    /// Takes in what came of a push. `jitter` is between 0 and 1.
    pub(super) fn done(&mut self, id: JobId, outcome: &PushOutcome, now_ms: i64, jitter: f64) {
        let Some(Flight { to_send, ticket, began_at_ms }) = self.in_flight.remove(&id) else { return };
        let ToSend { job, device } = to_send;
        let latency_ms = u64::try_from(now_ms - began_at_ms).unwrap_or(0);
        self.window.end(ticket, feedback(outcome, latency_ms));
        let settled = outcome.verdict.settle(device.registered_at_ms);
        if settled != Settled::WaitForOperator && !is_of_the_way(outcome) {
            self.trouble = None;
        }
        let judgement = |quarantine| DeviceJudgement {
            id: device.id,
            registered_at_ms: device.registered_at_ms,
            quarantine,
        };
        match settled {
            Settled::Done => self.settle(&job, JobResult::Delivered { at_ms: now_ms }),
            Settled::Fail => self.give_up_after_trying(&job, now_ms, outcome.reason),
            Settled::DeleteDevice => {
                self.judgements.push(judgement(None));
                self.give_up_after_trying(&job, now_ms, outcome.reason);
            }
            Settled::QuarantineDevice => {
                self.judgements.push(judgement(Some(outcome.reason.to_owned())));
                self.give_up_after_trying(&job, now_ms, outcome.reason);
            }
            Settled::Retry { after_ms } => self.retry(&job, after_ms, outcome, now_ms, jitter),
            Settled::WaitForOperator => {
                self.pause(now_ms);
                self.retry(&job, None, outcome, now_ms, jitter);
            }
        }
    }

    /// Gives back what was claimed and not begun, so that whoever comes next need not wait for the end of the claims.
    pub(super) fn give_back(&mut self, now_ms: i64) {
        for waiting in std::mem::take(&mut self.queue) {
            self.settle_unsent(&waiting.job, now_ms, "given_back");
        }
    }

    /// What has to be stored.
    pub(super) fn take_results(&mut self) -> (Vec<JobSettlement>, Vec<DeviceJudgement>) {
        (std::mem::take(&mut self.settlements), std::mem::take(&mut self.judgements))
    }

    /// Takes back what could not be stored.
    pub(super) fn put_results_back(
        &mut self,
        settlements: Vec<JobSettlement>,
        judgements: Vec<DeviceJudgement>,
    ) {
        self.settlements.splice(0..0, settlements);
        self.judgements.splice(0..0, judgements);
    }

    /// When somebody has to mend something, the moment at which that is tried next.
    pub(super) fn next_try_ms(&self) -> Option<i64> {
        self.trouble.map(|trouble| trouble.tries_at_ms)
    }

    /// Tries at once: somebody has mended something.
    pub(super) fn forget_trouble(&mut self) {
        self.trouble = None;
    }

    pub(super) fn in_flight(&self) -> usize {
        self.window.in_flight()
    }

    pub(super) fn in_flight_limit(&self) -> usize {
        self.window.limit()
    }

    fn has_room(&self, now_ms: i64) -> bool {
        match self.trouble {
            Some(trouble) => now_ms >= trouble.tries_at_ms && self.window.in_flight() == 0,
            None => self.window.room() > 0,
        }
    }

    fn begin(&mut self, to_send: ToSend, now_ms: i64) -> ToSend {
        let flight = Flight { to_send: to_send.clone(), ticket: self.window.begin(), began_at_ms: now_ms };
        self.in_flight.insert(to_send.job.id, flight);
        to_send
    }

    /// What was claimed meanwhile goes back when its claim ends; each failed try doubles the pause.
    fn pause(&mut self, now_ms: i64) {
        let pause_ms = match self.trouble {
            None => TROUBLE_FIRST_PAUSE_MS,
            // Of those that were under way together, one counts.
            Some(trouble) if now_ms < trouble.tries_at_ms => return,
            Some(trouble) => (trouble.pause_ms * 2).min(TROUBLE_PAUSE_MS_MAX),
        };
        self.trouble = Some(Trouble { tries_at_ms: now_ms + pause_ms, pause_ms });
        for waiting in std::mem::take(&mut self.queue) {
            self.settle_unsent(&waiting.job, now_ms + pause_ms, "provider_paused");
        }
    }

    fn retry(
        &mut self,
        job: &PushJob,
        after_ms: Option<u64>,
        outcome: &PushOutcome,
        now_ms: i64,
        jitter: f64,
    ) {
        let delay_ms = Backoff::default().delay_ms(job.attempts, after_ms, jitter);
        let due_at_ms = now_ms.saturating_add(delay_ms).max(self.next_try_ms().unwrap_or(i64::MIN));
        if due_at_ms >= job.expires_at_ms {
            return self.give_up_after_trying(job, now_ms, outcome.reason);
        }
        self.settle(job, JobResult::Retry { due_at_ms, reason: outcome.reason.to_owned() });
    }

    fn give_up(&mut self, job: &PushJob, now_ms: i64, reason: &str) {
        let result = JobResult::Dead { at_ms: now_ms, reason: reason.to_owned() };
        self.settlements.push(settlement(job, job.attempts, result));
    }

    fn give_up_after_trying(&mut self, job: &PushJob, now_ms: i64, reason: &str) {
        self.settle(job, JobResult::Dead { at_ms: now_ms, reason: reason.to_owned() });
    }

    fn settle(&mut self, job: &PushJob, result: JobResult) {
        self.settlements.push(settlement(job, job.attempts.saturating_add(1), result));
    }

    fn settle_unsent(&mut self, job: &PushJob, due_at_ms: i64, reason: &str) {
        let result = JobResult::Retry { due_at_ms, reason: reason.to_owned() };
        self.settlements.push(settlement(job, job.attempts, result));
    }
}

fn settlement(job: &PushJob, attempts: u32, result: JobResult) -> JobSettlement {
    JobSettlement { id: job.id, claimed_until_ms: job.due_at_ms, attempts, result }
}

/// Whether there was no answer of the provider: that says nothing about credentials.
fn is_of_the_way(outcome: &PushOutcome) -> bool {
    ["no_connection", "not_begun", "cut_off", "no_answer", "no_token"].contains(&outcome.reason)
}

/// Whether the sink has refused it itself (see [`super::Unfit`]).
fn never_left(outcome: &PushOutcome) -> bool {
    ["payload_too_large", "bad_message", "bad_address"].contains(&outcome.reason)
}

fn feedback(outcome: &PushOutcome, latency_ms: u64) -> Feedback {
    match outcome.verdict {
        _ if never_left(outcome) => Feedback::None,
        PushVerdict::Retry { .. } => Feedback::Congested,
        _ => Feedback::Answered { latency_ms },
    }
}

#[cfg(test)]
mod tests;
