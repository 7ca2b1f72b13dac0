//! Carries out what the senders decide.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use bus_domain::BusError;
use bus_domain::push::{JobId, PushVerdict};
use bus_store::StoreError;
use futures::future::join_all;
use thiserror::Error;
use tokio::sync::watch;
use tokio::task::{self, JoinError, JoinSet};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::sender::{CLAIM_MS, Results, Sender, ToSend};
use super::{Lane, Push, PushOutcome, PushSink, Shared};

/// Jobs that one claim takes.
const CLAIM_MAX: usize = 1_000;
/// Without any word of a new job, the store is asked so often: another instance may have taken it.
const POLL: Duration = Duration::from_secs(5);
/// How long one attempt may take, whatever the sink does: less than what is left of its claim.
const SEND_TIME: Duration = Duration::from_secs(65);
/// How long a store that failed is left alone.
const STORE_PAUSE: Duration = Duration::from_secs(1);
/// How often what is over is swept away.
const SWEEP_INTERVAL: Duration = Duration::from_mins(1);
/// How often what waits is counted. It takes a look at each job's entry in an index.
const MEASURE_INTERVAL: Duration = Duration::from_secs(15);
/// Rows that one sweep removes.
const SWEEP_MAX: u32 = 2_000;

/// Runs the senders of all lanes, and sweeps, until it is told to stop.
pub(super) async fn run(shared: &Arc<Shared>, shutdown: &CancellationToken) {
    let lanes = shared.lanes.iter().map(|lane| {
        let loop_ = SendLoop {
            shared,
            lane,
            sink: lane.sink.subscribe(),
            sender: Sender::new(shared.limits.in_flight_max),
            under_way: JoinSet::new(),
            tasks: HashMap::new(),
        };
        loop_.run(shutdown)
    });
    let beside = async { tokio::join!(sweep(shared), measure(shared)) };
    tokio::join!(join_all(lanes), shutdown.run_until_cancelled(beside));
}

/// Why a lane waits.
#[derive(Debug, Error)]
enum LaneError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("what was given up cannot be told: {0}")]
    Feedback(#[from] BusError),
}

struct SendLoop<'a> {
    shared: &'a Arc<Shared>,
    lane: &'a Lane,
    sink: watch::Receiver<Option<Arc<dyn PushSink>>>,
    sender: Sender,
    under_way: JoinSet<PushOutcome>,
    /// Which job each task sends.
    tasks: HashMap<task::Id, JobId>,
}

