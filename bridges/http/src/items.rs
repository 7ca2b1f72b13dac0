use std::sync::Arc;

use axum::extract::State;
use axum::http::header::{ACCEPT, CONTENT_TYPE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use bus_cloudevents::{Format, Position, arrived, json, protobuf, xml};
use bus_domain::BusError;
use bus_domain::retrieve::Selection;

use crate::auth::Authenticated;
use crate::path::{ItemPath, NodePath};
use crate::problem::Problem;
use crate::query::Query;
use crate::routes::Api;

/// Where an item's event stands in the log, as it is the id of a Server-Sent Event.
const POSITION: &str = "stanzabus-position";

/// `GET /v1/nodes/{node}/items/{item_id}`: an item, as a CloudEvent in the format that `Accept` asks for.
pub(crate) async fn get(
    State(api): State<Arc<Api>>,
    Authenticated(caller): Authenticated,
    NodePath(node): NodePath,
    ItemPath(item_id): ItemPath,
    query: Query,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    query.only(&[])?;
    let format = accepted(&headers)?;
    let listing = api.engine.items(caller.actor(), &node, Selection::ById(vec![item_id])).await;
    let listing = listing.map_err(|error| Problem::of(&error))?;
    let item = listing.items.first().ok_or_else(|| Problem::of(&BusError::ItemNotFound))?;
    let event = arrived(&api.settings.service, &listing.node, item);
    let body = match format {
        Format::Xml => xml::write(&event).into_bytes(),
        Format::Protobuf => protobuf::write(&event),
        _ => json::write(&event).into_bytes(),
    };
    let position = Position { epoch: listing.node.epoch, seq: item.seq };
    let headers = [(CONTENT_TYPE.as_str(), format.media_type().to_owned()), (POSITION, position.to_string())];
    Ok((StatusCode::OK, headers, body).into_response())
}

/// The first format that is asked for and known; JSON when anything will do.
fn accepted(headers: &HeaderMap) -> Result<Format, Problem> {
    let mut ranges = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let mut ranges = ranges.by_ref().flat_map(|value| value.split(',')).peekable();
    if ranges.peek().is_none() {
        return Ok(Format::Json);
    }
    let known = |range: &str| {
        let essence = range.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        match essence.as_str() {
            "*/*" | "application/*" | "application/json" => Some(Format::Json),
            _ => [Format::Json, Format::Xml, Format::Protobuf]
                .into_iter()
                .find(|format| format.media_type() == essence),
        }
    };
    ranges.find_map(known).ok_or_else(|| {
        let detail = "an item is sent as application/cloudevents+json, +xml or +protobuf";
        Problem::new(StatusCode::NOT_ACCEPTABLE, "NOT_ACCEPTABLE", detail)
    })
}
