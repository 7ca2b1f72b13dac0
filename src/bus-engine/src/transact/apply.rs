use std::sync::Arc;

use bus_domain::{
    Affiliation, Affiliations, BusError, Durability, Epoch, NodeFacts, Subscription, SubscriptionState,
    affiliate, publish, retract, subscribe,
};
use bus_store::{HeadAfter, NodeRow, Recipient, StoreError, Transaction};

use super::node_work::NodeWork;
use super::{Sources, Writing};
use crate::committer::{Entry, EntryResult, FactsAfter, Work};
use crate::dispatcher::{RecipientChange, RecipientDelta};
use crate::{Created, Outcome, Published};

impl Writing<'_> {
    /// Writes what is left beside events and items, and fills in the answers.
    pub(super) async fn apply(
        &mut self,
        transaction: &mut dyn Transaction,
        sources: &Sources<'_>,
    ) -> Result<(), StoreError> {
        for work in &mut self.works {
            if let (Some(created), [index]) = (work.created.take(), &*work.entries) {
                self.results[*index] = created;
            }
            let (Some(facts), Some(head)) = (work.facts.clone(), work.head) else { continue };
            let mut next_seq = work.events.first().map_or(head.seq, |event| event.seq);
            for &index in &work.entries.clone() {
                let entry = &self.batch.entries[index];
                self.results[index] = match &entry.work {
                    Work::Publish(publication) => {
                        let first_seq = next_seq;
                        next_seq += publication.items.len() as u64;
                        published(&facts, publication, first_seq)
                    }
                    Work::Retract(retraction) => retracted(transaction, &facts, retraction).await?,
                    Work::Subscribe(subscribing) => {
                        subscribed(transaction, work, &facts, head, subscribing).await?
                    }
                    Work::Unsubscribe(_) => unsubscribed(transaction, work, &facts, head).await?,
                    Work::Park(_) => parked(transaction, work, &facts, head, sources).await?,
                    Work::Affiliate(change) => affiliated(transaction, work, &facts, head, change).await?,
                    Work::Delete(_) => {
                        transaction.retire_node(facts.id, sources.now_ms).await?;
                        EntryResult::Done { outcome: Outcome::Deleted, facts: FactsAfter::Now(None) }
                    }
                    Work::Create(_) => EntryResult::Refused(BusError::NodeExists),
                };
            }
        }
        Ok(())
    }
}

/// Makes the node; it has no head that could move, so this is all there is to it.
pub(super) async fn create(
    transaction: &mut dyn Transaction,
    sources: &Sources<'_>,
    work: &mut NodeWork,
    entry: &Entry,
) -> Result<Option<EntryResult>, StoreError> {
    let Work::Create(new) = &entry.work else {
        return Ok(Some(EntryResult::Refused(BusError::NodeNotFound)));
    };
    let random = sources.ids.random_bytes();
    let epoch = Epoch(u64::from_be_bytes(std::array::from_fn(|index| random[index])));
    let row = NodeRow {
        name: entry.node.clone(),
        epoch,
        owner: new.owner.clone(),
        config: new.config.clone(),
        created_at_ms: sources.now_ms,
    };
    let Some(id) = transaction.insert_node(&row).await? else {
        return Ok(Some(EntryResult::Refused(BusError::NodeExists)));
    };
    let affiliations: Affiliations = [(new.owner.clone(), Affiliation::Owner)].into_iter().collect();
    work.created = Some(EntryResult::Done {
        outcome: Outcome::Created(Created { epoch }),
        facts: FactsAfter::Now(Some(Arc::new(NodeFacts {
            id,
            name: row.name,
            epoch,
            creator: row.owner,
            created_at_ms: row.created_at_ms,
            config: row.config,
            affiliations: Arc::new(affiliations),
            rules_version: 1,
        }))),
    });
    Ok(None)
}

