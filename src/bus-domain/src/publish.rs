//! Publish: may the actor, and which items exactly.

use std::collections::HashSet;

use jid::{BareJid, Jid};

use crate::access::{Action, depends_on_subscription, may_as};
use crate::create::{self, NewNode};
use crate::idempotency::Once;
use crate::retract::StoredItem;
use crate::{
    Actor, BadRequest, BusError, Feature, ItemId, Limits, NodeConfig, NodeFacts, Payload, Setting,
    Subscription, SubscriptionState, WhenItemsFull,
};

mod expected_head;

pub use expected_head::ExpectedHead;

/// A request to publish; all of its items stand or fall together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Request {
    /// In the order in which they are to be published.
    pub items: Vec<NewItem>,
    /// How the node must be configured, or nothing is published (XEP-0060 §7.1.5).
    pub preconditions: Vec<Setting>,
    /// Why a precondition can hold on no node, if that is so.
    pub unmeetable: Option<BusError>,
    /// Whether a node that is not there is made (§7.1.4), and so that the preconditions hold.
    pub creates_node: bool,
    /// With it, a repeat of the request publishes nothing and is answered as the first one was.
    pub once: Option<Once>,
    /// Where the log must end.
    pub expected_head: Option<ExpectedHead>,
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
    /// Whether subscribers are told.
    pub notify: bool,
    /// With an address: only if it is subscribed, which is settled in the transaction.
    pub only_if_subscribed: Option<BareJid>,
    /// What becomes of items for which there is no room, where that is settled in the transaction, too. `None` lets the
    /// oldest go.
    pub overflow: Option<Overflow>,
    /// With it, only if the request has not been carried out before, which is settled first of all in the transaction.
    pub once: Option<Once>,
    /// Where the log must end, which is settled there as well.
    pub expected_head: Option<ExpectedHead>,
}

/// What is settled about items for which there is no room (XEP-0060 §7.1.2.5, §7.1.3.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Overflow {
    /// Nothing is published that would push out what has not expired.
    Refused {
        /// Items that the node keeps.
        items_max: u64,
    },
    /// What is pushed out before it has expired is taken back.
    Retracted {
        /// Items that the node keeps.
        items_max: u64,
        /// Whether subscribers are told.
        notify: bool,
    },
}

impl Publication {
    /// The ids of the items, in their order; none on a node that takes no items.
    pub fn shown_ids(&self, config: &NodeConfig) -> Vec<ItemId> {
        let items = if config.takes_no_items() { &[] } else { &self.items[..] };
        items.iter().map(|item| item.id.clone()).collect()
    }
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
    next_id: impl FnMut() -> ItemId,
) -> Result<Publication, BusError> {
    let depends = depends_on_subscription(facts, actor, Action::Publish);
    may_as(facts, actor, depends, Action::Publish)?;
    check_leaf(&facts.config)?;
    if request.unmeetable.is_some() || !facts.config.meets(&request.preconditions) {
        return Err(BusError::PreconditionNotMet);
    }
    if request.once.is_some() && facts.is_transient() {
        return Err(BusError::RequestIdNotKept);
    }
    let conditions = (request.once, request.expected_head);
    let publication = compose(&facts.config, actor, request.items, conditions, limits, next_id)?;
    let items_max = u64::from(facts.config.items_max(limits));
    let overflow = match facts.config.when_items_full {
        _ if !facts.config.minds_when_full() => None,
        WhenItemsFull::DiscardOldest => None,
        WhenItemsFull::RetractOldest => Some(Overflow::Retracted { items_max, notify: publication.notify }),
        WhenItemsFull::Reject => Some(Overflow::Refused { items_max }),
    };
    let only_if_subscribed = depends.then(|| actor.bare().clone());
    Ok(Publication { only_if_subscribed, overflow, ..publication })
}

/// How many of the items that the node has, and that are not overwritten, make room for this publication: its oldest ones.
pub fn settle_room(
    publication: &Publication,
    item_count: u64,
    overwritten: &[StoredItem],
) -> Result<u64, BusError> {
    let known: HashSet<_> = overwritten.iter().map(|item| &item.id).collect();
    let new: HashSet<_> = publication.items.iter().map(|item| &item.id).collect();
    let new = new.difference(&known).count() as u64;
    let over = |items_max: u64| (item_count + new).saturating_sub(items_max);
    match publication.overflow {
        None => Ok(0),
        _ if new == 0 => Ok(0),
        // A bound was lowered, and the rest goes by itself.
        Some(Overflow::Refused { items_max }) if over(items_max) > new => Err(BusError::NodeFull),
        Some(Overflow::Refused { items_max } | Overflow::Retracted { items_max, .. }) => {
            Ok(over(items_max).min(new))
        }
    }
}

