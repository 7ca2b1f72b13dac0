//! What is done with the jobs of one provider: a state machine without I/O. Time and jitter come in with each call.

use std::collections::{HashMap, VecDeque};

use bus_domain::push::{Backoff, Device, JobId, PushJob, PushLane, PushVerdict, Settled};
use bus_store::{ClaimedJob, DeviceJudgement, JobResult, JobSettlement};

use super::window::{Feedback, Ticket, Window};
use super::{PushFact, PushFactKind, PushOutcome};

/// Jobs that were claimed, and what became of them until it is stored.
#[derive(Debug)]
pub(super) struct Sender {
    window: Window,
    queue: VecDeque<ClaimedJob>,
    in_flight: HashMap<JobId, Flight>,
    settlements: Vec<JobSettlement>,
    /// Jobs that are given up, with what is to be told of them first.
    failed: Vec<Failed>,
    /// Devices to be judged, each with the job that depends on whether the judgement counts.
    judged: Vec<Judged>,
    /// Nothing can be sent: somebody has to mend the provider's credentials, or they cannot be renewed now. One push at a time tries
    /// whether that is over.
    trouble: Option<Trouble>,
}

/// What a provider has said against a device, and the job that it was said of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Judged {
    pub(super) fact: PushFact,
    pub(super) judgement: DeviceJudgement,
    /// If the judgement counts: else the device has registered anew meanwhile, and the job is tried at once.
    pub(super) settlement: JobSettlement,
}

/// A job that is given up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Failed {
    pub(super) fact: PushFact,
    pub(super) settlement: JobSettlement,
}

/// What has to be stored.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Results {
    pub(super) settlements: Vec<JobSettlement>,
    /// These are told first.
    pub(super) failed: Vec<Failed>,
    /// So are these, and the devices are judged then.
    pub(super) judged: Vec<Judged>,
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
/// How often a device may be called gone since before it registered until the job is given up.
const GONE_BEFORE_ATTEMPTS_MAX: u32 = 3;
const TROUBLE_FIRST_PAUSE_MS: i64 = 5_000;
const TROUBLE_PAUSE_MS_MAX: i64 = 300_000;

impl Sender {
    pub(super) fn new(in_flight_max: usize) -> Self {
        Self {
            window: Window::new(in_flight_max),
            queue: VecDeque::new(),
            in_flight: HashMap::new(),
            settlements: Vec::new(),
            failed: Vec::new(),
            judged: Vec::new(),
            trouble: None,
        }
    }

    /// How many jobs should be claimed now: enough to fill the window twice.
    pub(super) fn wants(&self, now_ms: i64) -> usize {
        let unstored = self.settlements.len() + self.failed.len() + self.judged.len();
        if unstored >= UNSTORED_MAX || self.next_try_ms().is_some_and(|at_ms| now_ms < at_ms) {
            return 0;
        }
        let wanted = if self.trouble.is_some() { 1 } else { self.window.limit() * 2 };
        wanted.saturating_sub(self.queue.len() + self.window.in_flight())
    }

    /// Takes jobs in. One that is still under way has come back because its claim has ended: it goes on under the new claim.
    pub(super) fn claimed(&mut self, jobs: Vec<ClaimedJob>) {
        for claimed in jobs {
            match self.in_flight.get_mut(&claimed.job.id) {
                Some(flight) => flight.to_send.job.due_at_ms = claimed.job.due_at_ms,
                None => self.queue.push_back(claimed),
            }
        }
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
                Some(device) if !is_of_lane(&device, &job) => self.give_up(&job, now_ms, "device_moved"),
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
        if !matches!(settled, Settled::WaitForAccount { .. }) && !is_of_the_way(outcome) {
            self.trouble = None;
        }
        match settled {
            Settled::Done => self.settle(&job, JobResult::Delivered { at_ms: now_ms }),
            Settled::Fail => self.give_up_after_trying(&job, now_ms, outcome.reason),
            Settled::DeleteDevice => self.judge(&job, &device, None, now_ms, outcome.reason),
            Settled::QuarantineDevice => {
                self.judge(&job, &device, Some(outcome.reason.to_owned()), now_ms, outcome.reason);
            }
            // The provider calls it gone again and again, since before it registered: it cannot both be right for weeks.
            Settled::Retry { .. } if is_gone(outcome) && job.attempts >= GONE_BEFORE_ATTEMPTS_MAX => {
                self.give_up_after_trying(&job, now_ms, outcome.reason);
            }
            Settled::Retry { after_ms } => self.retry(&job, after_ms, outcome, now_ms, jitter),
            Settled::WaitForAccount { after_ms } => {
                self.pause(now_ms, after_ms);
                self.retry(&job, None, outcome, now_ms, jitter);
            }
        }
    }

    /// A push has ended without a word, in our own code. It is tried again when its claim ends.
    pub(super) fn lost(&mut self, id: JobId) {
        if let Some(Flight { ticket, .. }) = self.in_flight.remove(&id) {
            self.window.end(ticket, Feedback::Congested);
        }
    }

