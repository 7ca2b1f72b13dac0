//! Between messages and the destinations of durable subscriptions.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bus_domain::consumer::destination::{ContentMode, Pace, Secret, Sink, SinkPayload, Webhook};
use bus_domain::consumer::{Destination, Mode, Standing, StandingState};
use outbound_http::Guard;
use tonic::Status;
use v1::subscription_config::Destination as Message;

use super::{consumer_name, enum_value, timestamp};
use crate::status::invalid_field;
use crate::v1;

const REQUESTS_IN_FLIGHT: u32 = 8;
const BATCH_EVENTS: u32 = 100;
const BEARER_TOKEN_BYTES_MAX: usize = 4_096;
/// Of keys of Standard Webhooks.
const SECRET_PREFIX: &str = "whsec_";
const SECRET_BYTES: std::ops::RangeInclusive<usize> = 24..=64;

/// Where somebody wants events to be brought.
pub(crate) fn destination_from_message(
    message: Message,
    mode: Mode,
    guard: &Guard,
) -> Result<Destination, Status> {
    match message {
        Message::Webhook(webhook) => webhook_from_message(webhook, guard),
        Message::Sink(sink) => sink_from_message(sink, mode, guard),
    }
}

/// An address that may be sent to.
pub(crate) fn check_uri(field: &str, uri: &str, guard: &Guard) -> Result<(), Status> {
    let checked = guard.check_url(uri).map(drop);
    checked.map_err(|refused| invalid_field(field, format!("cannot be a destination: {refused}")))
}

fn sink_from_message(sink: v1::Sink, mode: Mode, guard: &Guard) -> Result<Destination, Status> {
    check_uri("config.sink.uri", &sink.uri, guard)?;
    let payload = match enum_value("config.sink.payload_format", sink.payload_format)? {
        None | Some(v1::PayloadFormat::Unspecified | v1::PayloadFormat::CloudEvent) => {
            SinkPayload::CloudEvent
        }
        Some(v1::PayloadFormat::Xml) => SinkPayload::Xml,
    };
    let in_flight = if mode == Mode::Stream { 1 } else { REQUESTS_IN_FLIGHT };
    let paired_source = match &*sink.paired_source {
        "" => None,
        name => Some(consumer_name("config.sink.paired_source", name)?.as_str().to_owned()),
    };
    Ok(Destination::Sink(Sink {
        payload,
        bearer_token: bearer_token("config.sink.bearer_token", sink.bearer_token)?,
        paired_source,
        pace: Pace {
            requests_in_flight_max: sink.requests_in_flight_max.unwrap_or(in_flight),
            batch_events_max: sink.batch_events_max.unwrap_or(BATCH_EVENTS),
            requests_per_minute: sink.requests_per_minute,
        },
        uri: sink.uri,
    }))
}

fn webhook_from_message(webhook: v1::Webhook, guard: &Guard) -> Result<Destination, Status> {
    check_uri("config.webhook.uri", &webhook.uri, guard)?;
    let mode = match enum_value("config.webhook.mode", webhook.mode)? {
        None | Some(v1::WebhookMode::Unspecified | v1::WebhookMode::Structured) => ContentMode::Structured,
        Some(v1::WebhookMode::Binary) => ContentMode::Binary,
        Some(v1::WebhookMode::Batch) => ContentMode::Batch,
    };
    let batch_events_max = if mode == ContentMode::Batch { BATCH_EVENTS } else { 1 };
    Ok(Destination::Webhook(Webhook {
        mode,
        secret: secret("config.webhook.secret", webhook.secret)?,
        bearer_token: bearer_token("config.webhook.bearer_token", webhook.bearer_token)?,
        pace: Pace {
            requests_in_flight_max: webhook.requests_in_flight_max.unwrap_or(REQUESTS_IN_FLIGHT),
            batch_events_max: webhook.batch_events_max.unwrap_or(batch_events_max),
            requests_per_minute: webhook.requests_per_minute,
        },
        uri: webhook.uri,
    }))
}

/// Where events are brought, without what must not be shown.
pub(crate) fn destination_to_message(destination: &Destination) -> Message {
    let webhook = match destination {
        Destination::Webhook(webhook) => webhook,
        Destination::Sink(sink) => return Message::Sink(sink_to_message(sink)),
    };
    let mode = match webhook.mode {
        ContentMode::Structured => v1::WebhookMode::Structured,
        ContentMode::Binary => v1::WebhookMode::Binary,
        ContentMode::Batch => v1::WebhookMode::Batch,
    };
    let Pace { requests_in_flight_max, batch_events_max, requests_per_minute } = webhook.pace;
    Message::Webhook(v1::Webhook {
        uri: webhook.uri.clone(),
        mode: mode.into(),
        secret: String::new(),
        bearer_token: String::new(),
        requests_per_minute,
        requests_in_flight_max: Some(requests_in_flight_max),
        batch_events_max: (webhook.mode == ContentMode::Batch).then_some(batch_events_max),
        is_signed: webhook.secret.is_some(),
    })
}

fn sink_to_message(sink: &Sink) -> v1::Sink {
    let payload_format = match sink.payload {
        SinkPayload::CloudEvent => v1::PayloadFormat::CloudEvent,
        SinkPayload::Xml => v1::PayloadFormat::Xml,
    };
    v1::Sink {
        uri: sink.uri.clone(),
        payload_format: payload_format.into(),
        bearer_token: String::new(),
        paired_source: sink.paired_source.clone().unwrap_or_default(),
        requests_per_minute: sink.pace.requests_per_minute,
        requests_in_flight_max: Some(sink.pace.requests_in_flight_max),
        batch_events_max: Some(sink.pace.batch_events_max),
    }
}

/// How a subscription stands with its destination.
pub(crate) fn standing_to_message(standing: &Standing) -> v1::DestinationStanding {
    let state = match standing.state {
        StandingState::Pending => v1::DestinationState::Pending,
        StandingState::Active => v1::DestinationState::Active,
        StandingState::Failing => v1::DestinationState::Failing,
        StandingState::Refused => v1::DestinationState::Refused,
        StandingState::Gone => v1::DestinationState::Gone,
    };
    v1::DestinationStanding {
        state: state.into(),
        reason: standing.reason.clone(),
        since_time: Some(timestamp(standing.since_ms)),
        allowed_per_minute: standing.allowed_per_minute,
    }
}

fn secret(field: &str, text: String) -> Result<Option<Secret>, Status> {
    if text.is_empty() {
        return Ok(None);
    }
    let key = text.strip_prefix(SECRET_PREFIX).and_then(|key| STANDARD.decode(key).ok());
    if key.is_some_and(|key| SECRET_BYTES.contains(&key.len())) {
        return Ok(Some(Secret(text)));
    }
    Err(invalid_field(field, "must be whsec_ and the Base64 of 24 to 64 bytes"))
}

/// A token that fits into a header.
pub(crate) fn bearer_token(field: &str, text: String) -> Result<Option<Secret>, Status> {
    if text.len() > BEARER_TOKEN_BYTES_MAX || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        let problem =
            format!("must be printable ASCII without spaces, at most {BEARER_TOKEN_BYTES_MAX} bytes");
        return Err(invalid_field(field, problem));
    }
    Ok((!text.is_empty()).then_some(Secret(text)))
}