fn published(facts: &NodeFacts, publication: &publish::Publication, first_seq: u64) -> EntryResult {
    let Durability::Fsync = facts.config.durability;
    EntryResult::Done {
        outcome: Outcome::Published(Published {
            epoch: facts.epoch,
            first_seq,
            item_ids: publication.items.iter().map(|item| item.id.clone()).collect(),
            durability: Durability::Fsync,
        }),
        facts: FactsAfter::Same,
    }
}

async fn retracted(
    transaction: &mut dyn Transaction,
    facts: &NodeFacts,
    retraction: &retract::Retraction,
) -> Result<EntryResult, StoreError> {
    let items: Vec<_> = retraction.item_ids.iter().map(|id| (facts.id, id.clone())).collect();
    let removed = transaction.remove_items(&items).await?.len() as u64;
    transaction.lower_item_counts(&[(facts.id, removed)]).await?;
    Ok(EntryResult::Done { outcome: Outcome::Retracted, facts: FactsAfter::Same })
}

async fn subscribed(
    transaction: &mut dyn Transaction,
    work: &mut NodeWork,
    facts: &NodeFacts,
    head: HeadAfter,
    subscribing: &subscribe::Subscribing,
) -> Result<EntryResult, StoreError> {
    let subscription = if let Some(revived) = work.subscription.take() {
        transaction.revive_subscription(facts.id, revived.id).await?;
        revived
    } else {
        let subscription = Subscription {
            id: head.last_subscription,
            jid: subscribing.jid.clone(),
            state: SubscriptionState::Subscribed,
            since_seq: head.seq,
        };
        transaction.insert_subscription(facts.id, &subscription).await?;
        subscription
    };
    let affiliation = facts.affiliations.of(&subscription.jid.to_bare());
    work.delta = Some(RecipientDelta {
        recipients_version: head.recipients_version,
        change: RecipientChange::Added(Recipient { subscription: subscription.clone(), affiliation }),
    });
    Ok(EntryResult::Done { outcome: Outcome::Subscribed(subscription), facts: FactsAfter::Same })
}

async fn unsubscribed(
    transaction: &mut dyn Transaction,
    work: &mut NodeWork,
    facts: &NodeFacts,
    head: HeadAfter,
) -> Result<EntryResult, StoreError> {
    let Some(subscription) = work.subscription.take() else {
        return Ok(EntryResult::Refused(BusError::NotSubscribed));
    };
    transaction.remove_subscription(facts.id, subscription.id).await?;
    work.delta = Some(RecipientDelta {
        recipients_version: head.recipients_version,
        change: RecipientChange::Removed(subscription.id),
    });
    Ok(EntryResult::Done { outcome: Outcome::Unsubscribed(subscription), facts: FactsAfter::Same })
}

async fn parked(
    transaction: &mut dyn Transaction,
    work: &mut NodeWork,
    facts: &NodeFacts,
    head: HeadAfter,
    sources: &Sources<'_>,
) -> Result<EntryResult, StoreError> {
    let Some(subscription) = work.subscription.take() else {
        return Ok(EntryResult::Refused(BusError::NotSubscribed));
    };
    transaction.park_subscription(facts.id, subscription.id, sources.now_ms).await?;
    work.delta = Some(RecipientDelta {
        recipients_version: head.recipients_version,
        change: RecipientChange::Removed(subscription.id),
    });
    Ok(EntryResult::Done { outcome: Outcome::Parked(subscription), facts: FactsAfter::Same })
}

async fn affiliated(
    transaction: &mut dyn Transaction,
    work: &mut NodeWork,
    facts: &NodeFacts,
    head: HeadAfter,
    change: &affiliate::Change,
) -> Result<EntryResult, StoreError> {
    transaction.put_affiliations(facts.id, &change.entries).await?;
    work.delta =
        Some(RecipientDelta { recipients_version: head.recipients_version, change: RecipientChange::Access });
    let facts = NodeFacts {
        affiliations: Arc::new(change.result.clone()),
        rules_version: head.rules_version,
        ..facts.clone()
    };
    Ok(EntryResult::Done { outcome: Outcome::Affiliated, facts: FactsAfter::Now(Some(Arc::new(facts))) })
}
