use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use bus_domain::{BusError, Event, NodeFacts, NodeId, NodeName, Seq};
use bus_engine::committer::{Batch, Committer};
use bus_engine::dispatcher::{Dispatcher, PendingBounce};
use bus_engine::parts::{
    BeforeRead, Commit, FactsCache, KnownHeads, Mailbox, ProcessEpoch, RecentEvents, Written,
};
use bus_engine::{DeliveryInput, Settings};
use bus_store::{BatchId, DeliveryTarget, RecipientPage, SubscriptionKey, UndeliveredPage};

use crate::commands::Ticket;
use crate::link::Lane;
use crate::model::CommitIndex;
use crate::{Scenario, SimulatedIds};

/// The memory of one process. A crash loses all of it.
pub(crate) struct Instance {
    pub committer: Committer<Ticket>,
    pub facts: FactsCache,
    pub recent: RecentEvents,
    pub mailbox: Mailbox,
    pub known_heads: KnownHeads,
    pub process_epoch: ProcessEpoch,
    /// Reads of facts under way.
    pub loads: Vec<Load>,
    /// The batch under way.
    pub write: Option<Write>,
    /// Commits that the mailbox tells of.
    pub announced: Vec<CommitIndex>,
    /// Delivery, in the instance that has the link.
    pub delivery: Option<Delivering>,
}

/// A read of a node's facts.
pub(crate) enum Load {
    Asked(NodeName),
    /// About to be read; `before` is what the cache was like.
    Begun {
        name: NodeName,
        before: BeforeRead,
    },
    /// Read, and not taken in yet.
    Done {
        name: NodeName,
        before: BeforeRead,
        found: Result<Option<Arc<NodeFacts>>, BusError>,
    },
}

/// A batch between its decision and its answers.
pub(crate) enum Write {
    Formed(Batch),
    /// In a transaction that is not committed.
    Staged(Staged, Commit),
    /// The answer to COMMIT got lost.
    Unknown(Unknown),
}

/// A batch that was written.
pub(crate) struct Staged {
    pub batch: Batch,
    pub id: BatchId,
    pub written: Written,
}

/// A batch that may be committed.
pub(crate) struct Unknown {
    pub staged: Staged,
    /// What the store knows.
    pub commit: Option<CommitIndex>,
    pub lookups_left: u32,
}

/// Delivery, as one task does it.
pub(crate) struct Delivering {
    pub dispatcher: Dispatcher,
    pub lane: Lane,
    /// What the link has reported, and the task has not taken yet.
    pub inputs: VecDeque<DeliveryInput>,
    /// A read whose result is not taken in yet: the task does nothing else meanwhile.
    pub read: Option<Read>,
    /// What is left to do of the last tick, one call of the store after the other.
    pub chores: VecDeque<Chore>,
    /// Whether the rows of lagging subscriptions are read.
    pub lagging_is_loaded: bool,
    /// What came back, and is not judged.
    pub unjudged: BTreeMap<SubscriptionKey, BTreeSet<Seq>>,
    pub has_to_reap: bool,
    /// Everything up to this commit was there when delivery started.
    started_at: CommitIndex,
    /// Commits of which a signal has told.
    told: BTreeSet<CommitIndex>,
}

/// A part of what a tick does.
pub(crate) enum Chore {
    /// Read the rows of what came back.
    ReadTargets,
    /// Note what they say.
    Judge(Vec<PendingBounce>, Vec<DeliveryTarget>),
    /// Take the time.
    Tick,
    /// Store the cursors.
    StoreCursors,
    /// Store the rows of lagging subscriptions.
    StoreLagging,
}

/// What was read for delivery.
pub(crate) enum Read {
    Resume(UndeliveredPage),
    Events(NodeId, Vec<Arc<Event>>),
    Recipients(NodeId, RecipientPage),
    Lagging(SubscriptionKey, Option<Box<DeliveryTarget>>, Vec<Arc<Event>>),
}

impl Instance {
    pub(crate) fn new(settings: &Settings, ids: &SimulatedIds, has_others: bool) -> Self {
        Self {
            committer: Committer::new(settings.clone()).on_shared_store(has_others),
            facts: FactsCache::new(settings.engine.cached_nodes_max),
            recent: RecentEvents::new(settings.engine.recent_bytes_max),
            mailbox: Mailbox::default(),
            known_heads: KnownHeads::new(settings.engine.cached_nodes_max),
            process_epoch: ProcessEpoch::new(ids),
            loads: Vec::new(),
            write: None,
            announced: Vec::new(),
            delivery: None,
        }
    }

    /// Whether it has the node's delivery in memory.
    pub(crate) fn delivers(&self, node: NodeId) -> bool {
        self.delivery.as_ref().is_some_and(|delivery| delivery.dispatcher.knows(node))
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.committer.is_idle() && self.loads.is_empty() && self.write.is_none()
    }
}

impl Delivering {
    pub(crate) fn new(scenario: &Scenario, started_at: CommitIndex) -> Self {
        Self {
            dispatcher: Dispatcher::new(scenario.dispatcher_bounds(), scenario.settings.admins.clone()),
            lane: Lane::default(),
            inputs: VecDeque::new(),
            read: None,
            chores: VecDeque::new(),
            lagging_is_loaded: false,
            unjudged: BTreeMap::new(),
            has_to_reap: true,
            started_at,
            told: BTreeSet::new(),
        }
    }

    /// Nothing is under way: the task waits for something to happen.
    pub(crate) fn is_waiting(&self) -> bool {
        self.read.is_none() && self.chores.is_empty()
    }

    pub(crate) fn tell(&mut self, commits: Vec<CommitIndex>) {
        self.told.extend(commits);
    }

    /// Whether delivery must heed a commit by now.
    pub(crate) fn knows(&self, commit: CommitIndex) -> bool {
        commit <= self.started_at || self.told.contains(&commit)
    }
}
