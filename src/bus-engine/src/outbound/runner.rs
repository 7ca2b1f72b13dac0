use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use bus_domain::consumer::lease::LeaseId;
use bus_domain::consumer::retry::Failure;
use bus_domain::consumer::{Consumer, Destination, Mode, Standing, StandingState};
use bus_domain::source::has_written;
use bus_domain::{BusError, NodeName, Seq};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::flow::{FAILING_AFTER, Flow};
use super::{Agreement, Brought, Carrier, Condition, Verdict};
use crate::{ConsumerFrame, ConsumerSession, Credit, Delivered, Engine};

/// How long a request may take at most. It always ends before the leases of its events do.
const REQUEST_PATIENCE: Duration = Duration::from_secs(30);
/// How long who does not agree, or does not answer, is left alone at first, and at most.
const ASK_AGAIN: Duration = Duration::from_secs(5);
const ASK_AGAIN_MAX: Duration = Duration::from_mins(10);
/// Bytes that may be on their way from the log for one destination.
const CREDIT_BYTES: u64 = 16 * 1024 * 1024;

/// Bytes of the events of one request, about; a single event may be longer.
const BATCH_BYTES_MAX: usize = 1024 * 1024;

/// One consumer with its destination.
struct Runner {
    engine: Engine,
    carrier: Arc<dyn Carrier>,
    consumer: Arc<Consumer>,
    session: ConsumerSession,
    state: StandingState,
    allowed_per_minute: Option<u32>,
    flow: Flow,
    /// Events for which no request has begun.
    here: VecDeque<Delivered>,
    requests: JoinSet<(Vec<Delivered>, Brought)>,
}

/// Serves one consumer until it is told to stop, its destination is gone, or its session ends.
pub(super) async fn run(
    engine: Engine,
    carrier: Arc<dyn Carrier>,
    consumer: Consumer,
    stop: CancellationToken,
) -> Result<(), BusError> {
    let mut session = engine.open_destination(&consumer).await?;
    let agreed = tokio::select! {
        agreed = until_agreed(&engine, &*carrier, &mut session) => agreed?,
        () = stop.cancelled() => return Ok(()),
    };
    let Some(pace) = consumer.config.destination.as_ref().map(Destination::pace) else {
        return Err(BusError::Internal);
    };
    let runner = Runner {
        engine,
        carrier,
        state: agreed.state,
        allowed_per_minute: agreed.allowed_per_minute,
        flow: Flow::new(pace, agreed.allowed_per_minute, Instant::now()),
        consumer: Arc::new(consumer),
        session,
        here: VecDeque::new(),
        requests: JoinSet::new(),
    };
    runner.run(&stop).await
}

/// Asks until the destination agrees, here or by its key.
async fn until_agreed(
    engine: &Engine,
    carrier: &dyn Carrier,
    session: &mut ConsumerSession,
) -> Result<Standing, BusError> {
    let mut changes = engine.destination_changes();
    let mut rest = ASK_AGAIN;
    let mut ask_at = Instant::now();
    loop {
        changes.mark_unchanged();
        let owner = engine.actor_of(&session.consumer().owner);
        let consumer = engine.consumer(&owner, &session.consumer().name).await?;
        let standing = consumer.standing.as_ref();
        if let Some(agreed) = standing.filter(|standing| standing.is_agreed()) {
            return Ok(agreed.clone());
        }
        if Instant::now() >= ask_at {
            let (state, reason, allowed) = match carrier.ask(&consumer).await {
                Agreement::Agreed { requests_per_minute } => {
                    (StandingState::Active, String::new(), requests_per_minute)
                }
                Agreement::Refused { reason } => (StandingState::Refused, reason, None),
                Agreement::Unanswered { reason } => (StandingState::Pending, reason, None),
            };
            if !standing.is_some_and(|it| it.state == state && it.reason == reason) {
                engine.note_standing(session, state, &reason, allowed).await;
            }
            if state == StandingState::Active {
                let since_ms = engine.now_ms();
                return Ok(Standing { state, reason, since_ms, allowed_per_minute: allowed });
            }
            ask_at = Instant::now() + rest;
            rest = (rest * 2).min(ASK_AGAIN_MAX);
        }
        tokio::select! {
            // Nothing is to its credit: only its end comes, or word of events that are gone.
            frame = session.next() => {
                let frame = frame?;
                tell_gap(engine, session.consumer(), &frame);
            }
            _ = changes.changed() => {}
            () = sleep_until(ask_at) => {}
        }
    }
}

