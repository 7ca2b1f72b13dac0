use std::pin::pin;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bus_domain::consumer::{Standing, StandingState};
use bus_domain::source::{RESUME_TOKEN_BYTES_MAX, Source, SourceError, SourceMove};
use bus_domain::{Actor, BusError, ErrorClass};
use bus_store::{Claim, CommitLevel};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};
use tokio_util::sync::CancellationToken;

use super::{SourceBatch, SourceReader, SourceStream, SourceTrouble, Sourced};
use crate::{AdvisoryAbout, Command, Engine, Verb};

/// How long a claim holds without being renewed, in milliseconds, and how often it is.
const CLAIM_MS: i64 = 15_000;
const RENEWAL_INTERVAL: Duration = Duration::from_secs(5);
/// How long a source is left alone that another instance reads, or that cannot be read for a reason of ours.
const REST_AFTER_TROUBLE: Duration = Duration::from_secs(5);
/// How long a service is left alone after its first failure in a row, and at most: twice as long after each further one.
const REST: Duration = Duration::from_millis(200);
const REST_MAX: Duration = Duration::from_mins(1);
/// How long a stream must have lasted so that its end is no failure in a row.
const LASTED: Duration = Duration::from_secs(10);

/// One source that this instance reads.
struct Runner {
    engine: Engine,
    reader: Arc<dyn SourceReader>,
    source: Source,
    fence: u64,
    state: Option<StandingState>,
}

/// Reads one source until it is told to stop, or another instance has it. A claim that it has then is given back, so that another
/// instance goes on at once.
pub(super) async fn run(
    engine: Engine,
    reader: Arc<dyn SourceReader>,
    source: Source,
    stop: CancellationToken,
) -> Result<(), BusError> {
    let claimed = OnceLock::new();
    let reading = async {
        let ended = read_claimed(&engine, reader, &source, &claimed).await;
        if ended.is_err() {
            sleep(REST_AFTER_TROUBLE).await;
        }
        ended
    };
    tokio::select! {
        ended = reading => ended,
        // A publish under way is carried out or not, with its token; behind another instance's claim it is not.
        () = stop.cancelled() => {
            if let Some(fence) = claimed.get()
                && engine.store().is_shared()
                && let Err(error) = engine.store().renew_source(source.id, *fence, 0).await
            {
                tracing::debug!(%error, source = %source.name, "another instance takes it over after a while");
            }
            Ok(())
        }
    }
}

async fn read_claimed(
    engine: &Engine,
    reader: Arc<dyn SourceReader>,
    source: &Source,
    claimed: &OnceLock<u64>,
) -> Result<(), BusError> {
    let owner = engine.actor_of(&source.owner);
    engine.check_outbound(&owner)?;
    let fence = claim(engine, source).await?.ok_or(SourceError::Elsewhere)?;
    let fence = *claimed.get_or_init(|| fence);
    // As it is now that nobody else reads it.
    let source = engine.source(&owner, &source.name).await?;
    let state = source.standing.as_ref().map(|standing| standing.state);
    Runner { engine: engine.clone(), reader, source, fence, state }.run().await
}

async fn claim(engine: &Engine, source: &Source) -> Result<Option<u64>, BusError> {
    let now_ms = engine.now_ms();
    // Nobody else can have what is in a store of one process, whatever the last one has left.
    let claims_at_ms = if engine.store().is_shared() { now_ms } else { i64::MAX };
    let until_ms = now_ms.saturating_add(CLAIM_MS);
    let instance = engine.shared().consumers.instance();
    let claim = Claim { instance, now_ms: claims_at_ms, until_ms };
    engine.store().claim_source(source.id, &claim).await.map_err(|error| engine.unavailable(&error))
}

impl Runner {
    async fn run(mut self) -> Result<(), BusError> {
        let mut failures: u32 = 0;
        loop {
            let began = Instant::now();
            let reason = match self.read().await? {
                None => "the stream has ended".to_owned(),
                Some(SourceTrouble(reason)) => reason,
            };
            failures = if began.elapsed() >= LASTED { 1 } else { failures.saturating_add(1) };
            if failures > 1 {
                self.stand(StandingState::Failing, &reason).await;
            }
            let rest = (REST * (1 << (failures - 1).min(16))).min(REST_MAX);
            self.keep_claim_for(rest).await?;
        }
    }

