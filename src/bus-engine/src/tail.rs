use std::collections::VecDeque;
use std::sync::Arc;

use bus_domain::access::Action;
use bus_domain::{
    AccessModel, Actor, BareJid, BusError, Epoch, Event, NodeFacts, NodeId, NodeName, Seq, retrieve,
};
use tokio::sync::watch;

use crate::Engine;
use crate::live_readers::LiveReader;
use crate::recent::TransientHead;

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
    /// What the reader asked for is gone, by retention or from memory; the next event is the one of `first_seq` or later.
    Gap {
        /// The oldest position that there still is.
        first_seq: Seq,
    },
}

/// A reader of one node's log: in order, without a hole, at its own pace; it holds nobody up.
///
/// It reads committed events from memory while it keeps up and pages of the log when it does not. Of a node in memory,
/// what it has not kept up with is a gap.
#[derive(Debug)]
pub struct Tail {
    engine: Engine,
    actor: Actor,
    facts: Arc<NodeFacts>,
    position: Seq,
    opened_at_seq: Seq,
    page: VecDeque<Arc<Event>>,
    /// See [`Tail::is_live`].
    is_live: bool,
    gap: Option<Seq>,
    head: watch::Receiver<Seq>,
    ended: bool,
    /// Who reads is there, as long as it does.
    _reader: LiveReader,
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
        self.check_reader(&facts, &actor).await?;
        // Watch first, then look: what is committed in between is seen twice and not missed.
        let watched = self.recent().watch(facts.id);
        let head = self.log_head(&facts).await?.ok_or(BusError::NodeNotFound)?;
        if epoch.is_some_and(|epoch| epoch != head.epoch) {
            return Err(BusError::WrongEpoch);
        }
        let position = match start {
            TailStart::Earliest => head.gone_through_seq,
            TailStart::Latest => head.seq,
            TailStart::After(seq) if seq > head.seq => return Err(BusError::WrongEpoch),
            TailStart::After(seq) => seq.max(head.gone_through_seq),
        };
        let gap = match start {
            TailStart::After(seq) if seq < head.gone_through_seq => Some(position + 1),
            _ => None,
        };
        let reader = self.shared().live_readers.begin(facts.id, actor.bare());
        Ok(Tail {
            engine: self.clone(),
            actor,
            facts,
            position,
            opened_at_seq: head.seq,
            page: VecDeque::new(),
            is_live: false,
            gap,
            head: watched,
            ended: false,
            _reader: reader,
        })
    }

    /// Whether somebody reads a node at this moment, over a stream of its own or of a durable subscription.
    pub(crate) fn reads_stream(&self, node: NodeId, jid: &BareJid) -> bool {
        self.shared().live_readers.reads(node, jid) || self.shared().consumers.has_reader(node, jid)
    }

    /// Whether the actor may read the log.
    pub(crate) async fn check_reader(&self, facts: &NodeFacts, actor: &Actor) -> Result<(), BusError> {
        let actor = &*self.acquainted(facts, actor, Action::Retrieve).await;
        let is_subscribed = self.is_subscribed(facts, actor).await?;
        retrieve::decide_log(facts, actor, is_subscribed)
    }

    /// The rules that a node had when it was deleted, for those who read what is left of its log.
    ///
    /// # Errors
    /// [`BusError::NodeNotFound`] when its rules are gone with it, unless it was open to all: nobody could say who may.
    pub(crate) async fn last_rules(&self, node: &Arc<NodeFacts>) -> Result<Arc<NodeFacts>, BusError> {
        match self.shared().load_deleted(node.id).await? {
            Some(last) => Ok(Arc::new(NodeFacts { is_orphan: false, ..NodeFacts::clone(&last) })),
            None if node.config.access_model == AccessModel::Open => Ok(Arc::clone(node)),
            None => Err(BusError::NodeNotFound),
        }
    }

    /// Where a node's log stands, in the store or in memory; `None` if the node is gone.
    async fn log_head(&self, facts: &NodeFacts) -> Result<Option<LogHead>, BusError> {
        if facts.is_transient() {
            let TransientHead { seq, gone_through_seq } = self.recent().transient_head(facts.id);
            return Ok(Some(LogHead { epoch: facts.epoch, seq, gone_through_seq }));
        }
        let head = self.store().head(facts.id).await.map_err(|error| self.unavailable(&error))?;
        Ok(head.map(|head| LogHead {
            epoch: head.epoch,
            seq: head.seq,
            gone_through_seq: head.trimmed_through_seq,
        }))
    }
}

