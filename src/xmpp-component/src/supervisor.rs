use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::backoff::Backoff;
use crate::barrier::{BarrierEnds, Barriers};
use crate::event::EventQueue;
use crate::handshake::{Accepted, open_stream};
use crate::random::random_bits;
use crate::shared::Shared;
use crate::{ComponentConfig, DownReason, Link, LinkEvents, session};

/// For how long an ending link waits for the reader to take the last events.
const LAST_EVENTS_TIME: Duration = Duration::from_secs(2);

/// Starts the link's task. It connects, and connects again, until `shutdown` is cancelled or the [`LinkEvents`] are
/// dropped; then it writes what is queued, waits for the last barrier (for at most `drain_ms`) and closes the stream.
///
/// # Panics
/// Outside a tokio runtime.
pub fn spawn(mut config: ComponentConfig, shutdown: &CancellationToken) -> (Link, LinkEvents) {
    config.host = config.host.to_lowercase();
    // A token of our own, so that a dropped reader ends this link and nothing else.
    let shutdown = shutdown.child_token();
    let (events, receiver) = EventQueue::new(&config.limits, shutdown.clone());
    let link_nonce = random_bits();
    let shared = Arc::new(Shared::new(&config, events.budget(), link_nonce));
    let supervisor = Supervisor {
        barrier_ends: BarrierEnds {
            domain: config.domain.clone(),
            host: config.host.clone(),
            every_stanzas: config.limits.barrier_every_stanzas,
        },
        backoff: Backoff::new(&config.limits),
        config,
        shared: Arc::clone(&shared),
        events,
        shutdown,
        link_nonce,
        generation: 0,
        last_failure: None,
    };
    tokio::spawn(supervisor.run());
    (Link::new(shared), receiver)
}

/// Opens one stream after another.
struct Supervisor {
    config: ComponentConfig,
    barrier_ends: BarrierEnds,
    backoff: Backoff,
    shared: Arc<Shared>,
    events: EventQueue,
    shutdown: CancellationToken,
    /// The upper half of the nonces of all streams.
    link_nonce: u64,
    generation: u64,
    /// What was logged last, so that an outage is reported once.
    last_failure: Option<String>,
}

impl Supervisor {
    async fn run(mut self) {
        while !self.shutdown.is_cancelled() {
            let opened = {
                let attempt = self.shutdown.run_until_cancelled(open_stream(&self.config));
                self.events.deliver_during(attempt).await
            };
            let (reason, was_up) = match opened {
                None => break,
                Some(Ok(accepted)) => (self.run_stream(accepted).await, true),
                Some(Err(reason)) => (Arc::new(reason), false),
            };
            self.shared.announce_down(Arc::clone(&reason));
            self.report(&reason, was_up);
            let wait = sleep(self.backoff.next(reason.pace(was_up), random_bits()));
            self.events.deliver_during(self.shutdown.run_until_cancelled(wait)).await;
        }
        self.shared.close();
        if timeout(LAST_EVENTS_TIME, self.events.flush()).await.is_err() {
            tracing::debug!("the last events of the link were not read");
        }
    }

    async fn run_stream(&mut self, accepted: Accepted) -> Arc<DownReason> {
        self.generation += 1;
        let (generation, since) = (self.generation, Instant::now());
        let nonce = u128::from(self.link_nonce) << 64 | u128::from(random_bits());
        self.shared.outbound().open(generation, Barriers::new(&self.barrier_ends, nonce));
        self.shared.announce_up(generation, since);
        self.events.push_up(generation);
        self.last_failure = None;
        tracing::info!(domain = self.config.domain, server = %self.config.server, generation, "the XMPP link is up");
        let reason =
            session::run(accepted, &self.config, &self.shared, &mut self.events, generation, &self.shutdown)
                .await;
        self.shared.outbound().lose_stream();
        let reason = Arc::new(reason);
        self.events.push_down(generation, Arc::clone(&reason));
        self.backoff.stream_lasted(since.elapsed());
        reason
    }

    /// Says each new failure once, with what can be done about it. That a server which went away cannot be reached is
    /// no news.
    fn report(&mut self, reason: &DownReason, was_up: bool) {
        let failure = reason.to_string();
        let is_known = self
            .last_failure
            .as_ref()
            .is_some_and(|last| *last == failure || matches!(reason, DownReason::Unreachable(_)));
        if matches!(reason, DownReason::ShutDown) {
            tracing::info!(domain = self.config.domain, "the XMPP link is closed");
        } else if is_known {
            tracing::debug!(domain = self.config.domain, failure, "still no XMPP link");
        } else {
            let advice = reason.advice().unwrap_or("trying again");
            tracing::warn!(
                domain = self.config.domain,
                server = %self.config.server,
                was_up,
                advice,
                "no XMPP link: {failure}"
            );
        }
        self.last_failure = Some(failure);
    }
}
