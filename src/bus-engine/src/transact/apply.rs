use std::sync::Arc;

use bus_domain::{BusError, Limits, NodeFacts, Redirect, affiliate, delete, publish, retract};
use bus_store::{HeadAfter, StoreError, Transaction};

use super::node_work::NodeWork;
use super::{Sources, Writing, subscriptions};
use crate::committer::{EntryResult, FactsAfter, Work};
use crate::dispatcher::RecipientChange;
use crate::{Outcome, Published};

impl Writing<'_> {
    /// Writes what is left beside events and items, and fills in the answers.
    pub(super) async fn apply(
        &mut self,
        transaction: &mut dyn Transaction,
        sources: &Sources<'_>,
    ) -> Result<(), StoreError> {
        let mut works = std::mem::take(&mut self.works);
        for work in &mut works {
            if self.answer(work) {
                continue;
            }
            if let (Some(created), [index]) = (work.created.take(), &*work.entries) {
                self.results[*index] = created;
            }
            let (Some(facts), Some(head)) = (work.facts.clone(), work.head) else { continue };
            let mut next_seq = work.events.first().map_or(head.seq, |event| event.seq);
            for &index in &work.entries.clone() {
                let entry = &self.batch.entries[index];
                self.results[index] = match &entry.work {
                    Work::Publish(_) if work.unpublished.contains_key(&index) => {
                        unpublished(work, index, &facts, &self.results)
                    }
                    Work::Publish(publication) => {
                        let first_seq = next_seq;
                        next_seq += publication.items.len() as u64;
                        done(published(&facts, publication, first_seq))
                    }
                    Work::Retract(retraction) | Work::Redrive(retraction, _) => {
                        retracted(transaction, work, &facts, retraction).await?
                    }
                    Work::DeadLetter(_, publication) | Work::Sourced(_, publication) => {
                        done(published(&facts, publication, next_seq))
                    }
                    Work::Purge(_) => done(Outcome::Purged),
                    Work::Subscribe(_) => {
                        subscriptions::subscribed(transaction, work, &facts, head, sources).await?
                    }
                    Work::Unsubscribe(_) => {
                        subscriptions::unsubscribed(transaction, work, &facts, head).await?
                    }
                    Work::SetOptions(_) => {
                        subscriptions::options_set(transaction, work, &facts, head).await?
                    }
                    Work::Expire(_) => subscriptions::expired(transaction, work, &facts, head).await?,
                    Work::ManageSubscriptions(_) => {
                        subscriptions::managed(transaction, work, &facts, head, sources).await?
                    }
                    Work::Park(_) => subscriptions::parked(transaction, work, &facts, head, sources).await?,
                    Work::Affiliate(change) => {
                        affiliated(transaction, work, &facts, (head, sources), change).await?
                    }
                    Work::Place(..) if work.config.is_none() => done(Outcome::Placed),
                    Work::Configure(_) | Work::Place(..) => {
                        configured(transaction, work, &facts, head).await?
                    }
                    Work::Forward(_) => done(Outcome::Forwarded),
                    Work::Delete(deletion) => deleted(transaction, &facts, sources, deletion).await?,
                    Work::PublishNew(_, publication) => EntryResult::Done {
                        outcome: Box::new(published(&facts, publication, next_seq)),
                        facts: FactsAfter::Now(Some(Arc::clone(&facts))),
                    },
                    Work::Create(..) => EntryResult::Refused(BusError::NodeExists),
                };
                if work.is_renewed {
                    tell_renewed(&mut self.results[index], &facts);
                }
            }
        }
        self.works = works;
        self.move_rules_below(transaction).await
    }

    /// What a node's rules allow is part of the rules of everything below it (XEP-0496): decisions that were made there on
    /// the old ones are made again.
    async fn move_rules_below(&mut self, transaction: &mut dyn Transaction) -> Result<(), StoreError> {
        let has_moved = |work: &&NodeWork| work.changes.rules && work.head.is_some();
        let moved: Vec<_> = self.works.iter().filter(has_moved).filter_map(NodeWork::node_id).collect();
        let below = if moved.is_empty() { Vec::new() } else { transaction.move_rules_below(&moved).await? };
        let related = self.works.iter().filter(|work| work.has_new_relation).flat_map(|work| &work.entries);
        let related = related.map(|index| self.batch.entries[*index].node.clone());
        self.moved = related.chain(below.into_iter().map(|(_, name)| name)).collect();
        Ok(())
    }
}

