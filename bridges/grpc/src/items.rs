//! `stanzabus.v1.Nodes.ListItems`: items by count, by id, and page by page.

use bus_domain::retrieve::{Page, PageAt, Selection};
use bus_domain::{Actor, BareJid, ItemId, Limits, NodeFacts};
use bus_engine::{Engine, EventIds, EventRef, ItemListing};
use tonic::Status;

use crate::convert::{PayloadForm, event_to_message, item_id, node_name};
use crate::status::{field_status, invalid_field, status};
use crate::v1;
use crate::v1::list_items_request::Selection as Wanted;

pub(crate) async fn list(
    engine: &Engine,
    service: &BareJid,
    actor: &Actor,
    request: v1::ListItemsRequest,
) -> Result<v1::ListItemsResponse, Status> {
    let ids = engine.event_ids();
    let node = node_name("node", &request.node)?;
    let form = PayloadForm::from_message("payload_format", request.payload_format, service)?;
    let wanted = request.selection.unwrap_or_else(|| Wanted::Page(v1::ItemPage::default()));
    let start = match &wanted {
        Wanted::Page(page) => page_start(ids, &page.page_token)?,
        Wanted::Newest(_) | Wanted::Ids(_) => None,
    };
    let selection = selection(&wanted, start, &engine.settings().limits)?;
    let listing = engine.items(actor, &node, selection).await.map_err(|error| status(&error))?;
    if start.is_some_and(|start| !is_of(start, &listing.node)) {
        return Err(foreign_token());
    }
    Ok(response(ids, &form, &listing, &wanted))
}

fn selection(wanted: &Wanted, start: Option<EventRef>, limits: &Limits) -> Result<Selection, Status> {
    match wanted {
        Wanted::Newest(0) => Err(invalid_field("newest", "must be at least 1")),
        Wanted::Newest(items_max) => Ok(Selection::Newest(Some(*items_max))),
        Wanted::Ids(ids) => Ok(Selection::ById(by_id(&ids.item_ids, limits)?)),
        Wanted::Page(page) => {
            let at = start.map_or(PageAt::First, |start| PageAt::After(start.seq));
            let items_max = if page.page_size == 0 { limits.page_items_max } else { page.page_size };
            Ok(Selection::Page(Page { at, items_max }))
        }
    }
}

fn by_id(ids: &[String], limits: &Limits) -> Result<Vec<ItemId>, Status> {
    if ids.is_empty() {
        return Err(invalid_field("ids.item_ids", "must not be empty"));
    }
    if ids.len() > limits.request_items_max {
        let error = bus_domain::BusError::TooManyItems { items_max: limits.request_items_max };
        return Err(field_status("ids.item_ids", &error));
    }
    ids.iter().enumerate().map(|(index, id)| item_id(&format!("ids.item_ids[{index}]"), id)).collect()
}

/// The event behind which a page starts: a token is an event id.
fn page_start(ids: &EventIds, token: &str) -> Result<Option<EventRef>, Status> {
    if token.is_empty() {
        return Ok(None);
    }
    ids.parse_event_id(token).map(Some).ok_or_else(foreign_token)
}

fn is_of(event: EventRef, node: &NodeFacts) -> bool {
    event.node == node.id && event.epoch == node.epoch
}

fn foreign_token() -> Status {
    invalid_field("page.page_token", "is not a token of this node and of the present epoch of its log")
}

fn response(
    ids: &EventIds,
    form: &PayloadForm,
    listing: &ItemListing,
    wanted: &Wanted,
) -> v1::ListItemsResponse {
    let items: Vec<_> =
        listing.items.iter().map(|event| event_to_message(ids, &listing.node, form, event)).collect();
    let through = listing.first_index.map_or(listing.count, |first| first + items.len() as u64);
    let next_page_token = match (wanted, items.last()) {
        (Wanted::Page(_), Some(last)) if through < listing.count => last.event_id.clone(),
        _ => String::new(),
    };
    v1::ListItemsResponse {
        total_size: (!matches!(wanted, Wanted::Ids(_))).then_some(listing.count),
        next_page_token,
        truncated: listing.truncated,
        items,
    }
}
