use bus_domain::retrieve::{ItemOrder, Page, PageAt, Selection};
use bus_domain::{Actor, BusError, Event, ItemId, NodeConfig, NodeName, Seq};
use bus_engine::{Engine, EventRef, ItemListing};

use crate::errors::Refusal;
use crate::namespaces::PUBSUB;
use crate::notify::start_item;
use crate::order_by::Order;
use crate::page::{Entries, Keep};
use crate::parts::{Context, Parts, named_items};
use crate::request::{Query, Request};
use crate::rsm::{self, PageRequest, PageStart, PageSummary};
use crate::subscribe::sub_id;
use crate::xml::Xml;

/// Which items are asked for. Ids go before pages, and pages before `max_items`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ItemsRequest {
    /// Those of these ids (XEP-0060 §6.5.8).
    ById(Vec<ItemId>),
    /// The newest so many (§6.5.7), or all that fit.
    Newest(Option<u32>),
    /// A page (§6.5.4).
    Page(PageRequest),
}

/// Items as found, with what their encoding depends on.
#[derive(Debug)]
pub(crate) struct FoundItems {
    /// In the order that is asked for.
    listing: ItemListing,
    is_paged: bool,
    keep: Keep,
}

/// Reads `<items/>` (XEP-0060 §6.5).
pub(crate) fn parse(parts: &Parts<'_>, _: &Context<'_>) -> Result<Request, Refusal> {
    let node = parts.node()?;
    let ids = named_items(parts.verb())?;
    let newest = parts.verb().attr("max_items").map(items_max).transpose()?;
    let order = parts.order()?.unwrap_or_default();
    let items = match parts.page()? {
        _ if !ids.is_empty() => ItemsRequest::ById(ids),
        Some(page) => ItemsRequest::Page(page),
        None => ItemsRequest::Newest(newest),
    };
    if order.by == ItemOrder::Creation && matches!(items, ItemsRequest::ById(_)) {
        return Err(Refusal::NotImplemented("ordering items that are named by their ids"));
    }
    Ok(Request::Query(Query::Items { node, items, order, sub_id: sub_id(parts.verb()) }))
}

/// Looks items up. The UIDs of pages are the events' ids: they stay where they are while items come and go.
pub(crate) async fn find(
    engine: &Engine,
    actor: &Actor,
    node: &NodeName,
    request: ItemsRequest,
    order: Order,
) -> Result<FoundItems, Refusal> {
    let is_paged = matches!(request, ItemsRequest::Page(_));
    let (mut selection, reference) = select(engine, request)?;
    // Newest first is the same list, read from its other end.
    let is_reversed = order.is_descending;
    if let (true, Selection::Page(page)) = (is_reversed, &mut selection) {
        page.at = page.at.reversed();
    }
    let is_from_end = match &selection {
        Selection::Newest(_) => true,
        Selection::Page(page) => page.at.is_from_end(),
        Selection::ById(_) => false,
    };
    let mut listing = engine.items_by(actor, node, selection, order.by).await?;
    if reference.is_some_and(|it| it.node != listing.node.id || it.epoch != listing.node.epoch) {
        return Err(BusError::UnknownPosition.into());
    }
    if is_reversed {
        listing.items.reverse();
        listing.places.reverse();
        let in_front = |index: u64| listing.count.saturating_sub(index + listing.items.len() as u64);
        listing.first_index = listing.first_index.map(in_front);
    }
    let keep = if is_from_end == is_reversed { Keep::First } else { Keep::Last };
    Ok(FoundItems { listing, is_paged, keep })
}

/// Writes items with their payloads.
pub(crate) fn encode(engine: &Engine, found: &FoundItems, answer_bytes_max: usize, out: &mut Xml) {
    out.start_in("pubsub", PUBSUB);
    out.start("items").attribute("node", found.listing.node.name.as_str());
    let page = found.encode_entries(engine, answer_bytes_max, out, |event, out| {
        encode_item(event, &found.listing.node.config, out);
    });
    out.end();
    if let Some(page) = page {
        rsm::encode(&page, out);
    }
    out.end();
}

/// The payload is our own serialisation and declares its own namespace, so it is written as it is stored.
fn encode_item(event: &Event, config: &NodeConfig, out: &mut Xml) {
    start_item(event, config, out);
    if let Some(payload) = event.kind.payload() {
        out.raw(payload.as_str());
    }
    out.end();
}

impl FoundItems {
    /// Writes those that fit, and says where they lie if the requester pages or does not get all.
    pub(crate) fn encode_entries(
        &self,
        engine: &Engine,
        answer_bytes_max: usize,
        out: &mut Xml,
        write: impl Fn(&Event, &mut Xml),
    ) -> Option<PageSummary> {
        let items = &self.listing.items;
        let written = Entries::new(items, write).append(self.keep, answer_bytes_max, out);
        if !self.is_paged && !self.listing.truncated && written.len() == items.len() {
            return None;
        }
        let first_index = self.listing.first_index.map(|index| index + written.start as u64);
        let uid = |place: &Seq| {
            let node = &self.listing.node;
            engine.event_ids().event_id(EventRef { node: node.id, epoch: node.epoch, seq: *place })
        };
        let written = &self.listing.places[written];
        let ends = written.first().zip(written.last()).map(|(first, last)| (uid(first), uid(last)));
        Some(PageSummary { ends, first_index, count: Some(self.listing.count) })
    }
}

/// The engine's words for what is asked, and the event that a page starts from.
fn select(engine: &Engine, request: ItemsRequest) -> Result<(Selection, Option<EventRef>), Refusal> {
    let page = match request {
        ItemsRequest::ById(ids) => return Ok((Selection::ById(ids), None)),
        ItemsRequest::Newest(items_max) => return Ok((Selection::Newest(items_max), None)),
        ItemsRequest::Page(page) => page,
    };
    let known = |uid: &str| engine.event_ids().parse_event_id(uid).ok_or(BusError::UnknownPosition);
    let (at, reference) = match page.at {
        PageStart::First => (PageAt::First, None),
        PageStart::Last => (PageAt::Last, None),
        PageStart::Index(index) => (PageAt::Index(index), None),
        PageStart::After(uid) => known(&uid).map(|event| (PageAt::After(event.seq), Some(event)))?,
        PageStart::Before(uid) => known(&uid).map(|event| (PageAt::Before(event.seq), Some(event)))?,
    };
    Ok((Selection::Page(Page { at, items_max: page.entries_max.unwrap_or(u32::MAX) }), reference))
}

/// `max_items` is a number from 1 on.
fn items_max(text: &str) -> Result<u32, Refusal> {
    match rsm::number(text)? {
        0 => Err(BusError::bad_request("max_items must be a number from 1 on").into()),
        number => Ok(u32::try_from(number).unwrap_or(u32::MAX)),
    }
}
