mod consumers;
mod sourced;
mod subscriptions;

use std::sync::Arc;

use bus_domain::purge::{self, Purge};
use bus_domain::{
    BusError, Event, EventKind, ItemId, NodeId, configure, delete, publish, retention, retract,
};
use bus_store::{StoreError, Transaction};

use super::conditions::Conditions;
use super::node_work::{Draft, NodeWork};
use super::placing::{Placed, forward, is_of_now, place};
use super::relating::Pointing;
use super::{Sources, Writing};
use crate::Outcome;
use crate::committer::{EntryResult, FactsAfter, Work};

impl Writing<'_> {
    /// Turns entries into changes: publishes as they are, the others by what bus-domain says of the rows that they
    /// concern. A node of which nothing is left to change stays: an answer too holds only on the rules that it saw.
    pub(super) async fn settle(
        &mut self,
        transaction: &mut dyn Transaction,
        sources: &Sources<'_>,
    ) -> Result<(), StoreError> {
        let mut works = std::mem::take(&mut self.works);
        let mut conditions = Conditions::read(transaction, self, &works, sources.now_ms).await?;
        for work in works.iter_mut().filter(|work| work.node_id().is_some()) {
            for &index in &work.entries.clone() {
                if !self.is_published_not(work, index, &mut conditions, sources) {
                    work.settled = self.settle_entry(transaction, sources, work, index).await?;
                }
            }
        }
        self.hold_to_quotas(transaction, sources, &mut works).await?;
        let is_new = |work: &&mut NodeWork| work.node_id().is_none() && work.settled.is_none();
        for work in works.iter_mut().filter(is_new) {
            for &index in &work.entries.clone() {
                work.settled = self.settle_entry(transaction, sources, work, index).await?;
            }
        }
        let mut kept = Vec::with_capacity(works.len());
        for mut work in works {
            if work.node_id().is_some() || work.settled.is_none() {
                kept.push(work);
            } else {
                self.answer(&mut work);
            }
        }
        self.works = kept;
        Ok(())
    }

    /// Gives the entries of a work the answer that was settled; says whether there was one.
    pub(super) fn answer(&mut self, work: &mut NodeWork) -> bool {
        let Some(settled) = work.settled.take() else { return false };
        for &index in &work.entries {
            self.results[index] = settled.clone();
        }
        true
    }

    /// Whether a publish is answered without being carried out, while others of its node may be.
    fn is_published_not(
        &self,
        work: &mut NodeWork,
        index: usize,
        conditions: &mut Conditions,
        sources: &Sources<'_>,
    ) -> bool {
        let (Some(id), Work::Publish(publication)) = (work.node_id(), &self.batch.entries[index].work) else {
            return false;
        };
        let unpublished = conditions.settle(id, index, publication, work, sources);
        let is_published_not = unpublished.is_some();
        work.unpublished.extend(unpublished.map(|it| (index, it)));
        is_published_not
    }

    /// `Some` if the entry, which then is the only one of its node, is done with already.
    async fn settle_entry(
        &self,
        transaction: &mut dyn Transaction,
        sources: &Sources<'_>,
        work: &mut NodeWork,
        index: usize,
    ) -> Result<Option<EntryResult>, StoreError> {
        let entry = &self.batch.entries[index];
        let Some(id) = work.node_id() else {
            return super::create::create(transaction, sources, work, entry).await;
        };
        match &entry.work {
            Work::Create(..) | Work::PublishNew(..) => {
                return Ok(Some(EntryResult::Refused(BusError::NodeExists)));
            }
            Work::Publish(publication) => {
                return publish(transaction, work, id, publication, sources.now_ms).await;
            }
            Work::Configure(None) => return Ok(Some(unchanged(work))),
            Work::Configure(Some(configuration)) => configure(work, configuration, sources),
            Work::Place(..) if !is_of_now(transaction, work).await? => return Ok(Some(EntryResult::Stale)),
            Work::Place(placing, configuration) => {
                transaction.savepoint().await?;
                let Placed { children, relation } = match place(transaction, &entry.node, placing).await? {
                    Ok(placed) => placed,
                    Err(refused) => {
                        transaction.undo_to_savepoint().await?;
                        return Ok(Some(EntryResult::Refused(refused)));
                    }
                };
                work.children = children;
                let related = match relation {
                    Pointing::AsBefore => None,
                    Pointing::New(relation) => Some(configure::relate(placing, relation)),
                };
                work.has_new_relation = related.is_some();
                if let Some(configuration) = related.as_ref().or(configuration.as_ref()) {
                    configure(work, configuration, sources);
                }
            }
            Work::Forward(forwarding) => return forward(transaction, work, forwarding).await,
            Work::DeadLetter(about, publication) => {
                return consumers::dead_letter(transaction, work, (about, publication), sources.now_ms).await;
            }
            Work::Sourced(to, publication) => {
                return sourced::publish_sourced(transaction, work, (to, publication), sources.now_ms).await;
            }
            Work::Redrive(retraction, redrive) => {
                return consumers::redrive(transaction, work, retraction, redrive).await;
            }
            Work::Delete(deletion) => delete(work, deletion),
            Work::Purge(purge) => return settle_purge(transaction, work, id, purge).await,
            Work::Affiliate(change) if change.entries.is_empty() => {
                return Ok(Some(answer(Outcome::Affiliated { rejected: change.rejected.clone() })));
            }
            Work::Affiliate(change) => {
                work.changes.rules = true;
                work.changes.recipients = true;
                subscriptions::settle_pending(transaction, work, id, change).await?;
            }
            Work::Retract(retraction) => {
                return retract(transaction, work, id, retraction).await;
            }
            Work::Subscribe(_)
            | Work::Unsubscribe(_)
            | Work::SetOptions(_)
            | Work::Expire(_)
            | Work::Park(_)
            | Work::ManageSubscriptions(_) => {
                return subscriptions::settle(transaction, sources, work, id, &entry.work).await;
            }
        }
        Ok(None)
    }
}