impl Runner {
    async fn run(mut self, stop: &CancellationToken) -> Result<(), BusError> {
        let mut is_stopping = false;
        loop {
            let now = Instant::now();
            if is_stopping {
                if self.requests.is_empty() {
                    return self.finish().await;
                }
            } else {
                self.begin(now);
                self.ask(now);
            }
            let due_at = self.flow.due_at(now).filter(|_| !is_stopping);
            tokio::select! {
                frame = self.session.next() => self.take(frame?),
                Some(ended) = self.requests.join_next() => match ended {
                    Ok((events, brought)) => is_stopping |= self.settle(events, brought).await,
                    Err(error) => {
                        tracing::error!(%error, consumer = %self.consumer.name, "a request was not carried out");
                        return Err(BusError::Internal);
                    }
                },
                () = stop.cancelled(), if !is_stopping => is_stopping = true,
                () = sleep_until(due_at.unwrap_or(now)), if due_at.is_some() => {}
            }
            if is_stopping {
                self.session.take_no_more();
                self.give_back();
            }
        }
    }

    /// Begins requests with the events that are here.
    fn begin(&mut self, now: Instant) {
        let batch =
            self.consumer.config.destination.as_ref().map_or(1, |it| it.pace().batch_events_max as usize);
        while self.flow.free(now) > 0 && !self.here.is_empty() {
            let events = self.next_batch(batch);
            let (carrier, consumer) = (Arc::clone(&self.carrier), Arc::clone(&self.consumer));
            // A fifth of the lease is left for the answer to be written down.
            let patience = REQUEST_PATIENCE.min(self.lease() * 4 / 5);
            self.flow.begun(now);
            self.engine.statistics().outbound_requests.add(1);
            let engine = self.engine.clone();
            self.requests.spawn(async move {
                let brought = bring_others(&engine, &*carrier, &consumer, &events, patience).await;
                (events, brought)
            });
        }
    }

    /// The events of one request: the first ones that are here, within its bounds.
    fn next_batch(&mut self, events_max: usize) -> Vec<Delivered> {
        let mut bytes = 0;
        let is_within = |delivered: &&Delivered| {
            bytes += delivered.event.weight_bytes();
            bytes <= BATCH_BYTES_MAX
        };
        let events = self.here.iter().take(events_max).take_while(is_within).count();
        self.here.drain(..events.max(1)).collect()
    }

    /// Asks for as many events as can be brought at once.
    fn ask(&mut self, now: Instant) {
        let messages = self.flow.ask(self.here.len(), now);
        if messages > 0 {
            self.session.add_credit(Credit { messages, bytes: CREDIT_BYTES });
        }
    }

    fn take(&mut self, frame: ConsumerFrame) {
        tell_gap(&self.engine, &self.consumer, &frame);
        match frame {
            ConsumerFrame::Events(events) => {
                self.flow.came(events.len());
                self.here.extend(events);
                self.keep_over_pause();
            }
            // What was not accepted comes again.
            ConsumerFrame::Gap { .. } | ConsumerFrame::Leases(_) | ConsumerFrame::Committed { .. } => {}
        }
    }

    /// Takes note of what has become of a request; whether it was the last one.
    async fn settle(&mut self, events: Vec<Delivered>, brought: Brought) -> bool {
        let Brought { mut verdicts, mut condition } = brought;
        // A destination that does not speak of an event has not taken it.
        verdicts.resize(events.len(), Verdict::Later { delay_ms: None });
        if self.consumer.config.mode == Mode::Stream {
            let all_taken = self.commit(events, &verdicts);
            if !all_taken && condition == Condition::Well {
                condition = Condition::Failing { reason: "it has not taken the next event".to_owned() };
            }
        } else {
            self.answer(&events, &verdicts);
        }
        if self.flow.ended(&condition, Instant::now()).is_some() {
            self.session.take_no_more();
            self.flow.asks_no_more();
            self.keep_over_pause();
        }
        self.judge(condition).await
    }

    /// What has been taken in order, up to the first event that was not: that one and those behind it are brought again. Whether
    /// all were taken.
    fn commit(&mut self, events: Vec<Delivered>, verdicts: &[Verdict]) -> bool {
        let taken = verdicts.iter().take_while(|verdict| **verdict == Verdict::Taken).count();
        let mut last: BTreeMap<NodeName, Seq> = BTreeMap::new();
        for delivered in &events[..taken] {
            last.insert(delivered.facts.name.clone(), delivered.event.seq);
        }
        for (node, seq) in last {
            // The session has handed it out, so nothing can be wrong about it.
            let _ = self.session.commit(Some(&node), seq);
        }
        self.engine.statistics().outbound_events.add(taken as u64);
        let is_all = taken == events.len();
        for delivered in events.into_iter().skip(taken).rev() {
            self.here.push_front(delivered);
        }
        is_all
    }

