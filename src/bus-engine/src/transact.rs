//! Carries a batch out on a store: one transaction, whatever the number of entries.
//!
//! A warm publish costs one statement each for the heads, the events, the item pointers and the batch's id, and no
//! read. Overwritten ids, full nodes, request ids and expectations cost a few more, for the batch as a whole.

mod apply;
mod conditions;
mod create;
mod node_work;
mod placing;
mod quotas;
mod relating;
mod settle;
mod subscriptions;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use bus_domain::quota::Quotas;
use bus_domain::{Event, Limits, NodeId, NodeName};
use bus_store::{
    BatchId, HeadAdvance, HeadAfter, ItemPointer, LockMode, RemovedItem, Store, StoreError, Transaction,
};

use crate::DeliveryNode;
use crate::IdSource;
use crate::Notice;
use crate::PresenceTable;
use crate::committer::{Batch, Entry, EntryResult};
use crate::dispatcher::RecipientDelta;
use crate::epochs::ProcessEpoch;
use crate::known_heads::KnownHeads;
use node_work::NodeWork;
use quotas::Usage;

/// What a written batch has led to.
#[derive(Debug)]
pub struct Written {
    /// One for each entry.
    pub results: Vec<EntryResult>,
    /// What is new for delivery.
    pub nodes: Vec<CommittedNode>,
    /// Nodes that have become children of collections, or are none any more.
    pub children: Vec<NodeId>,
    /// Nodes of which other rules hold because of those of a node above, or because they are below another one.
    pub moved: Vec<NodeName>,
}

/// A node's part of a committed batch.
#[derive(Debug)]
pub struct CommittedNode {
    /// The node, with its configuration of now.
    pub node: DeliveryNode,
    /// The newest position of its log.
    pub head_seq: u64,
    /// What was appended, in order.
    pub events: Vec<Arc<Event>>,
    /// What has changed for its recipients.
    pub delta: Option<RecipientDelta>,
    /// Who is told of it beside the recipients.
    pub notices: Vec<Notice>,
    /// Whether the log has begun a new life, because the store had lost its end.
    pub is_renewed: bool,
}

/// Where the values come from that a store must not make up.
pub struct Sources<'a> {
    /// Milliseconds since 1970.
    pub now_ms: i64,
    /// Randomness for epochs.
    pub ids: &'a dyn IdSource,
    /// What is mixed into the epochs of logs in memory.
    pub process_epoch: ProcessEpoch,
    /// The operator's bounds.
    pub limits: &'a Limits,
    /// How much everybody may have.
    pub quotas: &'a Quotas,
    /// The heads of relaxed nodes as far as they are known.
    pub known_heads: &'a KnownHeads,
    /// Who is there, for those who are to be sent something only then.
    pub presence: &'a PresenceTable,
}

/// Writes the batch. On an error nothing of it is there, unless the error is [`StoreError::OutcomeUnknown`].
pub async fn write(
    store: &dyn Store,
    batch: &Batch,
    batch_id: BatchId,
    sources: &Sources<'_>,
) -> Result<(Written, Commit), StoreError> {
    let mut transaction = store.begin(batch.level).await?;
    let mut writing = Writing::new(batch);
    writing.lock(&mut *transaction).await?;
    writing.settle(&mut *transaction, sources).await?;
    if !writing.works.is_empty() {
        writing.advance(&mut *transaction).await?;
        writing.renew_epochs(&mut *transaction, sources).await?;
        writing.append(&mut *transaction, sources).await?;
        writing.place_items(&mut *transaction, sources).await?;
        writing.apply(&mut *transaction, sources).await?;
        writing.keep_requests(&mut *transaction, sources).await?;
        transaction.record_batch(batch_id, sources.now_ms).await?;
    }
    writing.move_usage(&mut *transaction).await?;
    Ok((writing.finish(), Commit(transaction)))
}

/// The last step, apart from the others because its outcome may get lost.
pub struct Commit(Box<dyn Transaction>);

