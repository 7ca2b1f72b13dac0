use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bus_domain::BusError;
use bus_domain::source::{Source, SourceId};
use tokio::task::{self, JoinError, JoinSet};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::{SourceReader, runner};
use crate::Engine;

/// How soon it is noticed what another instance has changed, and how long one that has ended in trouble is left alone.
const LOOK_INTERVAL: Duration = Duration::from_secs(5);
/// Sources that are read at once.
const PAGE: u32 = 500;

/// Who is read by which task.
struct Supervisor {
    engine: Engine,
    reader: Arc<dyn SourceReader>,
    tasks: JoinSet<Result<(), BusError>>,
    served: HashMap<SourceId, (task::Id, CancellationToken)>,
}

impl Engine {
    /// Reads the sources that there are, until it is told to stop; then waits for what is being published for as long as
    /// `grace`.
    pub async fn read_sources(
        &self,
        reader: Arc<dyn SourceReader>,
        grace: Duration,
        shutdown: CancellationToken,
    ) {
        let mut changes = self.shared().sources.subscribe();
        let mut supervisor =
            Supervisor { engine: self.clone(), reader, tasks: JoinSet::new(), served: HashMap::new() };
        while !shutdown.is_cancelled() {
            changes.mark_unchanged();
            supervisor.look().await;
            tokio::select! {
                () = shutdown.cancelled() => {}
                // The sender lives as long as the engine.
                _ = changes.changed() => {}
                Some(ended) = supervisor.tasks.join_next_with_id() => supervisor.note_end(ended),
                () = tokio::time::sleep(LOOK_INTERVAL) => {}
            }
        }
        let _late = timeout(grace, supervisor.finish()).await;
    }
}

impl Supervisor {
    async fn look(&mut self) {
        let wanted = match self.all().await {
            Ok(all) => all,
            Err(error) => return tracing::debug!(%error, "sources cannot be looked for now"),
        };
        for (id, (_, stop)) in &self.served {
            if !wanted.iter().any(|source| source.id == *id) {
                stop.cancel();
            }
        }
        for source in wanted {
            if !self.served.contains_key(&source.id) {
                let (id, stop) = (source.id, CancellationToken::new());
                let reading =
                    runner::run(self.engine.clone(), Arc::clone(&self.reader), source, stop.clone());
                let task = self.tasks.spawn(reading).id();
                self.served.insert(id, (task, stop));
            }
        }
    }

    async fn all(&self) -> Result<Vec<Source>, BusError> {
        let mut all: Vec<Source> = Vec::new();
        loop {
            let after = all.last().map(|last| &last.name);
            let page = self.engine.store().list_sources(None, after, PAGE).await;
            let page = page.map_err(|error| self.engine.unavailable(&error))?;
            let is_last = page.len() < PAGE as usize;
            all.extend(page);
            if is_last {
                return Ok(all);
            }
        }
    }

    fn note_end(&mut self, ended: Result<(task::Id, Result<(), BusError>), JoinError>) {
        let (task, ended) = match ended {
            Ok((task, ended)) => (task, ended),
            Err(error) => {
                tracing::error!(%error, "a source was read no further");
                (error.id(), Err(BusError::Internal))
            }
        };
        self.served.retain(|_, (of, _)| *of != task);
        if let Err(error) = ended {
            tracing::debug!(%error, "a source is read no further for now");
        }
    }

    async fn finish(mut self) {
        self.served.values().for_each(|(_, stop)| stop.cancel());
        while self.tasks.join_next().await.is_some() {}
    }
}
