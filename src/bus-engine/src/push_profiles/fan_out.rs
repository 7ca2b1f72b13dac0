//! What becomes of a stretch of one node's log under one profile: a state machine without I/O. It says what is to be read and
//! what is to be written; whoever carries that out throws it away when a write fails, and begins again at the stored cursor.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::hash::Hasher as _;
use std::sync::Arc;

use bus_domain::push::profile::Timing;
use bus_domain::push::template::RenderError;
use bus_domain::push::{JobId, PushJob, PushMessage, PushProfile};
use bus_domain::{BareJid, Event, EventKind, NodeFacts, Seq};
use bus_store::{FanOutPlace, ProfileJob, ProfileMove, PushTarget};
use siphasher::sip128::{Hasher128 as _, SipHasher24};

use super::fields::EventFields;
use crate::push::job_id;

/// Jobs at which they are written.
pub(super) const JOBS_MAX: usize = 1_000;

/// What is to be done next.
#[derive(Debug, PartialEq)]
pub(super) enum Step {
    /// Read events behind a position.
    Read(Seq),
    /// Find whom an event is for, behind a place in the fan-out.
    Reach(Arc<Event>, Option<String>),
    /// Write all of this in one transaction.
    Write(Box<ProfileMove>),
    /// Nothing.
    Rest,
}

/// A page of those whom an event is for.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Reached {
    /// Their devices.
    pub(super) targets: Vec<PushTarget>,
    /// The place behind them; `None` if they are the last.
    pub(super) next: Option<String>,
}

#[derive(Debug)]
pub(super) struct FanOut {
    profile: Arc<PushProfile>,
    fence: u64,
    facts: Arc<NodeFacts>,
    service: BareJid,
    through_seq: Seq,
    resumes: Option<FanOutPlace>,
    events: VecDeque<Arc<Event>>,
    is_at_end: bool,
    current: Option<Current>,
    has_moved: bool,
    jobs: Vec<ProfileJob>,
    /// Where in `jobs` the one of a name is.
    coalesced: HashMap<[u8; 16], usize>,
    failures: u64,
    last_failure: Option<String>,
}

/// The event whose recipients are being reached.
#[derive(Debug)]
struct Current {
    event: Arc<Event>,
    after: Option<String>,
    due_at_ms: i64,
    expires_at_ms: i64,
    /// By the key of the language; `None` where there is none for this event.
    messages: BTreeMap<Option<String>, Option<PushMessage>>,
    has_failed: bool,
}

impl FanOut {
    pub(super) fn new(
        profile: Arc<PushProfile>,
        fence: u64,
        facts: Arc<NodeFacts>,
        service: BareJid,
        (through_seq, resumes): (Seq, Option<FanOutPlace>),
    ) -> Self {
        Self {
            profile,
            fence,
            facts,
            service,
            through_seq,
            resumes,
            events: VecDeque::new(),
            is_at_end: false,
            current: None,
            has_moved: false,
            jobs: Vec::new(),
            coalesced: HashMap::new(),
            failures: 0,
            last_failure: None,
        }
    }

    pub(super) fn next(&mut self, now_ms: i64) -> Step {
        loop {
            if self.jobs.len() >= JOBS_MAX {
                return Step::Write(Box::new(self.moved()));
            }
            if let Some(current) = &self.current {
                return Step::Reach(Arc::clone(&current.event), current.after.clone());
            }
            match self.events.pop_front() {
                Some(event) => self.begin(event, now_ms),
                None if !self.is_at_end => return Step::Read(self.through_seq),
                None if self.has_moved => return Step::Write(Box::new(self.moved())),
                None => return Step::Rest,
            }
        }
    }

    /// Takes what was read; nothing is the end of the log. Events up to `gone_through_seq` are no more.
    pub(super) fn take_events(&mut self, events: Vec<Arc<Event>>, gone_through_seq: Seq) {
        let first_seq = events.first().map_or(gone_through_seq + 1, |event| event.seq);
        let expected_seq = self.through_seq + 1;
        if first_seq > expected_seq {
            let gone = first_seq - expected_seq;
            self.fail(
                gone,
                format!("{gone} events up to {} were gone before they were looked at", first_seq - 1),
            );
            self.pass(first_seq - 1);
        }
        self.is_at_end = events.is_empty();
        self.events.extend(events);
    }

    /// Takes whom the event is for that is being told.
    pub(super) fn take_reached(&mut self, reached: Reached, now_ms: i64) {
        let Some(mut current) = self.current.take() else { return };
        for target in &reached.targets {
            if let Some(message) = self.message_for(&mut current, target) {
                self.enqueue(&current, target, message, now_ms);
            }
        }
        if reached.next.is_none() {
            return self.pass(current.event.seq);
        }
        self.has_moved = true;
        self.current = Some(Current { after: reached.next, ..current });
    }

    /// Nobody is told of an event: the profile's owner does not own the node any more.
    pub(super) fn refuse(&mut self, event: &Event) {
        self.current = None;
        self.fail(
            1,
            format!(
                "{} at {}: it is not the profile's owner's any more",
                self.facts.name.as_str(),
                event.seq
            ),
        );
        self.pass(event.seq);
    }

    /// What there is to write, if anything is.
    pub(super) fn unwritten(&self) -> Option<ProfileMove> {
        self.has_moved.then(|| self.moved())
    }

    /// What there was to write is on disk.
    pub(super) fn written(&mut self) {
        self.has_moved = false;
        self.jobs.clear();
        self.coalesced.clear();
        self.failures = 0;
        self.last_failure = None;
    }