    /// Reads a stream to its end. Says why it has ended, if not in order.
    async fn read(&mut self) -> Result<Option<SourceTrouble>, BusError> {
        let mut renewal = interval(RENEWAL_INTERVAL);
        renewal.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut stream: Option<Box<dyn SourceStream>> = None;
        loop {
            let next = {
                let mut next = pin!(next_of(&mut stream, &*self.reader, &self.source));
                loop {
                    tokio::select! {
                        next = next.as_mut() => break next,
                        _ = renewal.tick() => self.renew().await?,
                    }
                }
            };
            match next {
                Ok(Some(batch)) => {
                    if let Err(trouble) = self.publish(batch).await? {
                        return Ok(Some(trouble));
                    }
                    self.stand(StandingState::Active, "").await;
                }
                Ok(None) => return Ok(None),
                Err(trouble) => return Ok(Some(trouble)),
            }
        }
    }

    /// Publishes a batch with its token. What may pass later is tried again; the stream waits meanwhile.
    async fn publish(&mut self, batch: SourceBatch) -> Result<Result<(), SourceTrouble>, BusError> {
        let SourceBatch { items, resume_token } = batch;
        if resume_token.is_empty() || resume_token.len() > RESUME_TOKEN_BYTES_MAX {
            let reason = format!("resume_token must have 1 to {RESUME_TOKEN_BYTES_MAX} bytes");
            return Ok(Err(SourceTrouble(reason)));
        }
        let to = SourceMove { source: self.source.id, fence: self.fence, resume_token };
        if items.is_empty() {
            return self.move_token(to).await.map(Ok);
        }
        let actor = Actor::new(self.source.publisher()?, self.engine.actor_of(&self.source.owner).role());
        let mut rest = REST;
        loop {
            let verb = Verb::PublishSourced(Box::new(Sourced { to: to.clone(), items: items.clone() }));
            let command = Command { actor: actor.clone(), node: self.source.node.clone(), verb };
            match self.engine.execute(command).await {
                Ok(_) => {
                    self.engine.statistics().sourced_events.add(items.len() as u64);
                    self.source.resume_token = to.resume_token;
                    return Ok(Ok(()));
                }
                Err(error @ BusError::Source(SourceError::Elsewhere)) => return Err(error),
                // Its answer may have got lost: the store has the last word on the token.
                Err(error) if error.class() == ErrorClass::Wait => {
                    self.stand(StandingState::Failing, &error.to_string()).await;
                    self.keep_claim_for(rest).await?;
                    rest = (rest * 2).min(REST_MAX);
                    let owner = self.engine.actor_of(&self.source.owner);
                    if self.engine.source(&owner, &self.source.name).await?.resume_token == to.resume_token {
                        self.source.resume_token = to.resume_token;
                        return Ok(Ok(()));
                    }
                }
                Err(error) => return Ok(Err(SourceTrouble(error.to_string()))),
            }
        }
    }

    /// Stores a token behind which nothing is to be published.
    async fn move_token(&mut self, to: SourceMove) -> Result<(), BusError> {
        let unavailable = |error| self.engine.unavailable(&error);
        let mut transaction = self.engine.store().begin(CommitLevel::Fsync).await.map_err(unavailable)?;
        if !transaction.move_source(&to).await.map_err(unavailable)? {
            return Err(SourceError::Elsewhere.into());
        }
        transaction.commit().await.map_err(unavailable)?;
        self.source.resume_token = to.resume_token;
        Ok(())
    }

    /// Rests, and stays the one who reads the source.
    async fn keep_claim_for(&self, rest: Duration) -> Result<(), BusError> {
        let until = Instant::now() + rest;
        loop {
            self.renew().await?;
            let left = until.saturating_duration_since(Instant::now());
            sleep(left.min(RENEWAL_INTERVAL)).await;
            if left <= RENEWAL_INTERVAL {
                return Ok(());
            }
        }
    }

    async fn renew(&self) -> Result<(), BusError> {
        let until_ms = self.engine.now_ms().saturating_add(CLAIM_MS);
        match self.engine.store().renew_source(self.source.id, self.fence, until_ms).await {
            Ok(true) => Ok(()),
            Ok(false) => Err(SourceError::Elsewhere.into()),
            // What is published is fenced in any case.
            Err(error) => {
                tracing::debug!(%error, source = %self.source.name, "a claim could not be renewed");
                Ok(())
            }
        }
    }

    async fn stand(&mut self, state: StandingState, reason: &str) {
        if self.state != Some(state) {
            self.state = Some(state);
            let reason = AdvisoryAbout::cause(&reason);
            let since_ms = self.engine.now_ms();
            let standing = Standing { state, reason, since_ms, allowed_per_minute: None };
            self.engine.note_source(&self.source, self.fence, standing).await;
        }
    }
}

/// The next of a stream, which is opened first if it is not.
async fn next_of(
    stream: &mut Option<Box<dyn SourceStream>>,
    reader: &dyn SourceReader,
    source: &Source,
) -> Result<Option<SourceBatch>, SourceTrouble> {
    let open = match stream {
        Some(open) => open,
        None => stream.insert(reader.open(source).await?),
    };
    open.next().await
}