impl Commit {
    /// Returns when the batch is on disk.
    pub async fn finish(self) -> Result<(), StoreError> {
        self.0.commit().await
    }
}

/// A batch on its way through a transaction.
struct Writing<'a> {
    batch: &'a Batch,
    results: Vec<EntryResult>,
    works: Vec<NodeWork>,
    /// What somebody has, as far as the batch changes it.
    usage: Usage,
    /// See [`Written::moved`].
    moved: Vec<NodeName>,
}

impl<'a> Writing<'a> {
    fn new(batch: &'a Batch) -> Self {
        let results = vec![EntryResult::Postponed; batch.entries.len()];
        Self { batch, results, works: Vec::new(), usage: Usage::new(), moved: Vec::new() }
    }

    /// Entries of nodes whose head somebody else holds stay postponed, and those that concern other nodes' rules if somebody
    /// holds one of these. Heads that are waited for come first, so that nobody waits who holds one already that others
    /// might wait for. The graph comes behind all heads.
    async fn lock(&mut self, transaction: &mut dyn Transaction) -> Result<(), StoreError> {
        let around = self.heads_around(transaction).await?;
        let (waited_for, mut others) = self.heads(&around);
        others.retain(|id| !waited_for.contains(id));
        let mut locked = HashSet::new();
        if !waited_for.is_empty() {
            locked.extend(transaction.lock_heads(&waited_for, LockMode::Wait).await?);
        }
        if !others.is_empty() {
            locked.extend(transaction.lock_heads(&others, LockMode::SkipHeld).await?);
        }
        let is_about_graph = |entry: &Entry| entry.work.is_about_graph(entry.facts.as_deref());
        if self.batch.entries.iter().any(is_about_graph) {
            transaction.lock_graph().await?;
        }
        let has_around = around.iter().all(|id| locked.contains(id));
        let mut works: HashMap<NodeId, usize> = HashMap::new();
        for (index, entry) in self.batch.entries.iter().enumerate() {
            if !has_around && entry.work.concerns_others() {
                continue;
            }
            let Some(facts) = &entry.facts else {
                self.works.push(NodeWork::of_new_node(index));
                continue;
            };
            if locked.contains(&facts.id) {
                let at = *works.entry(facts.id).or_insert_with(|| {
                    self.works.push(NodeWork::new(Arc::clone(facts)));
                    self.works.len() - 1
                });
                self.works[at].entries.push(index);
            }
        }
        Ok(())
    }

    /// The heads of other nodes that entries concern by their relations.
    async fn heads_around(&self, transaction: &mut dyn Transaction) -> Result<Vec<NodeId>, StoreError> {
        let concerned = || self.batch.entries.iter().filter(|entry| entry.work.concerns_others());
        let rules_of: Vec<NodeId> = concerned().filter_map(|entry| Some(entry.facts.as_ref()?.id)).collect();
        let targets: Vec<NodeName> = concerned().flat_map(|entry| entry.work.targets()).cloned().collect();
        if rules_of.is_empty() && targets.is_empty() {
            return Ok(Vec::new());
        }
        transaction.heads_around(&rules_of, &targets).await
    }

    /// The nodes of the batch and those around, once each, in the order of their ids: those to be waited for, and all.
    fn heads(&self, around: &[NodeId]) -> (Vec<NodeId>, Vec<NodeId>) {
        let ids = |wanted: fn(LockMode) -> bool| {
            let entries = || self.batch.entries.iter().filter(|entry| wanted(entry.lock));
            let around = entries().any(|entry| entry.work.concerns_others()).then_some(around);
            let own = entries().filter_map(|entry| entry.facts.as_ref().map(|facts| facts.id));
            let mut ids: Vec<NodeId> = own.chain(around.into_iter().flatten().copied()).collect();
            ids.sort_unstable();
            ids.dedup();
            ids
        };
        (ids(|lock| lock == LockMode::Wait), ids(|_| true))
    }

