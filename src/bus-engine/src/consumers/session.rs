use std::sync::Arc;

use bus_domain::consumer::lease::LeaseId;
use bus_domain::consumer::retry::Failure;
use bus_domain::consumer::{Consumer, ConsumerError, ConsumerName, Mode};
use bus_domain::{Actor, BusError, NodeName, Seq};
use tokio::sync::Notify;

use super::frames::ConsumerFrame;
use super::running::{Inner, Running};
use super::state::{Credit, SessionId};
use crate::Engine;

/// Somebody who reads a consumer. Dropped, it lets go; leases stay until they run out, and can be answered by any other
/// session of the consumer.
#[derive(Debug)]
pub struct ConsumerSession {
    engine: Engine,
    running: Arc<Running>,
    id: SessionId,
    filled: Arc<Notify>,
}

/// Frames that may wait for a reader before its requests are read no further.
const FRAMES_MAX: usize = 64;
/// The same of leases of which it is to be told once something is written.
const OWED_LEASES_MAX: usize = 20_000;

impl Engine {
    /// Opens a consumer to be read. Nothing comes before there is credit. `worker` names the reader, or is empty: a stream
    /// of the same worker, whose connection may be lost, gives way.
    ///
    /// # Errors
    /// [`ConsumerError`], [`BusError::StoreUnavailable`].
    pub async fn open_consumer(
        &self,
        actor: &Actor,
        name: &ConsumerName,
        worker: &str,
    ) -> Result<ConsumerSession, BusError> {
        if self.consumer(actor, name).await?.config.destination.is_some() {
            return Err(ConsumerError::HasDestination.into());
        }
        self.attach_consumer(actor, name, worker).await
    }

    /// The same, also where a destination gets the events.
    pub(crate) async fn attach_consumer(
        &self,
        actor: &Actor,
        name: &ConsumerName,
        worker: &str,
    ) -> Result<ConsumerSession, BusError> {
        loop {
            let running = self.run_consumer(actor, name).await?;
            let attached = {
                let mut inner = running.lock();
                let attached = inner.attach(actor.clone(), worker);
                attached
                    .map(|id| (id, inner.readers.get(&id).map(|reader| Arc::clone(&reader.outbox.filled))))
            };
            match attached {
                Ok((id, Some(filled))) => {
                    return Ok(ConsumerSession { engine: self.clone(), running, id, filled });
                }
                // It was let go of just now, because nobody read it.
                Err(BusError::Contended) | Ok((_, None)) => tokio::task::yield_now().await,
                Err(refused) => return Err(refused),
            }
        }
    }
}

impl ConsumerSession {
    /// What is read.
    pub fn consumer(&self) -> &Consumer {
        &self.running.consumer
    }

    /// The claim under which it is served here.
    pub(crate) fn fence(&self) -> u64 {
        self.running.fence
    }

    /// The next frame; waits for it. Safe to drop and call again.
    ///
    /// # Errors
    /// Why the session has ended: it is the last thing that comes.
    pub async fn next(&mut self) -> Result<ConsumerFrame, BusError> {
        loop {
            let filled = Arc::clone(&self.filled);
            let notified = filled.notified();
            let taken = {
                let mut inner = self.running.lock();
                let Some(reader) = inner.readers.get_mut(&self.id) else { return Err(BusError::Internal) };
                reader.outbox.take()
            };
            match taken {
                Some(frame) => return frame,
                None => notified.await,
            }
        }
    }

    /// Whether so much waits to be taken that no more requests should be read.
    pub fn is_full(&self) -> bool {
        let inner = self.running.lock();
        let has_frames = inner.readers.get(&self.id).is_some_and(|reader| reader.outbox.len() >= FRAMES_MAX);
        has_frames || inner.state.owed_leases(self.id) >= OWED_LEASES_MAX
    }

    /// Is ready to take so much more.
    pub fn add_credit(&self, credit: Credit) {
        self.change(|inner, id| inner.state.add_credit(id, credit));
        self.running.wake.notify_one();
    }

    /// Has dealt with events. What has become of each comes as a frame, once it is on disk.
    ///
    /// # Errors
    /// The consumer is a stream.
    pub fn acknowledge(&self, leases: &[LeaseId]) -> Result<(), ConsumerError> {
        self.expect(Mode::Queue)?;
        self.change(|inner, id| {
            for lease in leases {
                inner.state.acknowledge(id, *lease);
            }
        });
        self.moved();
        Ok(())
    }

    /// Gives events back.
    ///
    /// # Errors
    /// The consumer is a stream.
    pub fn refuse(&self, leases: &[LeaseId], failure: Failure) -> Result<(), ConsumerError> {
        self.expect(Mode::Queue)?;
        let now_ms = self.engine.now_ms();
        self.change(|inner, id| {
            for lease in leases {
                inner.state.refuse(id, *lease, failure, now_ms);
            }
        });
        self.moved();
        Ok(())
    }

    /// Keeps events for so long from now on; by default for as long as when they were handed out.
    ///
    /// # Errors
    /// The consumer is a stream.
    pub fn extend(&self, leases: &[LeaseId], lease_ms: Option<u64>) -> Result<(), ConsumerError> {
        self.expect(Mode::Queue)?;
        let now_ms = self.engine.now_ms();
        let lease_ms = lease_ms.unwrap_or(self.running.consumer.config.lease_ms);
        self.change(|inner, id| {
            for lease in leases {
                inner.state.extend(id, *lease, lease_ms, now_ms);
            }
        });
        self.moved();
        Ok(())
    }

    /// Commits a position, which is reported once it is on disk. Without a node: of the only one that is read.
    ///
    /// # Errors
    /// The consumer is a queue, does not read the node, or has not sent the event yet.
    pub fn commit(&self, node: Option<&NodeName>, seq: Seq) -> Result<(), ConsumerError> {
        self.expect(Mode::Stream)?;
        let committed = self.change(|inner, id| {
            let node = inner.state.node_of(node)?;
            inner.state.commit(id, node, seq)
        });
        self.moved();
        committed.unwrap_or(Ok(()))
    }

    /// Wants no more events; what it has asked for is still answered.
    pub fn take_no_more(&self) {
        self.change(|inner, id| inner.state.clear_credit(id));
    }

    /// Whether everything that it has asked for is answered, and taken.
    pub fn is_answered(&self) -> bool {
        let inner = self.running.lock();
        let is_empty = inner.readers.get(&self.id).is_none_or(|reader| reader.outbox.len() == 0);
        is_empty && (inner.ended.is_some() || !inner.state.owes(self.id))
    }

    /// Where the logs stand that are read: at most so many.
    pub fn positions(&self, nodes_max: usize) -> Vec<super::BacklogOfNode> {
        self.running.lock().state.positions(nodes_max)
    }

    fn expect(&self, mode: Mode) -> Result<(), ConsumerError> {
        self.running.consumer.config.mode.expect(mode)
    }

    /// Nothing changes for who has been ended.
    fn change<T>(&self, change: impl FnOnce(&mut Inner, SessionId) -> T) -> Option<T> {
        let mut inner = self.running.lock();
        let is_there =
            inner.ended.is_none() && inner.readers.get(&self.id).is_some_and(|it| !it.outbox.is_ended());
        is_there.then(|| change(&mut inner, self.id))
    }

    fn moved(&self) {
        self.running.wake.notify_one();
        self.engine.shared().consumers.has_moved(&self.running);
    }
}

impl Drop for ConsumerSession {
    fn drop(&mut self) {
        self.running.lock().detach(self.id);
        self.running.wake.notify_one();
    }
}