/// `Some` if there is nothing to purge any more behind a publisher who has gone.
async fn settle_purge(
    transaction: &mut dyn Transaction,
    work: &mut NodeWork,
    id: NodeId,
    purge: &Purge,
) -> Result<Option<EntryResult>, StoreError> {
    if purge.behind.is_some() {
        let newest = transaction.last_item(id, None).await?;
        if !purge::settle(purge, newest.as_ref().map(|newest| &newest.publisher)) {
            return Ok(Some(answer(Outcome::Purged)));
        }
    }
    work.changes.purge = true;
    work.drafts.push(draft(EventKind::Purged, &purge.purger, purge.notify));
    Ok(None)
}

async fn publish(
    transaction: &mut dyn Transaction,
    work: &mut NodeWork,
    id: NodeId,
    publication: &publish::Publication,
    now_ms: i64,
) -> Result<Option<EntryResult>, StoreError> {
    if let Some(publisher) = &publication.only_if_subscribed {
        let existing = transaction.existing_subscriptions(id, publisher).await?;
        if let Err(error) = publish::settle(&existing.of_bare, now_ms) {
            return Ok(Some(EntryResult::Refused(error)));
        }
    }
    if publication.overflow.is_some() {
        match push_out(transaction, work, id, publication, now_ms).await? {
            Err(error) => return Ok(Some(EntryResult::Refused(error))),
            Ok(pushed_out) => work.pushed_out = pushed_out,
        }
    }
    let due = matches!(publication.overflow, Some(publish::Overflow::Retracted { notify: true, .. }));
    let retracted =
        |id: &ItemId| draft(EventKind::Retracted { item_id: id.clone() }, &publication.publisher, due);
    work.drafts.extend(published(publication).chain(work.pushed_out.iter().map(retracted)));
    Ok(None)
}