impl SendLoop<'_> {
    async fn run(mut self, shutdown: &CancellationToken) {
        while !shutdown.is_cancelled() {
            if let Err(error) = self.turn(shutdown).await {
                tracing::warn!(%error, lane = %self.lane.id, "pushes wait");
                shutdown.run_until_cancelled(sleep(STORE_PAUSE)).await;
            }
        }
        if timeout(self.shared.limits.shutdown_grace, self.finish()).await.is_err() {
            tracing::warn!(
                lane = %self.lane.id,
                "pushes were still under way; they are sent again"
            );
        }
    }

    /// Claims, begins what may be begun, waits until something happens, and stores what came of it.
    async fn turn(&mut self, shutdown: &CancellationToken) -> Result<(), LaneError> {
        // First, so that nothing is claimed anew that is over already.
        self.take_in_what_has_ended();
        self.store_results().await?;
        let Some(sink) = self.sink_of_now() else { return self.wait_for_sink(shutdown).await };
        let now_ms = self.shared.clock.now_ms();
        let wanted = self.sender.wants(now_ms).min(CLAIM_MAX);
        let mut claimed = 0;
        if wanted > 0 {
            let wanted = u32::try_from(wanted).unwrap_or(u32::MAX);
            let until_ms = now_ms.saturating_add(CLAIM_MS);
            let jobs = self.shared.store.claim_jobs(&self.lane.id, now_ms, until_ms, wanted).await?;
            claimed = jobs.len();
            self.sender.claimed(jobs);
        }
        while let Some(to_send) = self.sender.next(self.shared.clock.now_ms()) {
            self.begin(&sink, to_send);
        }
        self.store_results().await?;
        self.lane.gauges.show(&self.sender);
        if claimed == 0 || self.sender.wants(now_ms) == 0 {
            self.wait(shutdown).await?;
            self.store_results().await?;
            self.lane.gauges.show(&self.sender);
        }
        Ok(())
    }

    /// What sends now. With new credentials, what waits because of the old ones is tried at once.
    fn sink_of_now(&mut self) -> Option<Arc<dyn PushSink>> {
        // Who replaces it lives as long as this.
        if self.sink.has_changed().unwrap_or(false) {
            self.sender.forget_trouble();
        }
        self.sink.borrow_and_update().clone()
    }

    /// Without credentials nothing is sent; what is of no use any more is given up meanwhile.
    async fn wait_for_sink(&mut self, shutdown: &CancellationToken) -> Result<(), LaneError> {
        let now_ms = self.shared.clock.now_ms();
        let expired = self.shared.store.expire_jobs(&self.lane.id, now_ms, SWEEP_MAX).await?;
        if expired < u64::from(SWEEP_MAX) {
            tokio::select! {
                _ = self.sink.changed() => self.sink.mark_changed(),
                () = sleep(SWEEP_INTERVAL) => {}
                () = shutdown.cancelled() => {}
            }
        }
        Ok(())
    }

    /// Waits for an answer, a new job, other credentials, the moment at which the next one is due, or the signal to stop.
    async fn wait(&mut self, shutdown: &CancellationToken) -> Result<(), LaneError> {
        let pause = self.pause().await?;
        let enqueued = self.lane.enqueued.notified();
        tokio::select! {
            Some(ended) = self.under_way.join_next_with_id() => self.ended(ended),
            () = enqueued => {}
            _ = self.sink.changed() => self.sink.mark_changed(),
            () = sleep(pause) => {}
            () = shutdown.cancelled() => {}
        }
        self.take_in_what_has_ended();
        Ok(())
    }

    async fn pause(&self) -> Result<Duration, StoreError> {
        let now_ms = self.shared.clock.now_ms();
        let next_ms = match self.sender.next_try_ms() {
            Some(next_ms) if next_ms > now_ms => Some(next_ms),
            _ if self.sender.in_flight() > 0 => None,
            _ => self.shared.store.next_due_ms(&self.lane.id).await?,
        };
        let until = next_ms.map_or(POLL, |next_ms| {
            Duration::from_millis(u64::try_from(next_ms.saturating_sub(now_ms)).unwrap_or(0))
        });
        Ok(until.min(POLL))
    }

    fn begin(&mut self, sink: &Arc<dyn PushSink>, to_send: ToSend) {
        let sink = Arc::clone(sink);
        let id = to_send.job.id;
        let task = self.under_way.spawn(async move { send(&*sink, &to_send).await });
        self.tasks.insert(task.id(), id);
    }

    fn take_in_what_has_ended(&mut self) {
        while let Some(ended) = self.under_way.try_join_next_with_id() {
            self.ended(ended);
        }
    }

    fn ended(&mut self, ended: Result<(task::Id, PushOutcome), JoinError>) {
        let task = ended.as_ref().map_or_else(JoinError::id, |(task, _)| *task);
        let id = self.tasks.remove(&task).expect("each task was noted when it was begun");
        let outcome = match ended {
            Ok((_, outcome)) => outcome,
            Err(error) => {
                tracing::error!(%error, job = %id, "a push failed in our own code; it is tried again when its claim ends");
                return self.sender.lost(id);
            }
        };
        self.shared.counts.add(&self.lane.id, &outcome);
        let lane = &self.lane.id;
        let in_trouble = self.sender.next_try_ms().is_some();
        let jitter = f64::from(self.shared.ids.random_bytes()[0]) / 255.0;
        self.sender.done(id, &outcome, self.shared.clock.now_ms(), jitter);
        match (in_trouble, self.sender.next_try_ms().is_some()) {
            (false, true) if outcome.verdict != PushVerdict::Operator => tracing::warn!(
                %lane,
                reason = outcome.reason,
                detail = outcome.detail,
                "nothing can be sent now; its pushes wait until that is over"
            ),
            (false, true) => tracing::error!(
                %lane,
                reason = outcome.reason,
                detail = outcome.detail,
                "the provider does not let us in: mend its credentials; its pushes wait until then"
            ),
            (true, false) => tracing::info!(%lane, "the provider lets us in again"),
            _ => {
                tracing::debug!(%lane, job = %id, verdict = outcome.verdict.as_str(), reason = outcome.reason, "a push");
            }
        }
    }

    /// What has been delivered or waits is stored at once. What is given up is told first, then devices are judged:
    /// what is judged twice is judged alike. Where a judgement does not count, because the device has registered anew meanwhile, its
    /// job is tried there.
    async fn store_results(&mut self) -> Result<(), LaneError> {
        let mut results = self.sender.take_results();
        let stored = store(self.shared, &mut results).await;
        if stored.is_err() {
            self.sender.put_results_back(results);
        }
        stored
    }

    /// Stores what there is before it waits for more: whoever stops us may not wait for all of it.
    async fn finish(&mut self) {
        self.sender.give_back(self.shared.clock.now_ms());
        loop {
            if let Err(error) = self.store_results().await {
                tracing::warn!(%error, "what came of the last pushes is not stored; they are sent again");
            }
            let Some(ended) = self.under_way.join_next_with_id().await else { return };
            self.ended(ended);
            self.take_in_what_has_ended();
        }
    }
}

