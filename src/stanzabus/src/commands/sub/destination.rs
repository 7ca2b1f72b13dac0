//! Where a subscription's events are brought, on the way to the daemon and back.

use std::fs;
use std::path::Path;

use bridge_grpc::v1;
use serde::Serialize;
use v1::subscription_config::Destination;

use crate::cli::{SinkArguments, WebhookArguments, WebhookMode};
use crate::failure::Failure;

/// What the arguments name, if they name something.
pub(super) fn of_arguments(
    webhook: WebhookArguments,
    sink: SinkArguments,
) -> Result<Option<Destination>, Failure> {
    match sink.uri {
        Some(uri) => Ok(Some(Destination::Sink(v1::Sink {
            uri,
            payload_format: v1::PayloadFormat::CloudEvent.into(),
            bearer_token: first_line(sink.token_file.as_deref())?,
            paired_source: sink.paired_source.unwrap_or_default(),
            requests_per_minute: None,
            requests_in_flight_max: None,
            batch_events_max: sink.batch_events_max,
        }))),
        None => of_webhook(webhook),
    }
}

fn of_webhook(arguments: WebhookArguments) -> Result<Option<Destination>, Failure> {
    let Some(uri) = arguments.uri else { return Ok(None) };
    let mode = match arguments.mode {
        WebhookMode::Structured => v1::WebhookMode::Structured,
        WebhookMode::Binary => v1::WebhookMode::Binary,
        WebhookMode::Batch => v1::WebhookMode::Batch,
    };
    Ok(Some(Destination::Webhook(v1::Webhook {
        uri,
        mode: mode.into(),
        secret: first_line(arguments.secret_file.as_deref())?,
        bearer_token: first_line(arguments.token_file.as_deref())?,
        requests_per_minute: arguments.requests_per_minute,
        requests_in_flight_max: arguments.requests_in_flight_max,
        batch_events_max: arguments.batch_events_max,
        is_signed: false,
    })))
}

/// The secret in a file; empty without one.
pub(crate) fn first_line(path: Option<&Path>) -> Result<String, Failure> {
    let Some(path) = path else { return Ok(String::new()) };
    let text =
        fs::read_to_string(path).map_err(|source| Failure::Unreadable { path: path.to_owned(), source })?;
    Ok(text.lines().next().unwrap_or_default().trim().to_owned())
}

/// A destination as part of a line.
#[derive(Default, Serialize)]
pub(super) struct DestinationPart {
    kind: &'static str,
    uri: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    mode: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    signed: Option<bool>,
    #[serde(skip_serializing_if = "String::is_empty")]
    paired_source: String,
    requests_in_flight_max: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    requests_per_minute: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    batch_events_max: Option<u32>,
    state: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    reason: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    since: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    allowed_per_minute: Option<u32>,
}

impl DestinationPart {
    /// What is printed of it. One that was not tried yet is pending.
    pub(super) fn of(destination: Destination, standing: Option<v1::DestinationStanding>) -> Self {
        let described = match destination {
            Destination::Webhook(webhook) => Self::of_webhook(webhook),
            Destination::Sink(sink) => Self::of_sink(sink),
        };
        let standing = standing.unwrap_or_else(|| v1::DestinationStanding {
            state: v1::DestinationState::Pending.into(),
            ..v1::DestinationStanding::default()
        });
        Self {
            state: short(standing.state().as_str_name(), "DESTINATION_STATE_"),
            reason: standing.reason,
            since: standing.since_time.map(|time| time.to_string()),
            allowed_per_minute: standing.allowed_per_minute,
            ..described
        }
    }

    fn of_webhook(webhook: v1::Webhook) -> Self {
        Self {
            kind: "webhook",
            mode: Some(short(webhook.mode().as_str_name(), "WEBHOOK_MODE_")),
            uri: webhook.uri,
            signed: Some(webhook.is_signed),
            requests_in_flight_max: webhook.requests_in_flight_max,
            requests_per_minute: webhook.requests_per_minute,
            batch_events_max: webhook.batch_events_max,
            ..Self::default()
        }
    }

    fn of_sink(sink: v1::Sink) -> Self {
        Self {
            kind: "sink",
            uri: sink.uri,
            paired_source: sink.paired_source,
            requests_in_flight_max: sink.requests_in_flight_max,
            requests_per_minute: sink.requests_per_minute,
            batch_events_max: sink.batch_events_max,
            ..Self::default()
        }
    }
}

/// A name without what all of its kind begin with.
pub(crate) fn short(name: &str, prefix: &str) -> String {
    name.strip_prefix(prefix).unwrap_or(name).to_ascii_lowercase()
}