/// Where a log stands.
struct LogHead {
    epoch: Epoch,
    seq: Seq,
    /// Events up to here are no more.
    gone_through_seq: Seq,
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

    /// Whether the last event is one that every reader gets who keeps up: it came out of memory, or from the very end of
    /// the log, where another instance has put it. Else this reader is far behind, and by itself.
    pub fn is_live(&self) -> bool {
        self.is_live
    }

    /// The next event, if it was read with the last one: no need to wait. None says nothing of what [`Self::next`] brings.
    pub fn next_at_hand(&mut self) -> Option<Arc<Event>> {
        if self.gap.is_some() || self.ended {
            return None;
        }
        let event = self.page.pop_front()?;
        self.position = event.seq;
        self.ended = event.kind.is_deletion();
        Some(event)
    }

    /// The next frame; waits for it. `None` after the node's deletion.
    ///
    /// # Errors
    /// The actor may not read any longer, the log has begun a new epoch, or the store cannot be read. Safe to drop and
    /// call again.
    pub async fn next(&mut self) -> Result<Option<TailFrame>, BusError> {
        if let Some(first_seq) = self.gap.take() {
            return Ok(Some(TailFrame::Gap { first_seq }));
        }
        loop {
            if self.ended {
                return Ok(None);
            }
            if let Some(event) = self.next_at_hand() {
                return Ok(Some(TailFrame::Event(event)));
            }
            self.head.mark_unchanged();
            let (page, is_from_memory) = self.read_on().await?;
            self.check_node(page.is_empty()).await?;
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
                self.page = page.into();
                self.is_live = is_from_memory || self.facts.is_transient() || self.reaches_head();
            }
        }
    }

    /// Whether the page ends where the log does, as far as anybody has heard.
    fn reaches_head(&self) -> bool {
        let head_seq = self.opened_at_seq.max(*self.head.borrow());
        self.page.back().is_some_and(|last| last.seq >= head_seq)
    }

    /// Where the log goes on when there is nothing right behind the position: there, if the reader is at its end.
    ///
    /// # Errors
    /// [`BusError::NodeNotFound`] if the node is gone with the rest of its log.
    async fn end_of_hole(&self) -> Result<Seq, BusError> {
        let head = self.engine.log_head(&self.facts).await?.ok_or(BusError::NodeNotFound)?;
        Ok(head.gone_through_seq.max(self.position))
    }

    /// The next events, and whether memory had them.
    async fn read_on(&self) -> Result<(Vec<Arc<Event>>, bool), BusError> {
        let limits = &self.engine.settings().engine;
        let events_max = limits.log_page_events_max;
        if let Some(events) = self.engine.recent().after(self.facts.id, self.position, events_max as usize) {
            return Ok((events, true));
        }
        if self.facts.is_transient() {
            let recent = self.engine.recent();
            return Ok((recent.transient_after(self.facts.id, self.position, events_max as usize), false));
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

    /// Asked once per page, so that a ban acts on readers too, and a new life of the log is not taken for the old one. A
    /// deleted node is read to its end by whom its last rules let in; once memory has nothing more of one that lived there,
    /// that end is gone.
    async fn check_node(&self, is_at_end: bool) -> Result<(), BusError> {
        match self.engine.facts(&self.facts.name).await {
            Ok(facts) if facts.id == self.facts.id && facts.epoch != self.facts.epoch => {
                Err(BusError::WrongEpoch)
            }
            Ok(facts) if facts.id == self.facts.id => self.engine.check_reader(&facts, &self.actor).await,
            Ok(_) | Err(BusError::NodeNotFound | BusError::NodeMoved { .. }) => {
                if is_at_end && self.facts.is_transient() {
                    return Err(BusError::NodeNotFound);
                }
                let last = self.engine.last_rules(&self.facts).await?;
                self.engine.check_reader(&last, &self.actor).await
            }
            Err(error) => Err(error),
        }
    }
}
