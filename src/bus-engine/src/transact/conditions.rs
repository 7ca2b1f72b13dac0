//! What publishes may ask for beside being published: to be carried out once, and on a log that ends where they expect.
//!
//! All entries of a batch are looked up together, behind the locks of the heads and before any position is given. A batch
//! without such entries costs nothing.

use std::collections::HashMap;

use bus_domain::idempotency::{ContentHash, KeptAnswer, KeptRequest, Once, RequestName};
use bus_domain::publish::Publication;
use bus_domain::{BusError, NodeFacts, NodeId, Seq};
use bus_store::{StoreError, Transaction};

use super::node_work::NodeWork;
use super::{Sources, Writing};
use crate::committer::{EntryResult, FactsAfter, Work};
use crate::{Outcome, Published};

/// What the conditions of a batch are settled on.
#[derive(Debug, Default)]
pub(super) struct Conditions {
    kept: HashMap<RequestName, KeptRequest>,
    /// Requests that this batch carries out, and by which entry.
    begun: HashMap<RequestName, (ContentHash, usize)>,
    /// Where logs end.
    heads: HashMap<NodeId, Seq>,
}

/// How a publish is answered that is not carried out, while others of its node may be.
#[derive(Debug)]
pub(super) enum Unpublished {
    /// As it was the first time.
    Repeated(KeptAnswer),
    /// As another entry of the batch is.
    RepeatOf(usize),
    /// Its id is another request's.
    Refused(BusError),
    /// The log ends here, in which epoch ever.
    HeadMoved(Seq),
}

impl Conditions {
    /// Reads what the entries of these nodes ask for: one statement for requests, and one for heads.
    pub(super) async fn read(
        transaction: &mut dyn Transaction,
        writing: &Writing<'_>,
        works: &[NodeWork],
        now_ms: i64,
    ) -> Result<Self, StoreError> {
        let mut names = Vec::new();
        let mut nodes = Vec::new();
        for work in works {
            let Some(node) = work.node_id() else { continue };
            for publication in work.entries.iter().filter_map(|index| writing.publication(*index)) {
                names.extend(publication.once.as_ref().map(|once| name(node, publication, once)));
                nodes.extend(publication.expected_head.map(|_| node));
            }
        }
        let mut conditions = Self::default();
        names.sort_unstable();
        names.dedup();
        if !names.is_empty() {
            let kept = transaction.find_requests(&names, now_ms).await?;
            conditions.kept = kept.into_iter().map(|request| (request.name.clone(), request)).collect();
        }
        nodes.dedup();
        if !nodes.is_empty() {
            conditions.heads = transaction.head_seqs(&nodes).await?.into_iter().collect();
        }
        Ok(conditions)
    }

    /// What is answered instead of publishing, if something is. A repeat is one whatever the log has come to since.
    pub(super) fn settle(
        &mut self,
        node: NodeId,
        index: usize,
        publication: &Publication,
        work: &NodeWork,
        sources: &Sources<'_>,
    ) -> Option<Unpublished> {
        let request = publication.once.as_ref().map(|once| (name(node, publication, once), once));
        if let Some((name, once)) = &request {
            let kept = self.kept.get(name).map(|kept| (&kept.content_hash, None));
            let begun = || self.begun.get(name).map(|(hash, entry)| (hash, Some(*entry)));
            if let Some((hash, entry)) = kept.or_else(begun) {
                return Some(match (once.settle(hash), entry) {
                    (Err(refused), _) => Unpublished::Refused(refused),
                    (Ok(()), Some(entry)) => Unpublished::RepeatOf(entry),
                    (Ok(()), None) => Unpublished::Repeated(self.kept.get(name)?.answer.clone()),
                });
            }
        }
        if let Some(moved) = self.head_moved(node, publication, work, sources) {
            return Some(moved);
        }
        if let Some((name, once)) = request {
            self.begun.insert(name, (once.content_hash, index));
        }
        None
    }

    /// A node that is gone is told of when its head does not advance.
    fn head_moved(
        &self,
        node: NodeId,
        publication: &Publication,
        work: &NodeWork,
        sources: &Sources<'_>,
    ) -> Option<Unpublished> {
        let (expected, facts) = (publication.expected_head?, work.facts.as_ref()?);
        let stored = *self.heads.get(&node)?;
        let seq = stored + work.drafts.len() as u64;
        // A log that has lost its end is in another epoch with this very commit, and nobody has seen that one.
        let is_over = sources.known_heads.has_gone_back(node, facts.epoch, stored);
        let expects_what_is_over = is_over && expected.epoch.is_some();
        let moved = expects_what_is_over || expected.settle(facts.epoch, seq).is_err();
        moved.then_some(Unpublished::HeadMoved(seq))
    }
}

impl Unpublished {
    /// The answer, once the node's epoch is known and the entries in front of this one are answered.
    pub(super) fn result(self, facts: &NodeFacts, results: &[EntryResult]) -> EntryResult {
        match self {
            Self::Refused(error) => EntryResult::Refused(error),
            Self::HeadMoved(seq) => EntryResult::Refused(BusError::HeadMoved { epoch: facts.epoch, seq }),
            Self::RepeatOf(entry) => match results.get(entry) {
                Some(EntryResult::Done { outcome, .. }) => repeated(outcome),
                _ => EntryResult::Refused(BusError::Internal),
            },
            Self::Repeated(KeptAnswer { epoch, first_seq, item_ids, durability }) => {
                let duplicate = true;
                let published = Published { epoch, first_seq, item_ids, durability, duplicate };
                repeated(&Outcome::Published(published))
            }
        }
    }
}

fn repeated(outcome: &Outcome) -> EntryResult {
    let outcome = match outcome {
        Outcome::Published(published) => {
            Outcome::Published(Published { duplicate: true, ..published.clone() })
        }
        other => other.clone(),
    };
    EntryResult::Done { outcome: Box::new(outcome), facts: FactsAfter::Same }
}

impl Writing<'_> {
    fn publication(&self, index: usize) -> Option<&Publication> {
        match &self.batch.entries[index].work {
            Work::Publish(publication) | Work::PublishNew(_, publication) => Some(publication),
            _ => None,
        }
    }

    /// Keeps what has come of requests that are to happen once: in the transaction in which they do.
    pub(super) async fn keep_requests(
        &self,
        transaction: &mut dyn Transaction,
        sources: &Sources<'_>,
    ) -> Result<(), StoreError> {
        let window_ms = i64::try_from(sources.limits.idempotency_window_ms).unwrap_or(i64::MAX);
        let expires_at_ms = sources.now_ms.saturating_add(window_ms);
        let kept = self.works.iter().flat_map(|work| work.entries.iter().map(move |index| (work, *index)));
        let kept = kept.filter_map(|(work, index)| {
            let publication = self.publication(index)?;
            let once = publication.once.as_ref()?;
            let EntryResult::Done { outcome, .. } = &self.results[index] else { return None };
            let Outcome::Published(published) = &**outcome else { return None };
            let name = name(work.node_id()?, publication, once);
            let Published { epoch, first_seq, item_ids, durability, duplicate } = published.clone();
            let answer = KeptAnswer { epoch, first_seq, item_ids, durability };
            let content_hash = once.content_hash;
            (!duplicate).then_some(KeptRequest { name, content_hash, answer, expires_at_ms })
        });
        let kept: Vec<_> = kept.collect();
        if kept.is_empty() { Ok(()) } else { transaction.keep_requests(&kept).await }
    }
}

fn name(node: NodeId, publication: &Publication, once: &Once) -> RequestName {
    RequestName { node, principal: publication.publisher.to_bare(), key: once.key.clone() }
}