    fn begin(&mut self, event: Arc<Event>, now_ms: i64) {
        let timing = self.profile.config.timing(event.published_at_ms, now_ms);
        let Timing::Send { due_at_ms, expires_at_ms } = timing else { return self.pass(event.seq) };
        if !matches!(event.kind, EventKind::Published { .. }) {
            return self.pass(event.seq);
        }
        let resumes = self.resumes.take();
        let resumes = resumes.filter(|it| it.epoch == self.facts.epoch && it.seq == event.seq);
        let after = resumes.map(|place| place.after);
        let (messages, has_failed) = (BTreeMap::new(), false);
        let mut current = Current { event, after, due_at_ms, expires_at_ms, messages, has_failed };
        // Nobody is looked for if there is nothing to say in any language.
        let config = Arc::clone(&self.profile);
        let mut locales = config.config.template.locales.keys().map(Some);
        let says_something = self.render(&mut current, None).is_some()
            || locales.any(|key| self.render(&mut current, key).is_some());
        if says_something {
            self.current = Some(current);
        } else {
            self.pass(current.event.seq);
        }
    }

    fn message_for(&mut self, current: &mut Current, target: &PushTarget) -> Option<PushMessage> {
        let profile = Arc::clone(&self.profile);
        let key = profile.config.template.locale_for(target.locale.as_deref()).map(str::to_owned);
        self.render(current, key.as_ref())
    }

    fn render(&mut self, current: &mut Current, key: Option<&String>) -> Option<PushMessage> {
        if let Some(known) = current.messages.get(&key.cloned()) {
            return known.clone();
        }
        let fields = EventFields::new(&self.service, &self.facts, &current.event);
        let rendered = self.profile.config.message(&fields, key.map(String::as_str));
        let message = match rendered {
            Ok(message) => Some(PushMessage { collapse_key: message.collapse_key.map(fitting), ..message }),
            Err(error) => {
                if !std::mem::replace(&mut current.has_failed, true) {
                    self.fail(1, failure(&self.facts, current.event.seq, &error));
                }
                None
            }
        };
        current.messages.insert(key.cloned(), message.clone());
        message
    }

    fn enqueue(&mut self, current: &Current, target: &PushTarget, message: PushMessage, now_ms: i64) {
        let (device, profile) = (&target.device, &self.profile);
        let coalesced_as = (profile.config.coalesce_ms > 0).then(|| {
            let key = message.collapse_key.as_deref().unwrap_or_default();
            hash(&[&profile.id.0.to_be_bytes(), &device.id.0, key.as_bytes()])
        });
        let place = coalesced_as.and_then(|name| self.coalesced.get(&name).copied());
        if let Some(earlier) = place.and_then(|at| self.jobs.get_mut(at)) {
            earlier.job.message = message;
            earlier.job.expires_at_ms = current.expires_at_ms;
            return;
        }
        let job = PushJob {
            id: self.job_of(&current.event, target),
            device: device.id,
            provider: device.address.provider(),
            account: device.account.clone(),
            message,
            enqueued_at_ms: now_ms,
            due_at_ms: current.due_at_ms,
            expires_at_ms: current.expires_at_ms,
            attempts: 0,
        };
        if let Some(name) = coalesced_as {
            self.coalesced.insert(name, self.jobs.len());
        }
        self.jobs.push(ProfileJob { job, coalesced_as });
    }

    /// The same event makes the same job for a device, whoever looks at it, and however often.
    fn job_of(&self, event: &Event, target: &PushTarget) -> JobId {
        let order = hash(&[
            b"profile",
            &self.profile.id.0.to_be_bytes(),
            &self.facts.id.0.to_be_bytes(),
            &self.facts.epoch.0.to_be_bytes(),
            &event.seq.to_be_bytes(),
        ]);
        job_id(order, target.device.id)
    }

    fn pass(&mut self, seq: Seq) {
        self.through_seq = seq;
        self.has_moved = true;
    }

    fn fail(&mut self, failures: u64, reason: String) {
        self.failures += failures;
        self.last_failure = Some(reason);
    }

    fn moved(&self) -> ProfileMove {
        let place = |current: &Current| {
            let after = current.after.clone()?;
            Some(FanOutPlace { epoch: self.facts.epoch, seq: current.event.seq, after })
        };
        ProfileMove {
            profile: self.profile.id,
            fence: self.fence,
            node: self.facts.id,
            epoch: self.facts.epoch,
            through_seq: self.through_seq,
            fan_out: self.current.as_ref().and_then(place),
            jobs: self.jobs.clone(),
            failures: self.failures,
            last_failure: self.last_failure.clone(),
        }
    }
}

fn failure(facts: &NodeFacts, seq: Seq, error: &RenderError) -> String {
    format!("{} at {seq}: {error}", facts.name.as_str())
}

/// A collapse key that every provider takes: as it is, or its hash.
fn fitting(key: String) -> String {
    if PushMessage::is_collapse_key(&key) {
        key
    } else {
        format!("{:032x}", u128::from_be_bytes(hash(&[key.as_bytes()])))
    }
}

/// It only has to tell things apart, and hides nothing.
fn hash(parts: &[&[u8]]) -> [u8; 16] {
    let mut hasher = SipHasher24::new();
    for part in parts {
        hasher.write(&part.len().to_be_bytes());
        hasher.write(part);
    }
    hasher.finish128().as_bytes()
}

#[cfg(test)]
mod tests;
