//! Publish: may the actor, and which items exactly.

use jid::Jid;

use crate::access::{Action, may};
use crate::{Actor, BadRequest, BusError, ItemId, Limits, NodeFacts, Payload};

/// A request to publish; all of its items stand or fall together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// In the order in which they are to be published.
    pub items: Vec<NewItem>,
}

/// One item of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewItem {
    /// The publisher's id for it; an item of this id is overwritten.
    pub id: Option<ItemId>,
    /// The content.
    pub payload: Option<Payload>,
}

/// What is to be committed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Publication {
    /// Who publishes, as authenticated.
    pub publisher: Jid,
    /// The items, each with an id.
    pub items: Vec<PublishedItem>,
    /// Items that the node keeps.
    pub items_max: u32,
}

/// One item of a publication.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublishedItem {
    /// Given or generated.
    pub id: ItemId,
    /// Generated ids are new for certain, so nothing has to be looked for that they might overwrite.
    pub id_generated: bool,
    /// The content.
    pub payload: Option<Payload>,
}

/// Decides a publish (XEP-0060 §7.1). `next_id` makes an id that no item has.
pub fn decide(
    facts: &NodeFacts,
    actor: &Actor,
    request: Request,
    limits: &Limits,
    mut next_id: impl FnMut() -> ItemId,
) -> Result<Publication, BusError> {
    may(facts, actor, Action::Publish)?;
    check_count(facts, request.items.len(), limits)?;
    let items = request
        .items
        .into_iter()
        .map(|item| complete(facts, item, limits, &mut next_id))
        .collect::<Result<_, _>>()?;
    Ok(Publication { publisher: actor.jid().clone(), items, items_max: facts.config.items_max })
}

/// At least one item, and not more than a request may carry or the node keeps (XEP-0060 §12.11).
fn check_count(facts: &NodeFacts, items: usize, limits: &Limits) -> Result<(), BusError> {
    if items == 0 {
        return Err(BadRequest::ItemRequired.into());
    }
    let items_max = match usize::try_from(facts.config.items_max) {
        Ok(node_keeps) if facts.config.persist_items => limits.request_items_max.min(node_keeps),
        _ => limits.request_items_max,
    };
    if items > items_max {
        return Err(BusError::TooManyItems { items_max });
    }
    Ok(())
}

/// Checks the payload (XEP-0060 §7.1.3) and sees to an id.
fn complete(
    facts: &NodeFacts,
    item: NewItem,
    limits: &Limits,
    next_id: &mut impl FnMut() -> ItemId,
) -> Result<PublishedItem, BusError> {
    match &item.payload {
        None if facts.config.deliver_payloads => return Err(BadRequest::PayloadRequired.into()),
        Some(payload) if payload.len_bytes() > limits.payload_bytes_max => {
            return Err(BusError::PayloadTooBig { bytes_max: limits.payload_bytes_max });
        }
        _ => {}
    }
    let id_generated = item.id.is_none();
    Ok(PublishedItem { id: item.id.unwrap_or_else(next_id), id_generated, payload: item.payload })
}

#[cfg(test)]
mod tests;