/// What was stored is taken out of the results, so that the rest can be tried again.
async fn store(shared: &Shared, results: &mut Results) -> Result<(), LaneError> {
    if !results.settlements.is_empty() {
        shared.store.settle_jobs(&results.settlements).await?;
        results.settlements.clear();
    }
    if results.failed.is_empty() && results.judged.is_empty() {
        return Ok(());
    }
    if let Some(feedback) = &shared.feedback {
        let failed = results.failed.iter().map(|it| it.fact.clone());
        let judged = results.judged.iter().map(|it| it.fact.clone());
        feedback.tell(&failed.chain(judged).collect::<Vec<_>>()).await?;
    }
    let judgements: Vec<_> = results.judged.iter().map(|it| it.judgement.clone()).collect();
    let mut counted = HashSet::new();
    if !judgements.is_empty() {
        counted.extend(shared.store.judge_devices(&judgements).await?);
    }
    let now_ms = shared.clock.now_ms();
    let settled = results.judged.drain(..).map(|it| {
        let has_counted = counted.contains(&it.judgement.id);
        it.settled(has_counted, now_ms)
    });
    // From here on they are settlements like any other, told or not.
    results.settlements.extend(settled);
    results.settlements.extend(results.failed.drain(..).map(|it| it.settlement));
    shared.store.settle_jobs(&results.settlements).await?;
    results.settlements.clear();
    Ok(())
}

async fn send(sink: &dyn PushSink, to_send: &ToSend) -> PushOutcome {
    let ToSend { job, device } = to_send;
    let push = Push {
        id: job.id.0,
        address: &device.address,
        message: &job.message,
        expires_at_ms: job.expires_at_ms,
    };
    let late = |_| PushOutcome::new(PushVerdict::Retry { after_ms: None }, "no_answer");
    timeout(SEND_TIME, sink.send(&push)).await.unwrap_or_else(late)
}

async fn sweep(shared: &Shared) {
    loop {
        let now_ms = shared.clock.now_ms();
        let swept = async {
            let finished_ms = now_ms.saturating_sub(shared.limits.finished_kept_ms);
            let jobs = shared.store.forget_jobs(finished_ms, SWEEP_MAX).await?;
            let unseen_ms = now_ms.saturating_sub(shared.limits.unseen_kept_ms);
            let devices = shared.store.remove_devices_unseen_since(unseen_ms, SWEEP_MAX).await?;
            Ok::<_, StoreError>(jobs.max(devices).max(expire_unserved(shared, now_ms).await?))
        };
        match swept.await {
            Ok(rows) if rows >= u64::from(SWEEP_MAX) => {}
            Ok(_) => sleep(SWEEP_INTERVAL).await,
            Err(error) => {
                tracing::warn!(%error, "old pushes and devices stay for now");
                sleep(SWEEP_INTERVAL).await;
            }
        }
    }
}

/// Gives up what is of no use any more and waits for accounts that are configured no longer: nobody else looks at it.
async fn expire_unserved(shared: &Shared, now_ms: i64) -> Result<u64, StoreError> {
    let mut most = 0;
    for queue in shared.store.push_queues().await? {
        if shared.lane(&queue.lane).is_err() {
            let expired = shared.store.expire_jobs(&queue.lane, now_ms, SWEEP_MAX).await?;
            if expired > 0 {
                tracing::warn!(lane = %queue.lane, expired, "pushes have expired: their account is not configured");
            }
            most = most.max(expired);
        }
    }
    Ok(most)
}

/// Counts what waits, for those who watch.
async fn measure(shared: &Shared) {
    loop {
        match shared.store.push_queues().await {
            Ok(queues) => *shared.queues.lock().unwrap_or_else(PoisonError::into_inner) = queues,
            Err(error) => tracing::debug!(%error, "what waits to be pushed is not counted now"),
        }
        sleep(MEASURE_INTERVAL).await;
    }
}