    /// Gives back what was claimed and not begun, so that whoever comes next need not wait for the end of the claims.
    pub(super) fn give_back(&mut self, now_ms: i64) {
        for waiting in std::mem::take(&mut self.queue) {
            self.settle_unsent(&waiting.job, now_ms, "given_back");
        }
    }

    /// What has to be stored.
    pub(super) fn take_results(&mut self) -> Results {
        Results {
            settlements: std::mem::take(&mut self.settlements),
            failed: std::mem::take(&mut self.failed),
            judged: std::mem::take(&mut self.judged),
        }
    }

    /// Takes back what could not be stored.
    pub(super) fn put_results_back(&mut self, results: Results) {
        self.settlements.splice(0..0, results.settlements);
        self.failed.splice(0..0, results.failed);
        self.judged.splice(0..0, results.judged);
    }

    /// When nothing can be sent, the moment at which that is tried next.
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

    /// What was claimed meanwhile goes back; each failed try doubles the pause, unless somebody knows how long it is.
    fn pause(&mut self, now_ms: i64, after_ms: Option<u64>) {
        let after_ms = after_ms.map(|after_ms| i64::try_from(after_ms).unwrap_or(i64::MAX));
        let pause_ms = match (self.trouble, after_ms) {
            // Of those that were under way together, one counts.
            (Some(trouble), _) if now_ms < trouble.tries_at_ms => return,
            (_, Some(after_ms)) => after_ms.min(TROUBLE_PAUSE_MS_MAX),
            (None, None) => TROUBLE_FIRST_PAUSE_MS,
            (Some(trouble), None) => (trouble.pause_ms * 2).min(TROUBLE_PAUSE_MS_MAX),
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

    /// The job is over if the judgement counts: that is known once it is stored.
    fn judge(
        &mut self,
        job: &PushJob,
        device: &Device,
        quarantine: Option<String>,
        now_ms: i64,
        reason: &str,
    ) {
        let registered_at_ms = device.registered_at_ms;
        let judgement = DeviceJudgement { id: device.id, registered_at_ms, quarantine };
        let result = JobResult::Dead { at_ms: now_ms, reason: reason.to_owned() };
        let settlement = settlement(job, job.attempts.saturating_add(1), result);
        let kind = match judgement.quarantine {
            None => PushFactKind::DeviceRemoved,
            Some(_) => PushFactKind::DeviceQuarantined,
        };
        let fact = PushFact { registered_at_ms: Some(registered_at_ms), ..fact(kind, job, now_ms, reason) };
        self.judged.push(Judged { fact, judgement, settlement });
    }

    fn give_up(&mut self, job: &PushJob, now_ms: i64, reason: &str) {
        self.fail(job, job.attempts, now_ms, reason);
    }

    fn give_up_after_trying(&mut self, job: &PushJob, now_ms: i64, reason: &str) {
        self.fail(job, job.attempts.saturating_add(1), now_ms, reason);
    }

    fn fail(&mut self, job: &PushJob, attempts: u32, now_ms: i64, reason: &str) {
        let result = JobResult::Dead { at_ms: now_ms, reason: reason.to_owned() };
        let settlement = settlement(job, attempts, result);
        self.failed.push(Failed { fact: fact(PushFactKind::Failed, job, now_ms, reason), settlement });
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

impl Judged {
    /// What becomes of the job, once it is known whether the judgement has counted.
    pub(super) fn settled(self, has_counted: bool, now_ms: i64) -> JobSettlement {
        if has_counted {
            return self.settlement;
        }
        let result = JobResult::Retry { due_at_ms: now_ms, reason: "registered_anew".to_owned() };
        JobSettlement { result, ..self.settlement }
    }
}

fn fact(kind: PushFactKind, job: &PushJob, now_ms: i64, reason: &str) -> PushFact {
    PushFact {
        kind,
        job: job.id,
        device: job.device,
        lane: PushLane { provider: job.provider, account: job.account.clone() },
        registered_at_ms: None,
        reason: reason.to_owned(),
        at_ms: now_ms,
    }
}

/// Whether the device is still where it was when the job was enqueued: its app may have moved to another provider since.
fn is_of_lane(device: &Device, job: &PushJob) -> bool {
    device.address.provider() == job.provider && device.account == job.account
}

fn is_gone(outcome: &PushOutcome) -> bool {
    matches!(outcome.verdict, PushVerdict::Gone { .. })
}

/// Whether there was no answer of the provider: that says nothing about credentials.
fn is_of_the_way(outcome: &PushOutcome) -> bool {
    ["no_connection", "not_begun", "cut_off", "no_answer"].contains(&outcome.reason)
}

/// Whether the sink has refused it itself (see [`super::Unfit`]).
fn never_left(outcome: &PushOutcome) -> bool {
    ["payload_too_large", "bad_message", "bad_address"].contains(&outcome.reason)
}

fn feedback(outcome: &PushOutcome, latency_ms: u64) -> Feedback {
    match outcome.verdict {
        _ if never_left(outcome) => Feedback::None,
        PushVerdict::Retry { .. } => Feedback::Congested,
        PushVerdict::Unavailable { .. } => Feedback::None,
        _ => Feedback::Answered { latency_ms },
    }
}

#[cfg(test)]
mod tests;