    /// Moves all heads at once; nodes whose rules have moved drop out.
    async fn advance(&mut self, transaction: &mut dyn Transaction) -> Result<(), StoreError> {
        let advances: Vec<HeadAdvance> = self.works.iter().filter_map(NodeWork::advance).collect();
        if advances.is_empty() {
            return Ok(());
        }
        let heads: HashMap<NodeId, HeadAfter> =
            transaction.advance_heads(&advances).await?.into_iter().map(|head| (head.node, head)).collect();
        let results = &mut self.results;
        self.works.retain_mut(|work| {
            let Some(id) = work.node_id() else { return true };
            work.head = heads.get(&id).copied();
            if work.head.is_none() {
                for entry in &work.entries {
                    results[*entry] = EntryResult::Stale;
                }
            }
            work.head.is_some()
        });
        Ok(())
    }

    /// Logs that have lost their end since this process saw it begin a new life with what comes now.
    async fn renew_epochs(
        &mut self,
        transaction: &mut dyn Transaction,
        sources: &Sources<'_>,
    ) -> Result<(), StoreError> {
        let renewals: Vec<_> = self.works.iter().filter_map(|work| work.renewal(sources)).collect();
        if renewals.is_empty() {
            return Ok(());
        }
        for renewed in transaction.renew_epochs(&renewals).await? {
            let epoch = renewals.iter().find(|renewal| renewal.node == renewed.node);
            let work = self.works.iter_mut().find(|work| work.node_id() == Some(renewed.node));
            if let (Some(renewal), Some(work)) = (epoch, work) {
                tracing::warn!(
                    node_id = renewed.node.0,
                    last_seq = renewal.last_seq,
                    "the database has lost events of a node, which begins a new epoch"
                );
                work.renew(renewal.epoch, renewed);
            }
        }
        Ok(())
    }

    async fn append(
        &mut self,
        transaction: &mut dyn Transaction,
        sources: &Sources<'_>,
    ) -> Result<(), StoreError> {
        let mut rows = Vec::new();
        for work in &mut self.works {
            work.number_events(sources.now_ms);
            if let Some(id) = work.node_id() {
                rows.extend(work.events.iter().map(|event| (id, Event::clone(event))));
            }
        }
        if rows.is_empty() { Ok(()) } else { transaction.append_events(&rows).await }
    }

    /// Points item ids at their newest events, lets go of the overwritten and the pushed out, and trims full nodes.
    async fn place_items(
        &mut self,
        transaction: &mut dyn Transaction,
        sources: &Sources<'_>,
    ) -> Result<(), StoreError> {
        let replaced: Vec<_> = self.works.iter().flat_map(NodeWork::replaced).collect();
        let mut lowered: HashMap<NodeId, u64> = HashMap::new();
        let mut created = HashMap::new();
        if !replaced.is_empty() {
            for RemovedItem { node, item_id, created_seq } in transaction.remove_items(&replaced).await? {
                *lowered.entry(node).or_default() += 1;
                created.insert((node, item_id), created_seq);
            }
        }
        let pointers: Vec<ItemPointer> = self.works.iter().flat_map(|work| work.pointers(&created)).collect();
        if !pointers.is_empty() {
            transaction.place_items(&pointers).await?;
        }
        for work in &self.works {
            let Some(id) = work.node_id() else { continue };
            let lowered = lowered.entry(id).or_default();
            let excess = work.excess_items(*lowered, sources.limits);
            if excess > 0 {
                transaction.remove_oldest_items(id, excess).await?;
                *lowered += excess;
            }
        }
        let lowered: Vec<_> = lowered.into_iter().filter(|(_, count)| *count > 0).collect();
        if lowered.is_empty() { Ok(()) } else { transaction.lower_item_counts(&lowered).await }
    }

    fn finish(mut self) -> Written {
        let children = self.works.iter_mut().flat_map(|work| std::mem::take(&mut work.children)).collect();
        let nodes = self.works.into_iter().filter_map(NodeWork::into_committed).collect();
        Written { results: self.results, nodes, children, moved: self.moved }
    }
}
