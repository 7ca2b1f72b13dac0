use std::sync::Arc;

use bus_domain::create::NewNode;
use bus_domain::{Affiliation, Affiliations, BusError, NodeFacts};
use bus_store::{NodeRow, StoreError, Transaction};

use super::Sources;
use super::node_work::NodeWork;
use super::placing::{Placed, place};
use super::relating::Pointing;
use super::settle::published;
use crate::committer::{Entry, EntryResult, FactsAfter, Work};
use crate::epochs::new_epoch;
use crate::{Created, Outcome};

/// Makes the node. A new one has no head that could move, so this is all there is to it; one that something is published
/// on goes the way of all others from here. Whoever lost a race for its name decides again, on what is there now.
pub(super) async fn create(
    transaction: &mut dyn Transaction,
    sources: &Sources<'_>,
    work: &mut NodeWork,
    entry: &Entry,
) -> Result<Option<EntryResult>, StoreError> {
    match &entry.work {
        Work::Create(new, placing) => {
            if placing.is_some() {
                transaction.savepoint().await?;
            }
            let Some(mut facts) = insert(transaction, sources, entry, new).await? else {
                return Ok(Some(EntryResult::Refused(BusError::NodeExists)));
            };
            if let Some(placing) = placing {
                match place(transaction, &facts.name, placing).await? {
                    Ok(Placed { children, relation }) => {
                        work.children = children;
                        if let Pointing::New(relation) = relation {
                            facts.config.relation = relation;
                            transaction.put_config(facts.id, &facts.config).await?;
                            work.has_new_relation = true;
                        }
                    }
                    Err(refused) => {
                        transaction.undo_to_savepoint().await?;
                        return Ok(Some(EntryResult::Refused(refused)));
                    }
                }
            }
            let created = Created { epoch: facts.epoch, config: facts.config.clone() };
            work.created = Some(EntryResult::Done {
                outcome: Box::new(Outcome::Created(created)),
                facts: FactsAfter::Now(Some(Arc::new(facts))),
            });
            Ok(None)
        }
        Work::PublishNew(new, publication) => {
            // Only who asks for the node makes it anew; a publish is told where it has moved.
            if let Some(to) = transaction.find_redirect(&entry.node).await? {
                return Ok(Some(EntryResult::Refused(BusError::NodeMoved { to })));
            }
            let Some(facts) = insert(transaction, sources, entry, new).await? else {
                return Ok(Some(EntryResult::Stale));
            };
            work.facts = Some(Arc::new(facts));
            work.drafts.extend(published(publication));
            Ok(None)
        }
        _ => Ok(Some(EntryResult::Refused(BusError::NodeNotFound))),
    }
}

/// `None` if the name is taken.
async fn insert(
    transaction: &mut dyn Transaction,
    sources: &Sources<'_>,
    entry: &Entry,
    new: &NewNode,
) -> Result<Option<NodeFacts>, StoreError> {
    let row = NodeRow {
        name: entry.node.clone(),
        epoch: new_epoch(sources.ids),
        owner: new.owner.clone(),
        config: new.config.clone(),
        created_at_ms: sources.now_ms,
    };
    let Some(id) = transaction.insert_node(&row).await? else { return Ok(None) };
    let affiliations: Affiliations = [(new.owner.clone(), Affiliation::Owner)].into_iter().collect();
    Ok(Some(sources.process_epoch.applied_to(NodeFacts {
        id,
        name: row.name,
        epoch: row.epoch,
        creator: row.owner,
        created_at_ms: row.created_at_ms,
        config: row.config,
        affiliations: Arc::new(affiliations),
        rules_version: 1,
        above: None,
        is_orphan: false,
    })))
}