/// Later decisions must rest on the new life, whatever the entry was about.
fn tell_renewed(result: &mut EntryResult, renewed: &Arc<NodeFacts>) {
    if let EntryResult::Done { facts: facts @ FactsAfter::Same, .. } = result {
        *facts = FactsAfter::Now(Some(Arc::clone(renewed)));
    }
}

fn unpublished(work: &mut NodeWork, index: usize, facts: &NodeFacts, results: &[EntryResult]) -> EntryResult {
    let answer = work.unpublished.remove(&index).map(|unpublished| unpublished.result(facts, results));
    answer.unwrap_or(EntryResult::Refused(BusError::Internal))
}

fn published(facts: &NodeFacts, publication: &publish::Publication, first_seq: u64) -> Outcome {
    Outcome::Published(Published {
        epoch: facts.epoch,
        first_seq,
        item_ids: publication.shown_ids(&facts.config),
        durability: facts.config.durability,
        duplicate: false,
    })
}

/// Nothing that decisions rest on has changed.
pub(super) fn done(outcome: Outcome) -> EntryResult {
    EntryResult::Done { outcome: Box::new(outcome), facts: FactsAfter::Same }
}

async fn retracted(
    transaction: &mut dyn Transaction,
    work: &NodeWork,
    facts: &NodeFacts,
    retraction: &retract::Retraction,
) -> Result<EntryResult, StoreError> {
    let items: Vec<_> = retraction.item_ids.iter().map(|id| (facts.id, id.clone())).collect();
    let removed = transaction.remove_items(&items).await?.len() as u64;
    transaction.lower_item_counts(&[(facts.id, removed)]).await?;
    transaction.note_retracted(facts.id, &work.retracted_events()).await?;
    Ok(done(Outcome::Retracted))
}

async fn deleted(
    transaction: &mut dyn Transaction,
    facts: &NodeFacts,
    sources: &Sources<'_>,
    deletion: &delete::Deletion,
) -> Result<EntryResult, StoreError> {
    // They stay, without it.
    if facts.config.is_collection() {
        transaction.remove_children(facts.id).await?;
    }
    transaction.retire_node(facts.id, sources.now_ms).await?;
    if let Some(to) = deletion.redirect.clone() {
        let redirect = Redirect { name: facts.name.clone(), creator: facts.creator.clone(), to };
        let Limits { redirects_max, redirects_per_jid_max, .. } = sources.limits;
        transaction.put_redirect(&redirect, *redirects_per_jid_max, *redirects_max).await?;
    }
    Ok(EntryResult::Done { outcome: Box::new(Outcome::Deleted), facts: FactsAfter::Now(None) })
}

async fn configured(
    transaction: &mut dyn Transaction,
    work: &mut NodeWork,
    facts: &NodeFacts,
    head: HeadAfter,
) -> Result<EntryResult, StoreError> {
    let config = work.config.take().unwrap_or_else(|| facts.config.clone());
    transaction.put_config(facts.id, &config).await?;
    let facts =
        Arc::new(NodeFacts { config: config.clone(), rules_version: head.rules_version, ..facts.clone() });
    work.facts = Some(Arc::clone(&facts));
    Ok(EntryResult::Done {
        outcome: Box::new(Outcome::Configured(config)),
        facts: FactsAfter::Now(Some(facts)),
    })
}

async fn affiliated(
    transaction: &mut dyn Transaction,
    work: &mut NodeWork,
    facts: &NodeFacts,
    (head, sources): (HeadAfter, &Sources<'_>),
    change: &affiliate::Change,
) -> Result<EntryResult, StoreError> {
    transaction.put_affiliations(facts.id, &change.entries).await?;
    let begun = subscriptions::change(transaction, work, facts, head, Some(RecipientChange::Access)).await?;
    subscriptions::send_last_item(transaction, work, facts, &begun, sources).await?;
    let facts = NodeFacts {
        affiliations: Arc::new(change.result.clone()),
        rules_version: head.rules_version,
        ..facts.clone()
    };
    let outcome = Outcome::Affiliated { rejected: change.rejected.clone() };
    Ok(EntryResult::Done { outcome: Box::new(outcome), facts: FactsAfter::Now(Some(Arc::new(facts))) })
}