    /// Answers for each event by itself.
    fn answer(&mut self, events: &[Delivered], verdicts: &[Verdict]) {
        let has_dead_letters = self.consumer.config.dead_letter_node.is_some();
        let mut taken = Vec::with_capacity(events.len());
        let leases = events.iter().filter_map(|delivered| delivered.lease);
        for (lease, verdict) in leases.zip(verdicts.iter().copied()) {
            let failure = match verdict {
                Verdict::Taken => {
                    taken.push(lease);
                    continue;
                }
                Verdict::Later { delay_ms } => Failure::Refused { delay_ms },
                Verdict::Never if has_dead_letters => Failure::Terminated,
                Verdict::Never => Failure::Refused { delay_ms: None },
            };
            // The consumer is a queue, so nothing can be wrong about it.
            let _ = self.session.refuse(&[lease], failure);
        }
        self.engine.statistics().outbound_events.add(taken.len() as u64);
        let _ = self.session.acknowledge(&taken);
    }

    /// Takes note of how the destination is; whether it is gone.
    async fn judge(&mut self, condition: Condition) -> bool {
        match condition {
            Condition::Well => self.stand(StandingState::Active, "").await,
            Condition::Busy { .. } => {}
            Condition::Failing { reason } => {
                self.engine.statistics().outbound_failures.add(1);
                tracing::debug!(consumer = %self.consumer.name, reason, "a destination fails");
                if self.flow.failures_in_a_row() >= FAILING_AFTER {
                    self.stand(StandingState::Failing, &reason).await;
                }
            }
            Condition::Gone { reason } => {
                self.stand(StandingState::Gone, &reason).await;
                return true;
            }
        }
        false
    }

    async fn stand(&mut self, state: StandingState, reason: &str) {
        if self.state != state && self.state != StandingState::Gone {
            self.state = state;
            self.engine.note_standing(&self.session, state, reason, self.allowed_per_minute).await;
        }
    }

    /// Sees to it that the leases of what is here do not end while nothing may be sent.
    fn keep_over_pause(&self) {
        if self.consumer.config.mode == Mode::Stream {
            return;
        }
        let now = Instant::now();
        let Some(due_at) = self.flow.due_at(now) else { return };
        let lease = self.lease() + due_at.saturating_duration_since(now);
        let lease_ms = u64::try_from(lease.as_millis()).unwrap_or(u64::MAX);
        let leases: Vec<LeaseId> = self.here.iter().filter_map(|event| event.lease).collect();
        let _ = self.session.extend(&leases, Some(lease_ms));
    }

    /// Hands events back for which no request has begun, so that nobody waits for the end of their leases.
    fn give_back(&mut self) {
        // In order nothing is leased: it is read again from the committed position on.
        let leases: Vec<LeaseId> = self.here.drain(..).filter_map(|event| event.lease).collect();
        let _ = self.session.refuse(&leases, Failure::Refused { delay_ms: Some(0) });
    }

    /// Waits until what was said of events is on disk.
    async fn finish(mut self) -> Result<(), BusError> {
        while !self.session.is_answered() {
            self.session.next().await?;
        }
        Ok(())
    }

    fn lease(&self) -> Duration {
        Duration::from_millis(self.consumer.config.lease_ms)
    }
}

/// The destination sees a gap by the sequence of what it gets; the operator is told.
fn tell_gap(engine: &Engine, consumer: &Consumer, frame: &ConsumerFrame) {
    if let ConsumerFrame::Gap { facts, first_seq } = frame {
        let node = &facts.name;
        tracing::warn!(consumer = %consumer.name, %node, first_seq, "events were gone before they were brought");
        engine.statistics().outbound_gaps.add(1);
    }
}

/// Brings the events that the destination's own source has not written; those that it has count as taken.
async fn bring_others(
    engine: &Engine,
    carrier: &dyn Carrier,
    consumer: &Consumer,
    events: &[Delivered],
    patience: Duration,
) -> Brought {
    let source = consumer.config.destination.as_ref().and_then(Destination::paired_source);
    let is_own = |delivered: &Delivered| source.is_some_and(|it| has_written(it, &delivered.event.publisher));
    let others: Vec<Delivered> = events.iter().filter(|it| !is_own(it)).cloned().collect();
    if others.len() == events.len() {
        return carrier.bring(consumer, events, patience).await;
    }
    engine.statistics().outbound_passed.add((events.len() - others.len()) as u64);
    let Brought { verdicts, condition } = if others.is_empty() {
        Brought::all(0, Verdict::Taken, Condition::Well)
    } else {
        carrier.bring(consumer, &others, patience).await
    };
    let mut verdicts = verdicts.into_iter();
    let of = |delivered: &Delivered| {
        if is_own(delivered) {
            Verdict::Taken
        } else {
            verdicts.next().unwrap_or(Verdict::Later { delay_ms: None })
        }
    };
    Brought { verdicts: events.iter().map(of).collect(), condition }
}