/// The items that are taken back for those which are published.
async fn push_out(
    transaction: &mut dyn Transaction,
    work: &NodeWork,
    id: NodeId,
    publication: &publish::Publication,
    now_ms: i64,
) -> Result<Result<Vec<ItemId>, BusError>, StoreError> {
    let ids: Vec<_> = publication.items.iter().map(|item| item.id.clone()).collect();
    let overwritten = transaction.find_items(id, &ids).await?;
    let item_count = transaction.count_items(id).await?;
    let count = match publish::settle_room(publication, item_count, &overwritten) {
        Ok(0) => return Ok(Ok(Vec::new())),
        Ok(count) => count,
        Err(error) => return Ok(Err(error)),
    };
    let mut oldest = transaction.oldest_items(id, count + overwritten.len() as u64).await?;
    oldest.retain(|item| !ids.contains(&item.id));
    oldest.truncate(usize::try_from(count).unwrap_or(usize::MAX));
    let config = work.facts.as_ref().map(|facts| &facts.config);
    let expired_through_ms = config.and_then(|config| retention::expired_through_ms(config, now_ms));
    Ok(publish::settle_pushed_out(publication, oldest, expired_through_ms))
}

fn delete(work: &mut NodeWork, deletion: &delete::Deletion) {
    work.changes.rules = true;
    let kind = EventKind::Deleted { redirect: deletion.redirect.clone() };
    work.drafts.push(draft(kind, &deletion.deleter, deletion.notify));
}

async fn retract(
    transaction: &mut dyn Transaction,
    work: &mut NodeWork,
    id: NodeId,
    retraction: &retract::Retraction,
) -> Result<Option<EntryResult>, StoreError> {
    let stored = transaction.find_items(id, &retraction.item_ids).await?;
    if let Err(error) = retract::settle(retraction, &stored) {
        return Ok(Some(EntryResult::Refused(error)));
    }
    work.retracted = stored.into_iter().map(|item| (item.id, item.seq)).collect();
    work.drafts.extend(retraction.item_ids.iter().map(|item_id| {
        let kind = EventKind::Retracted { item_id: item_id.clone() };
        draft(kind, &retraction.retractor, retraction.notify)
    }));
    Ok(None)
}

/// Of a node in memory only those are told who are there; on disk the log has it whether or not anybody is told.
fn configure(work: &mut NodeWork, configuration: &configure::Configuration, sources: &Sources<'_>) {
    work.config = Some(configuration.config.clone());
    work.changes.rules = true;
    let before = work.facts.as_ref().map(|facts| &facts.config);
    if let Some(before) = before.filter(|before| configuration.makes_collection_of(before)) {
        // A collection has no items (XEP-0248 §8.3.2.5).
        let due = before.notifies_of_retractions();
        work.changes.purge = true;
        work.drafts.push(self::draft(EventKind::Purged, &configuration.configurer, due));
    }
    let draft = draft(EventKind::Configured, &configuration.configurer, configuration.notify);
    if !configuration.config.is_transient() {
        work.drafts.push(draft);
    } else if configuration.notify {
        work.announced = Some(Arc::new(Event {
            seq: 0,
            kind: draft.kind,
            publisher: draft.publisher,
            published_at_ms: sources.now_ms,
            recipients_version: 0,
            due_after_seq: Some(0),
        }));
    }
}

/// The configuration was so already.
fn unchanged(work: &NodeWork) -> EntryResult {
    let config = work.facts.as_ref().map(|facts| facts.config.clone()).unwrap_or_default();
    answer(Outcome::Configured(config))
}

/// An event for each item.
pub(super) fn published(publication: &publish::Publication) -> impl Iterator<Item = Draft> {
    publication.items.iter().map(|item| Draft {
        kind: EventKind::Published { item_id: item.id.clone(), payload: item.payload.clone() },
        publisher: publication.publisher.clone(),
        due: publication.notify,
        may_overwrite: !item.id_generated,
    })
}

fn draft(kind: EventKind, publisher: &bus_domain::Jid, due: bool) -> Draft {
    Draft { kind, publisher: publisher.clone(), due, may_overwrite: false }
}

fn answer(outcome: Outcome) -> EntryResult {
    EntryResult::Done { outcome: Box::new(outcome), facts: FactsAfter::Same }
}
