//! Where the bus itself brings the events of a consumer, instead of having them fetched.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{ConsumerError, Mode};
use crate::{Actor, Role};

/// A place outside of the bus that events are brought to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Destination {
    /// An HTTP server that takes CloudEvents (CloudEvents HTTP webhook specification).
    Webhook(Webhook),
    /// A gRPC service of a user that takes events (`stanzabus.v1.SinkService`).
    Sink(Sink),
}

/// An HTTP server that takes CloudEvents.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Webhook {
    /// Where it is.
    pub uri: String,
    /// In which form it gets events.
    pub mode: ContentMode,
    /// The key that requests are signed with.
    pub secret: Option<Secret>,
    /// What is sent in `Authorization: Bearer`.
    pub bearer_token: Option<Secret>,
    /// How much is sent at a time.
    pub pace: Pace,
}

/// A gRPC service that takes events.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sink {
    /// Where it is.
    pub uri: String,
    /// In which form it gets payloads.
    pub payload: SinkPayload,
    /// What is sent in `authorization: Bearer`.
    pub bearer_token: Option<Secret>,
    /// A source whose events it does not get, because it has written them itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paired_source: Option<String>,
    /// How much is sent at a time.
    pub pace: Pace,
}

/// In which form a sink gets payloads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SinkPayload {
    /// As CloudEvents.
    CloudEvent,
    /// As the XML elements that they are.
    Xml,
}

/// The content modes of the CloudEvents HTTP binding (§3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ContentMode {
    /// The event as JSON.
    Structured,
    /// The attributes as headers, the data as body.
    Binary,
    /// Several events as one JSON array.
    Batch,
}

/// How much a destination gets at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pace {
    /// Requests under way at a time.
    pub requests_in_flight_max: u32,
    /// Events of one request.
    pub batch_events_max: u32,
    /// Requests that begin in a minute; `None` for no bound.
    pub requests_per_minute: Option<u32>,
}

/// What must not be shown again. Its debug form shows nothing of it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Secret(pub String);

/// How a consumer stands with its destination.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// In a word.
    pub state: StandingState,
    /// Why; empty when all is well.
    pub reason: String,
    /// Since when, in milliseconds since 1970.
    pub since_ms: i64,
    /// Requests in a minute that the destination allows; `None` for any number.
    pub allowed_per_minute: Option<u32>,
}

/// How a consumer stands with its destination, in a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StandingState {
    /// It was not reached yet, and nothing was sent.
    Pending,
    /// It has agreed, and gets what comes.
    Active,
    /// It has agreed, and fails: one request at a time tries whether it is back.
    Failing,
    /// It does not agree. It is asked again from time to time.
    Refused,
    /// It is gone for good: the consumer rests until its owner resumes it.
    Gone,
}

/// Requests under way at a time.
pub const REQUESTS_IN_FLIGHT_MAX: u32 = 100;
/// Events of one request.
pub const BATCH_EVENTS_MAX: u32 = 1_000;

impl Destination {
    /// How much it gets at a time.
    pub fn pace(&self) -> Pace {
        match self {
            Self::Webhook(webhook) => webhook.pace,
            Self::Sink(sink) => sink.pace,
        }
    }

    /// The source whose events it does not get, if there is one.
    pub fn paired_source(&self) -> Option<&str> {
        match self {
            Self::Webhook(_) => None,
            Self::Sink(sink) => sink.paired_source.as_deref(),
        }
    }

    /// Where it is.
    pub fn uri(&self) -> &str {
        match self {
            Self::Webhook(webhook) => &webhook.uri,
            Self::Sink(sink) => &sink.uri,
        }
    }
}

impl Standing {
    /// Whether the destination has said that it wants events.
    pub fn is_agreed(&self) -> bool {
        matches!(self.state, StandingState::Active | StandingState::Failing)
    }
}

/// Whether an actor may have the bus send to addresses that it names: the operator's admins may, and whom the operator
/// permits by name.
pub fn may_have(actor: &Actor, is_permitted: bool) -> Result<(), ConsumerError> {
    let may = actor.role() == Role::Admin || is_permitted;
    if may { Ok(()) } else { Err(ConsumerError::DestinationForbidden) }
}

/// Whether a destination can be like this. That its address may be asked is checked by who asks it.
pub(super) fn check(destination: &Destination, mode: Mode) -> Result<(), ConsumerError> {
    match destination {
        Destination::Webhook(_) if mode != Mode::Queue => {
            return invalid("a webhook answers for each event by itself: the mode must be QUEUE");
        }
        Destination::Webhook(webhook)
            if webhook.mode != ContentMode::Batch && webhook.pace.batch_events_max != 1 =>
        {
            return invalid("batch_events_max is for webhooks of mode BATCH");
        }
        Destination::Sink(sink) if mode == Mode::Stream && sink.pace.requests_in_flight_max != 1 => {
            return invalid(
                "a sink that gets events in order gets one request at a time: requests_in_flight_max is 1",
            );
        }
        _ => {}
    }
    check_pace(destination.pace())
}

