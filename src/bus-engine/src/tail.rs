use std::collections::VecDeque;
use std::sync::Arc;

use bus_domain::{Actor, BusError, Epoch, Event, EventKind, NodeFacts, NodeName, Seq, retrieve};
use tokio::sync::watch;

use crate::Engine;

/// Where a reader of a log starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TailStart {
    /// At the oldest event that there is.
    Earliest,
    /// At what comes from now on.
    Latest,
    /// Behind a position.
    After(Seq),
}

/// What a reader gets.
#[derive(Debug, Clone)]
pub enum TailFrame {
    /// The next event.
    Event(Arc<Event>),
    /// Retention has removed what the reader asked for; the next event is the one of `first_seq` or later.
    Gap {
        /// The oldest position that there still is.
        first_seq: Seq,
    },
}

/// A reader of one node's log: in order, without a hole, at its own pace; it holds nobody up.
///
/// It reads committed events from memory while it keeps up and pages of the log when it does not.
#[derive(Debug)]
pub struct Tail {
    engine: Engine,
    actor: Actor,
    facts: Arc<NodeFacts>,
    position: Seq,
    opened_at_seq: Seq,
    page: VecDeque<Arc<Event>>,
    gap: Option<Seq>,
    head: watch::Receiver<Seq>,
    ended: bool,
}

impl Engine {
    /// Starts to read a node's log. `epoch` is the life of the log that the position is of, if the reader has one.
    pub async fn tail(
        &self,
        actor: Actor,
        node: &NodeName,
        start: TailStart,
        epoch: Option<Epoch>,
    ) -> Result<Tail, BusError> {
        let facts = self.facts(node).await?;
        retrieve::decide_log(&facts, &actor)?;
        // Watch first, then look: what is committed in between is seen twice and not missed.
        let watched = self.recent().watch(facts.id);
        let head = self.store().head(facts.id).await.map_err(|error| self.unavailable(&error))?;
        let head = head.ok_or(BusError::NodeNotFound)?;
        if epoch.is_some_and(|epoch| epoch != head.epoch) {
            return Err(BusError::WrongEpoch);
        }
        let position = match start {
            TailStart::Earliest => head.trimmed_through_seq,
            TailStart::Latest => head.seq,
            TailStart::After(seq) if seq > head.seq => return Err(BusError::WrongEpoch),
            TailStart::After(seq) => seq.max(head.trimmed_through_seq),
        };
        let gap = match start {
            TailStart::After(seq) if seq < head.trimmed_through_seq => Some(position + 1),
            _ => None,
        };
        Ok(Tail {
            engine: self.clone(),
            actor,
            facts,
            position,
            opened_at_seq: head.seq,
            page: VecDeque::new(),
            gap,
            head: watched,
            ended: false,
        })
    }
}

impl Tail {
    /// The node as it was when the reader started.
    pub fn node(&self) -> &NodeFacts {
        &self.facts
    }

    /// The head of the log when the reader started.
    pub fn opened_at_seq(&self) -> Seq {
        self.opened_at_seq
    }

    /// The next frame; waits for it. `None` after the node's deletion.
    ///
    /// # Errors
    /// The actor may not read any longer, or the store cannot be read. Safe to drop and call again.
    pub async fn next(&mut self) -> Result<Option<TailFrame>, BusError> {
        if let Some(first_seq) = self.gap.take() {
            return Ok(Some(TailFrame::Gap { first_seq }));
        }
        loop {
            if self.ended {
                return Ok(None);
            }
            if let Some(event) = self.page.pop_front() {
                self.position = event.seq;
                self.ended = event.kind == EventKind::Deleted;
                return Ok(Some(TailFrame::Event(event)));
            }
            self.head.mark_unchanged();
            let (page, is_from_memory) = self.read_on().await?;
            let behind = match page.first() {
                Some(first) => first.seq - 1,
                // Memory that reaches to the position has no hole behind it.
                None if is_from_memory => self.position,
                None => self.end_of_hole().await?,
            };
            if behind > self.position {
                self.position = behind;
                return Ok(Some(TailFrame::Gap { first_seq: behind + 1 }));
            }
            if page.is_empty() {
                // The sender lives in the engine's memory of recent events as long as somebody listens.
                self.head.changed().await.map_err(|_| BusError::StoreUnavailable)?;
            } else {
                self.check_access().await?;
                self.page = page.into();
            }
        }
    }

    /// Where the log goes on when there is nothing right behind the position: there, if the reader is at its end.
    ///
    /// # Errors
    /// [`BusError::NodeNotFound`] if the node is gone with the rest of its log.
    async fn end_of_hole(&self) -> Result<Seq, BusError> {
        let head =
            self.engine.store().head(self.facts.id).await.map_err(|error| self.engine.unavailable(&error))?;
        Ok(head.ok_or(BusError::NodeNotFound)?.trimmed_through_seq.max(self.position))
    }

    /// The next events, and whether memory had them.
    async fn read_on(&self) -> Result<(Vec<Arc<Event>>, bool), BusError> {
        let limits = &self.engine.settings().engine;
        let events_max = limits.log_page_events_max;
        if let Some(events) = self.engine.recent().after(self.facts.id, self.position, events_max as usize) {
            return Ok((events, true));
        }
        self.engine.statistics().log_pages_read.add(1);
        let page = self
            .engine
            .store()
            .events_after(self.facts.id, self.position, events_max, limits.log_page_bytes_max)
            .await
            .map_err(|error| self.engine.unavailable(&error))?;
        Ok((page.into_iter().map(Arc::new).collect(), false))
    }

    /// Asked once per page, so that a ban acts on readers too. A deleted node is read to its end.
    async fn check_access(&self) -> Result<(), BusError> {
        match self.engine.facts(&self.facts.name).await {
            Ok(facts) if facts.id == self.facts.id => retrieve::decide_log(&facts, &self.actor),
            Ok(_) | Err(BusError::NodeNotFound) => Ok(()),
            Err(error) => Err(error),
        }
    }
}
