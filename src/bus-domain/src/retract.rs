//! Retract: may the actor, and are the items there.

use std::collections::{HashMap, HashSet};

use jid::{BareJid, Jid};

use crate::access::{Action, may};
use crate::{Actor, BadRequest, BusError, Feature, ItemId, Limits, NodeFacts, Seq};

/// A request to take items back; all of them or none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Which items.
    pub item_ids: Vec<ItemId>,
    /// Whether subscribers are told; `None` leaves it to the node.
    pub notify: Option<bool>,
}

/// A retraction that the node's rules allow; whether the items do is settled in the transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retraction {
    /// Who retracts, as authenticated.
    pub retractor: Jid,
    /// Which items.
    pub item_ids: Vec<ItemId>,
    /// With an address: only items that it published.
    pub only_published_by: Option<BareJid>,
    /// Whether subscribers are told.
    pub notify: bool,
}

/// An item as the store holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredItem {
    /// Its id.
    pub id: ItemId,
    /// Its newest event.
    pub seq: Seq,
    /// Who published it.
    pub publisher: Jid,
    /// When that was committed, in milliseconds since 1970.
    pub published_at_ms: i64,
}

/// Decides on the node's rules (XEP-0060 §7.2). Where no items are kept there is nothing to take back (§7.2.3.5).
pub fn decide(
    facts: &NodeFacts,
    actor: &Actor,
    request: Request,
    limits: &Limits,
) -> Result<Retraction, BusError> {
    let any = may(facts, actor, Action::RetractAny).is_ok();
    if !any {
        may(facts, actor, Action::RetractOwn)?;
    }
    if !facts.config.persist_items {
        return Err(BusError::Unsupported(Feature::PersistentItems));
    }
    if request.item_ids.is_empty() {
        return Err(BadRequest::ItemRequired.into());
    }
    if request.item_ids.len() > limits.request_items_max {
        return Err(BusError::TooManyItems { items_max: limits.request_items_max });
    }
    Ok(Retraction {
        retractor: actor.jid().clone(),
        item_ids: without_repeats(request.item_ids),
        only_published_by: (!any).then(|| actor.bare().clone()),
        notify: facts.config.deliver_notifications && request.notify.unwrap_or(facts.config.notify_retract),
    })
}

/// Decides on the items: every one must be there and be the actor's to take back.
pub fn settle(retraction: &Retraction, stored: &[StoredItem]) -> Result<(), BusError> {
    let stored: HashMap<&ItemId, &StoredItem> = stored.iter().map(|item| (&item.id, item)).collect();
    for id in &retraction.item_ids {
        let item = stored.get(id).ok_or(BusError::ItemNotFound)?;
        if retraction.only_published_by.as_ref().is_some_and(|jid| *jid != item.publisher.to_bare()) {
            return Err(BusError::Forbidden);
        }
    }
    Ok(())
}

/// An item named twice is retracted once.
fn without_repeats(item_ids: Vec<ItemId>) -> Vec<ItemId> {
    let mut seen = HashSet::new();
    item_ids.into_iter().filter(|id| seen.insert(id.clone())).collect()
}

#[cfg(test)]
mod tests;
