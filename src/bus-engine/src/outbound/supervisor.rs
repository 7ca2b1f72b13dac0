use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bus_domain::BusError;
use bus_domain::consumer::{Consumer, ConsumerError, ConsumerId};
use tokio::task::{self, JoinError, JoinSet};
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use super::{Carrier, runner};
use crate::Engine;

/// How soon it is noticed what another instance has changed.
const LOOK_INTERVAL: Duration = Duration::from_secs(5);
/// How long one that has ended in trouble is left alone.
const REST: Duration = Duration::from_secs(1);
/// The same where another instance serves it, or its owner must not have it: as long as a claim holds.
const LONG_REST: Duration = Duration::from_secs(15);

/// Who serves which consumers.
struct Supervisor {
    engine: Engine,
    carrier: Arc<dyn Carrier>,
    tasks: JoinSet<Result<(), BusError>>,
    served: HashMap<ConsumerId, Served>,
    /// Those that are left alone until then.
    resting: HashMap<ConsumerId, Instant>,
}

struct Served {
    task: task::Id,
    stop: CancellationToken,
}

impl Engine {
    /// Brings the events of consumers to their destinations, as far as this carrier goes there, until it is told to stop;
    /// then waits for the requests under way for as long as `grace`. What is cut off is brought again after the next start.
    pub async fn carry(&self, carrier: Arc<dyn Carrier>, grace: Duration, shutdown: CancellationToken) {
        let mut changes = self.destination_changes();
        let mut supervisor = Supervisor {
            engine: self.clone(),
            carrier,
            tasks: JoinSet::new(),
            served: HashMap::new(),
            resting: HashMap::new(),
        };
        while !shutdown.is_cancelled() {
            changes.mark_unchanged();
            supervisor.look().await;
            let next_look = supervisor.next_look();
            tokio::select! {
                () = shutdown.cancelled() => {}
                // The sender lives as long as the engine.
                _ = changes.changed() => {}
                Some(ended) = supervisor.tasks.join_next_with_id() => supervisor.note_end(ended),
                () = tokio::time::sleep(next_look) => {}
            }
        }
        let _late = timeout(grace, supervisor.finish()).await;
    }
}

impl Supervisor {
    /// Begins to serve what is new, and stops with what is not to be served any more.
    async fn look(&mut self) {
        let wanted = match self.engine.destinations().await {
            Ok(all) => all,
            Err(error) => return tracing::debug!(%error, "destinations cannot be looked for now"),
        };
        let is_ours = |consumer: &Consumer| {
            let destination = consumer.config.destination.as_ref();
            !consumer.is_paused && destination.is_some_and(|it| self.carrier.serves(it))
        };
        let wanted: HashMap<ConsumerId, Consumer> =
            wanted.into_iter().filter(is_ours).map(|consumer| (consumer.id, consumer)).collect();
        for (id, served) in &self.served {
            if !wanted.contains_key(id) {
                served.stop.cancel();
            }
        }
        let now = Instant::now();
        self.resting.retain(|id, until| *until > now && wanted.contains_key(id));
        for (id, consumer) in wanted {
            if !self.served.contains_key(&id) && !self.resting.contains_key(&id) {
                let stop = CancellationToken::new();
                let running =
                    runner::run(self.engine.clone(), Arc::clone(&self.carrier), consumer, stop.clone());
                let task = self.tasks.spawn(running).id();
                self.served.insert(id, Served { task, stop });
            }
        }
    }

    /// One is not served any more. It may be again after a rest.
    fn note_end(&mut self, ended: Result<(task::Id, Result<(), BusError>), JoinError>) {
        let (task, ended) = match ended {
            Ok((task, ended)) => (task, ended),
            Err(error) => {
                tracing::error!(%error, "a destination was served no further");
                (error.id(), Err(BusError::Internal))
            }
        };
        let Some(id) = self.served.iter().find(|(_, served)| served.task == task).map(|(id, _)| *id) else {
            return;
        };
        self.served.remove(&id);
        if let Err(error) = ended {
            tracing::debug!(%error, consumer = id.0, "a destination is served no further for now");
            let is_for_long = matches!(
                error,
                BusError::Consumer(ConsumerError::Elsewhere | ConsumerError::DestinationForbidden)
            );
            self.resting.insert(id, Instant::now() + if is_for_long { LONG_REST } else { REST });
        }
    }

    fn next_look(&self) -> Duration {
        let now = Instant::now();
        let next = self.resting.values().map(|until| until.saturating_duration_since(now)).min();
        next.unwrap_or(LOOK_INTERVAL).min(LOOK_INTERVAL)
    }

    async fn finish(mut self) {
        self.served.values().for_each(|served| served.stop.cancel());
        while self.tasks.join_next().await.is_some() {}
    }
}