/// Decides on the items that would make room: those that have expired go without a word, and the others are taken back, or
/// stay and nothing is published.
pub fn settle_pushed_out(
    publication: &Publication,
    mut pushed_out: Vec<StoredItem>,
    expired_through_ms: Option<i64>,
) -> Result<Vec<ItemId>, BusError> {
    pushed_out.retain(|item| expired_through_ms.is_none_or(|moment| item.published_at_ms > moment));
    let live = pushed_out.into_iter().map(|item| item.id).collect::<Vec<_>>();
    match publication.overflow {
        Some(Overflow::Refused { .. }) if !live.is_empty() => Err(BusError::NodeFull),
        Some(Overflow::Retracted { .. }) => Ok(live),
        Some(Overflow::Refused { .. }) | None => Ok(Vec::new()),
    }
}

/// Decides on the subscriptions of the publisher's address.
pub fn settle(of_bare: &[Subscription], now_ms: i64) -> Result<(), BusError> {
    let counts =
        |it: &Subscription| it.state == SubscriptionState::Subscribed && !it.options.has_expired(now_ms);
    let is_subscribed = of_bare.iter().any(counts);
    if is_subscribed { Ok(()) } else { Err(BusError::Forbidden) }
}

/// Decides a publish on a node that is not there: it is made with the defaults and what the preconditions say, by whoever
/// may make nodes, and only together with the items.
pub fn decide_new(
    actor: &Actor,
    request: Request,
    limits: &Limits,
    next_id: impl FnMut() -> ItemId,
) -> Result<(NewNode, Publication), BusError> {
    if !request.creates_node {
        return Err(BusError::NodeNotFound);
    }
    if let Some(error) = request.unmeetable {
        return Err(error);
    }
    let config = NodeConfig::default().with(&request.preconditions);
    if config.is_transient() {
        return Err(BusError::invalid_config("a node in memory is made before anything is published on it"));
    }
    check_leaf(&config)?;
    let new = create::decide(None, actor, config, limits)?;
    if request.expected_head.is_some_and(|it| it != ExpectedHead { seq: 0, epoch: None }) {
        return Err(BusError::NodeNotFound);
    }
    let conditions = (request.once, None);
    let publication = compose(&new.config, actor, request.items, conditions, limits, next_id)?;
    Ok((new, publication))
}

/// Collections have no items (§7.1.3.2, XEP-0248 §4.1).
fn check_leaf(config: &NodeConfig) -> Result<(), BusError> {
    if config.is_collection() { Err(BusError::Unsupported(Feature::Publish)) } else { Ok(()) }
}

fn compose(
    config: &NodeConfig,
    actor: &Actor,
    items: Vec<NewItem>,
    (once, expected_head): (Option<Once>, Option<ExpectedHead>),
    limits: &Limits,
    mut next_id: impl FnMut() -> ItemId,
) -> Result<Publication, BusError> {
    let items = occurrence(config, items)?;
    check_count(config, items.len(), limits)?;
    let complete = |item| complete(config, item, limits, &mut next_id);
    let items = items.into_iter().map(complete).collect::<Result<_, _>>()?;
    let (publisher, notify) = (actor.jid().clone(), config.deliver_notifications);
    let (only_if_subscribed, overflow) = (None, None);
    Ok(Publication { publisher, items, notify, only_if_subscribed, overflow, once, expected_head })
}

/// A node that takes no items is told that something has happened by a publish without one (§7.1.3.7): an event under an id
/// that nobody sees.
fn occurrence(config: &NodeConfig, items: Vec<NewItem>) -> Result<Vec<NewItem>, BusError> {
    match (config.takes_no_items(), items.is_empty()) {
        (true, true) => Ok(vec![NewItem { id: None, payload: None }]),
        (true, false) => Err(BadRequest::ItemForbidden.into()),
        (false, _) => Ok(items),
    }
}

/// At least one item, and not more than a request may carry or the node keeps (XEP-0060 §12.11).
fn check_count(config: &NodeConfig, items: usize, limits: &Limits) -> Result<(), BusError> {
    if items == 0 {
        return Err(BadRequest::ItemRequired.into());
    }
    let items_max = match usize::try_from(config.items_max(limits)) {
        Ok(node_keeps) if config.persist_items => limits.request_items_max.min(node_keeps),
        _ => limits.request_items_max,
    };
    if items > items_max {
        return Err(BusError::TooManyItems { items_max });
    }
    Ok(())
}

/// Checks the payload (XEP-0060 §7.1.3) and sees to an id.
fn complete(
    config: &NodeConfig,
    item: NewItem,
    limits: &Limits,
    next_id: &mut impl FnMut() -> ItemId,
) -> Result<PublishedItem, BusError> {
    let bytes_max = config.payload_bytes_max(limits);
    match &item.payload {
        None if config.deliver_payloads => return Err(BadRequest::PayloadRequired.into()),
        Some(payload) if payload.len_bytes() > bytes_max => {
            return Err(BusError::PayloadTooBig { bytes_max });
        }
        _ => {}
    }
    let id_generated = item.id.is_none();
    Ok(PublishedItem { id: item.id.unwrap_or_else(next_id), id_generated, payload: item.payload })
}

#[cfg(test)]
mod tests;
