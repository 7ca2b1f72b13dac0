use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use bus_cloudevents::{
    BatchError, CloudEvent, CloudEventError, Format, Position, PositionError, json, protobuf, xml,
};
use bus_domain::idempotency::IdempotencyKey;
use bus_domain::{BusError, Durability, ItemId, Limits, Payload, publish};
use bus_engine::{Command, Outcome, Published, Verb, once, once_per_cloud_event, payload_from_text};
use bytes::Bytes;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use serde_json::json;
use tokio::time::timeout;

use crate::auth::Authenticated;
use crate::path::NodePath;
use crate::problem::Problem;
use crate::query::Query;
use crate::routes::Api;
use crate::{HttpSettings, binary_mode};

const IDEMPOTENCY_KEY: &str = "idempotency-key";
const ONCE_PER_CLOUD_EVENT: &str = "once_per_cloud_event";

/// `POST /v1/nodes/{node}/events`: publishes an event or a batch, all of it or nothing. Answered once what the node's
/// durability promises holds.
pub(crate) async fn post(
    State(api): State<Arc<Api>>,
    Authenticated(caller): Authenticated,
    NodePath(node): NodePath,
    query: Query,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let _under_way = api.settings.departure.admit_publish().ok_or_else(Problem::shutting_down)?;
    query.only(&["item_id", "expected_last", ONCE_PER_CLOUD_EVENT])?;
    let key = idempotency_key(&headers)?;
    let expected_head = query.get("expected_last").map(expected_head).transpose()?;
    check_encoding(&headers)?;
    let format = format_of(&headers)?;
    let body = read(body, &api.settings).await?;
    let limits = &api.engine.settings().limits;
    let events = events(format, &headers, &body, limits)?;
    let payloads = events.iter().enumerate().map(|(index, event)| payload(index, event, limits));
    let payloads = payloads.collect::<Result<Vec<_>, Problem>>()?;
    let items = items(payloads, query.get("item_id"))?;
    let request = publish::Request { items, expected_head, ..publish::Request::default() };
    let once = match (key, query.flag(ONCE_PER_CLOUD_EVENT)?) {
        (Some(_), true) => {
            return Err(Problem::invalid(ONCE_PER_CLOUD_EVENT, "cannot stand beside an Idempotency-Key"));
        }
        (None, true) => Some(
            once_per_cloud_event(&request)
                .map_err(|problem| Problem::invalid(ONCE_PER_CLOUD_EVENT, problem))?,
        ),
        (key, false) => key.map(|key| once(key, &request)),
    };
    let verb = Verb::Publish(publish::Request { once, ..request });
    let command = Command { actor: caller.actor().clone(), node, verb };
    match api.engine.execute(command).await {
        Ok(Outcome::Published(published)) => Ok(answer(&published)),
        Ok(_) => Err(Problem::of(&BusError::Internal)),
        Err(error) => Err(Problem::of(&error)),
    }
}

/// The caller's own name for the request (draft-ietf-httpapi-idempotency-key-header).
fn idempotency_key(headers: &HeaderMap) -> Result<Option<IdempotencyKey>, Problem> {
    let Some(value) = headers.get(IDEMPOTENCY_KEY) else { return Ok(None) };
    let text = binary_mode::unquote(value.to_str().unwrap_or_default());
    let key = IdempotencyKey::new(&text);
    key.map(Some).map_err(|problem| Problem::invalid("Idempotency-Key", problem))
}

/// Where the caller expects the log to end.
fn expected_head(text: &str) -> Result<publish::ExpectedHead, Problem> {
    let Position { epoch, seq } =
        text.parse().map_err(|problem: PositionError| Problem::invalid("expected_last", problem))?;
    Ok(publish::ExpectedHead { seq, epoch: Some(epoch) })
}

/// Compressed data would reach subscribers as it came, with nothing that says so.
fn check_encoding(headers: &HeaderMap) -> Result<(), Problem> {
    let is_plain = |value: &HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"identity");
    if headers.get_all(CONTENT_ENCODING).iter().all(is_plain) {
        return Ok(());
    }
    let detail = "the body is taken as it is: send it without Content-Encoding";
    Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "UNSUPPORTED_CONTENT_ENCODING", detail))
}

/// The event format that the body is in; `None` is binary mode.
fn format_of(headers: &HeaderMap) -> Result<Option<Format>, Problem> {
    let unsupported =
        |detail: String| Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "UNSUPPORTED_MEDIA_TYPE", detail);
    let content_type = headers.get(CONTENT_TYPE).map(|value| value.to_str().unwrap_or_default());
    let format = Format::of_media_type(content_type.unwrap_or_default());
    match format.map_err(|error| unsupported(error.to_string()))? {
        None if !binary_mode::is_meant(headers) => Err(unsupported(
            "the request is no CloudEvent: send application/cloudevents+json, or headers such as ce-id with the data as the \
             body"
                .to_owned(),
        )),
        format => Ok(format),
    }
}