fn check_pace(pace: Pace) -> Result<(), ConsumerError> {
    if !(1..=REQUESTS_IN_FLIGHT_MAX).contains(&pace.requests_in_flight_max) {
        return invalid(format!("requests_in_flight_max must be from 1 to {REQUESTS_IN_FLIGHT_MAX}"));
    }
    if !(1..=BATCH_EVENTS_MAX).contains(&pace.batch_events_max) {
        return invalid(format!("batch_events_max must be from 1 to {BATCH_EVENTS_MAX}"));
    }
    if pace.requests_per_minute == Some(0) {
        return invalid("requests_per_minute must be at least 1, or not set");
    }
    Ok(())
}

fn invalid<T>(reason: impl Into<String>) -> Result<T, ConsumerError> {
    Err(ConsumerError::Invalid { reason: reason.into() })
}

impl fmt::Debug for Secret {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Secret(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn webhook(mode: ContentMode, pace: Pace) -> Destination {
        let uri = "https://example.org/".to_owned();
        let secret = Some(Secret("whsec_abc".to_owned()));
        Destination::Webhook(Webhook { uri, mode, secret, bearer_token: None, pace })
    }

    const PACE: Pace = Pace { requests_in_flight_max: 8, batch_events_max: 1, requests_per_minute: None };

    #[test]
    fn what_a_webhook_can_be_is_checked() {
        for (mode, destination, is_valid) in [
            (Mode::Queue, webhook(ContentMode::Structured, PACE), true),
            (Mode::Stream, webhook(ContentMode::Structured, PACE), false),
            (Mode::Queue, webhook(ContentMode::Binary, Pace { batch_events_max: 2, ..PACE }), false),
            (Mode::Queue, webhook(ContentMode::Batch, Pace { batch_events_max: 1_000, ..PACE }), true),
            (Mode::Queue, webhook(ContentMode::Batch, Pace { batch_events_max: 1_001, ..PACE }), false),
            (Mode::Queue, webhook(ContentMode::Batch, Pace { batch_events_max: 0, ..PACE }), false),
            (Mode::Queue, webhook(ContentMode::Binary, Pace { requests_in_flight_max: 0, ..PACE }), false),
            (Mode::Queue, webhook(ContentMode::Binary, Pace { requests_in_flight_max: 101, ..PACE }), false),
            (Mode::Queue, webhook(ContentMode::Binary, Pace { requests_per_minute: Some(0), ..PACE }), false),
            (Mode::Queue, webhook(ContentMode::Binary, Pace { requests_per_minute: Some(1), ..PACE }), true),
        ] {
            assert_eq!(check(&destination, mode).is_ok(), is_valid, "{mode:?} {destination:?}");
        }
    }

    fn sink(requests_in_flight_max: u32, paired_source: Option<&str>) -> Destination {
        Destination::Sink(Sink {
            uri: "https://sink.example.org/".to_owned(),
            payload: SinkPayload::CloudEvent,
            bearer_token: None,
            paired_source: paired_source.map(str::to_owned),
            pace: Pace { requests_in_flight_max, batch_events_max: 100, requests_per_minute: None },
        })
    }

    #[test]
    fn a_sink_that_is_called_in_order_is_called_by_one_request_at_a_time() {
        assert!(check(&sink(1, None), Mode::Stream).is_ok() && check(&sink(8, None), Mode::Queue).is_ok());
        assert!(check(&sink(2, None), Mode::Stream).is_err());
    }

    #[test]
    fn a_destination_is_somewhere_and_a_sink_may_be_the_other_half_of_a_source() {
        for (destination, uri, paired_source) in [
            (webhook(ContentMode::Batch, PACE), "https://example.org/", None),
            (sink(1, None), "https://sink.example.org/", None),
            (sink(1, Some("bridge")), "https://sink.example.org/", Some("bridge")),
        ] {
            assert_eq!((destination.uri(), destination.paired_source()), (uri, paired_source));
        }
    }

    #[test]
    fn who_fails_has_agreed_and_who_refuses_or_is_gone_has_not() {
        for (state, is_agreed) in [
            (StandingState::Pending, false),
            (StandingState::Active, true),
            (StandingState::Failing, true),
            (StandingState::Refused, false),
            (StandingState::Gone, false),
        ] {
            let standing = Standing { state, reason: String::new(), since_ms: 0, allowed_per_minute: None };
            assert_eq!(standing.is_agreed(), is_agreed, "{state:?}");
        }
    }

    #[test]
    fn admins_and_those_who_are_permitted_may_have_destinations() {
        let jid = jid::BareJid::new("a@example.org").unwrap();
        for (role, is_permitted, may) in [
            (Role::Admin, false, true),
            (Role::Creator, true, true),
            (Role::User, true, true),
            (Role::Creator, false, false),
            (Role::User, false, false),
        ] {
            assert_eq!(may_have(&Actor::new(jid.clone(), role), is_permitted).is_ok(), may, "{role:?}");
        }
    }

    #[test]
    fn secrets_do_not_show_in_logs_and_come_back_from_the_store() {
        let destination = webhook(ContentMode::Batch, PACE);
        let shown = format!("{destination:?}");
        assert!(!shown.contains("abc") && shown.contains("secret: Some(Secret(…))"), "{shown}");
        let stored = serde_json::to_string(&destination).unwrap();
        assert_eq!(serde_json::from_str::<Destination>(&stored).unwrap(), destination);
    }
}