async fn read(body: Body, settings: &HttpSettings) -> Result<Bytes, Problem> {
    let bytes_max = settings.body_bytes_max;
    let read = timeout(settings.request_patience, Limited::new(body, bytes_max).collect()).await;
    match read {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => {
            let detail = format!("the body is longer than {bytes_max} bytes");
            Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "BODY_TOO_LARGE", detail))
        }
        Ok(Err(_)) => Err(Problem::new(StatusCode::BAD_REQUEST, "REQUEST_INVALID", "the body breaks off")),
        Err(_) => Err(Problem::new(StatusCode::REQUEST_TIMEOUT, "BODY_TIMEOUT", "the body takes too long")),
    }
}

fn events(
    format: Option<Format>,
    headers: &HeaderMap,
    body: &[u8],
    limits: &Limits,
) -> Result<Vec<CloudEvent>, Problem> {
    let one = |event: Result<CloudEvent, CloudEventError>| {
        event.map(|event| vec![event]).map_err(|error| event_problem(None, &error))
    };
    let batch = |events: Result<Vec<CloudEvent>, BatchError>| {
        events.map_err(|error| match error {
            BatchError::TooMany { events_max } => {
                Problem::of(&BusError::TooManyItems { items_max: events_max })
            }
            BatchError::Event { index, error } => event_problem(Some(index), &error),
            BatchError::Document(reason) => Problem::of(&BusError::InvalidPayload { reason }),
        })
    };
    let events_max = limits.request_items_max;
    let xml_limits = xml::document_limits(body.len(), limits.payload_depth_max);
    match format {
        None => one(binary_mode::read(headers, body)),
        Some(Format::Json) => one(json::read(body)),
        Some(Format::Protobuf) => one(protobuf::read(body)),
        Some(Format::Xml) => one(text(body).and_then(|text| xml::read(text, xml_limits))),
        Some(Format::JsonBatch) => batch(json::read_batch(body, events_max)),
        Some(Format::ProtobufBatch) => batch(protobuf::read_batch(body, events_max)),
        Some(Format::XmlBatch) => {
            let text = text(body).map_err(|error| BatchError::Document(error.to_string()));
            batch(text.and_then(|text| xml::read_batch(text, xml_limits, events_max)))
        }
    }
}

fn text(body: &[u8]) -> Result<&str, CloudEventError> {
    std::str::from_utf8(body).map_err(|_| CloudEventError::Document("the body is not UTF-8".to_owned()))
}

/// What the bus keeps of an event: itself, in the XML format.
fn payload(index: usize, event: &CloudEvent, limits: &Limits) -> Result<Payload, Problem> {
    payload_from_text(&xml::write(event), limits)
        .map_err(|error| Problem::of_field(format!("events[{index}]"), &error))
}

/// Names the attribute as the format of the request does.
fn event_problem(index: Option<usize>, error: &CloudEventError) -> Problem {
    let place = index.map(|index| format!("events[{index}]"));
    let name = match error {
        CloudEventError::Attribute { attribute, .. } => Some(attribute.as_str()),
        CloudEventError::Data(_) => Some("data"),
        CloudEventError::Document(_) => None,
    };
    let field = place.into_iter().chain(name.map(str::to_owned)).collect::<Vec<_>>().join(".");
    let error = BusError::InvalidPayload { reason: error.to_string() };
    if field.is_empty() { Problem::of(&error) } else { Problem::of_field(field, &error) }
}

fn items(payloads: Vec<Payload>, item_id: Option<&str>) -> Result<Vec<publish::NewItem>, Problem> {
    let id = item_id.map(ItemId::new).transpose().map_err(|problem| Problem::invalid("item_id", problem))?;
    if id.is_some() && payloads.len() != 1 {
        return Err(Problem::invalid(
            "item_id",
            "names one item, and the batch has another number of events",
        ));
    }
    let item = |payload| publish::NewItem { id: id.clone(), payload: Some(payload) };
    Ok(payloads.into_iter().map(item).collect())
}

fn answer(published: &Published) -> Response {
    let results = (published.first_seq..).zip(&published.item_ids);
    let results = results.map(|(seq, item_id)| json!({ "seq": seq, "item_id": item_id.as_str() }));
    let durability = match published.durability {
        Durability::Fsync => "fsync",
        Durability::Relaxed => "relaxed",
        Durability::Memory => "memory",
    };
    let document = json!({
        "epoch": format!("{:016x}", published.epoch.0),
        "durability": durability,
        "duplicate": published.duplicate,
        "results": results.collect::<Vec<_>>(),
    });
    (StatusCode::OK, [(CONTENT_TYPE, "application/json")], format!("{document}\n")).into_response()
}
