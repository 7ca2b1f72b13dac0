//! The one mapping from errors to answers: a status, and a problem document (RFC 9457) with the reason that the other legs
//! give, too, in the words of `stanzabus.v1.ErrorReason`.

use std::fmt::Display;

use axum::http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use bus_admission::Refusal;
use bus_cloudevents::Position;
use bus_domain::BusError;
use bus_domain::consumer::ConsumerError;
use serde_json::{Map, Value, json};

/// An answer that says why not.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Problem {
    status: StatusCode,
    /// For programs.
    reason: &'static str,
    /// For people.
    detail: String,
    /// The part of the request that is at fault, if one is: a parameter, a header, or a member of the body.
    field: Option<String>,
    /// In how many milliseconds the same request may pass.
    retry_after_ms: Option<u64>,
    /// What a program may want to read out of the detail.
    metadata: Map<String, Value>,
}

impl Problem {
    pub(crate) fn new(status: StatusCode, reason: &'static str, detail: impl Into<String>) -> Self {
        let metadata = Map::new();
        Self { status, reason, detail: detail.into(), field: None, retry_after_ms: None, metadata }
    }

    /// The problem of an error of the bus.
    pub(crate) fn of(error: &BusError) -> Self {
        let (status, reason) = status_and_reason(error);
        Self {
            retry_after_ms: error.retry_after_ms(),
            metadata: metadata(error),
            ..Self::new(status, reason, error.to_string())
        }
    }

    /// The same, of a part of the request.
    pub(crate) fn of_field(field: impl Into<String>, error: &BusError) -> Self {
        Self { field: Some(field.into()), ..Self::of(error) }
    }

    /// A part of the request that cannot be what it is; `problem` goes on where its name ends.
    pub(crate) fn invalid(field: &str, problem: impl Display) -> Self {
        Self::of_field(field, &BusError::bad_request(format!("{field} {problem}")))
    }

    /// The problem of a caller who is none, or no longer.
    pub(crate) fn refused(refusal: &Refusal) -> Self {
        let reason = match refusal {
            Refusal::TokenMissing => "TOKEN_MISSING",
            Refusal::TokenInvalid | Refusal::Jwt { .. } => "TOKEN_INVALID",
            Refusal::TokenExpired => "TOKEN_EXPIRED",
            Refusal::CertificateUnknown { .. } => "CERTIFICATE_UNKNOWN",
            Refusal::CredentialChanged => "CREDENTIAL_CHANGED",
        };
        Self::new(StatusCode::UNAUTHORIZED, reason, refusal.to_string())
    }

    /// The daemon stops, or is drained.
    pub(crate) fn shutting_down() -> Self {
        let detail = "the daemon goes away; come back soon, readers with their last position";
        let problem = Self::new(StatusCode::SERVICE_UNAVAILABLE, "SHUTTING_DOWN", detail);
        Self { retry_after_ms: Some(1_000), ..problem }
    }

    /// Pushes come too fast for one who gets them.
    pub(crate) fn too_many_pushes(retry_after_ms: u64, detail: String) -> Self {
        let problem = Self::new(StatusCode::TOO_MANY_REQUESTS, "LIMIT_REACHED", detail);
        Self { retry_after_ms: Some(retry_after_ms), ..problem }
    }

    /// The document.
    pub(crate) fn document(&self) -> String {
        let mut document = json!({
            "type": "about:blank",
            "title": self.status.canonical_reason().unwrap_or_default(),
            "status": self.status.as_u16(),
            "detail": self.detail,
            "reason": self.reason,
        });
        if let Some(members) = document.as_object_mut() {
            members.extend(self.metadata.clone());
            members.extend(self.field.iter().map(|field| ("field".to_owned(), Value::from(field.as_str()))));
            members.extend(self.retry_after_ms.map(|ms| ("retry_after_ms".to_owned(), Value::from(ms))));
        }
        document.to_string()
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = self.document() + "\n";
        let mut response = (self.status, [(CONTENT_TYPE, "application/problem+json")], body).into_response();
        let headers = response.headers_mut();
        if let Some(delay_ms) = self.retry_after_ms {
            // In whole seconds (RFC 9110 §10.2.3), and none is too few.
            headers.insert(RETRY_AFTER, HeaderValue::from(delay_ms.div_ceil(1_000).max(1)));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            let challenge = match self.reason {
                "VAPID_REQUIRED" => "vapid",
                "TOKEN_MISSING" | "CERTIFICATE_UNKNOWN" => "Bearer realm=\"stanzabus\"",
                _ => "Bearer realm=\"stanzabus\", error=\"invalid_token\"",
            };
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
        }
        response
    }
}

fn status_and_reason(error: &BusError) -> (StatusCode, &'static str) {
    match error {
        BusError::NodeNotFound => (StatusCode::NOT_FOUND, "NODE_NOT_FOUND"),
        BusError::NodeMoved { .. } => (StatusCode::GONE, "NODE_MOVED"),
        BusError::NodeExists => (StatusCode::CONFLICT, "NODE_EXISTS"),
        BusError::Forbidden | BusError::AssociationForbidden => {
            (StatusCode::FORBIDDEN, "AFFILIATION_REQUIRED")
        }
        BusError::ClosedNode => (StatusCode::FORBIDDEN, "ACCESS_MODEL_WHITELIST"),
        BusError::SubscriptionRequired => (StatusCode::FORBIDDEN, "SUBSCRIPTION_REQUIRED"),
        BusError::SubscriptionPending => (StatusCode::FORBIDDEN, "SUBSCRIPTION_PENDING"),
        BusError::PresenceSubscriptionRequired => (StatusCode::FORBIDDEN, "PRESENCE_SUBSCRIPTION_REQUIRED"),
        BusError::NotInRosterGroup => (StatusCode::FORBIDDEN, "NOT_IN_ROSTER_GROUP"),
        BusError::RosterUnavailable => (StatusCode::SERVICE_UNAVAILABLE, "ROSTER_UNAVAILABLE"),
        BusError::ItemNotFound => (StatusCode::NOT_FOUND, "ITEM_NOT_FOUND"),
        BusError::NotSubscribed => (StatusCode::BAD_REQUEST, "NOT_SUBSCRIBED"),
        BusError::ForeignJid => (StatusCode::BAD_REQUEST, "FOREIGN_JID"),
        BusError::UnknownPosition => (StatusCode::BAD_REQUEST, "UNKNOWN_POSITION"),
        BusError::WrongEpoch => (StatusCode::CONFLICT, "WRONG_EPOCH"),
        BusError::PayloadTooBig { .. } => (StatusCode::PAYLOAD_TOO_LARGE, "PAYLOAD_TOO_BIG"),
        BusError::InvalidPayload { .. } => (StatusCode::BAD_REQUEST, "PAYLOAD_INVALID"),
        BusError::TooManyItems { .. } => (StatusCode::PAYLOAD_TOO_LARGE, "TOO_MANY_ITEMS"),
        BusError::PreconditionNotMet => (StatusCode::PRECONDITION_FAILED, "PRECONDITION_NOT_MET"),
        BusError::UnsupportedAccessModel
        | BusError::InvalidConfig { .. }
        | BusError::InvalidAssociation { .. }
        | BusError::InvalidRelation { .. }
        | BusError::TooManyAssociations { .. } => (StatusCode::BAD_REQUEST, "CONFIG_INVALID"),
        BusError::BadRequest(_)
        | BusError::NoOptions
        | BusError::NotAssociated
        | BusError::SubscriptionExists
        | BusError::SubIdRequired
        | BusError::InvalidSubId
        | BusError::InvalidOptions { .. } => (StatusCode::BAD_REQUEST, "REQUEST_INVALID"),
        // Of subscriptions of services; no request here is about them.
        BusError::Consumer(ConsumerError::NotFound) => (StatusCode::NOT_FOUND, "SUBSCRIPTION_NOT_FOUND"),
        BusError::Source(_) => (StatusCode::BAD_REQUEST, "SOURCE_INVALID"),
        BusError::Consumer(_) => (StatusCode::BAD_REQUEST, "SUBSCRIPTION_INVALID"),
        BusError::Unsupported(_) => (StatusCode::NOT_IMPLEMENTED, "UNSUPPORTED"),
        BusError::HeadMoved { .. } => (StatusCode::CONFLICT, "SEQ_MISMATCH"),
        BusError::RequestIdReused => (StatusCode::UNPROCESSABLE_ENTITY, "REQUEST_ID_REUSED"),
        BusError::RequestIdNotKept => (StatusCode::CONFLICT, "REQUEST_ID_NOT_KEPT"),
        BusError::NodeFull => (StatusCode::CONFLICT, "NODE_FULL"),
        BusError::LimitReached(_) => (StatusCode::TOO_MANY_REQUESTS, "LIMIT_REACHED"),
        BusError::Busy => (StatusCode::SERVICE_UNAVAILABLE, "BUSY"),
        BusError::Contended => (StatusCode::SERVICE_UNAVAILABLE, "CONTENDED"),
        BusError::StoreUnavailable => (StatusCode::SERVICE_UNAVAILABLE, "STORAGE_UNAVAILABLE"),
        BusError::Internal => (StatusCode::INTERNAL_SERVER_ERROR, "INTERNAL"),
    }
}

fn metadata(error: &BusError) -> Map<String, Value> {
    let entry = match error {
        BusError::NodeMoved { to } => Some(("redirect_uri", to.as_str().into())),
        BusError::PayloadTooBig { bytes_max } => Some(("payload_bytes_max", (*bytes_max).into())),
        BusError::TooManyItems { items_max } => Some(("items_max", (*items_max).into())),
        BusError::HeadMoved { epoch, seq } => {
            Some(("head", Position { epoch: *epoch, seq: *seq }.to_string().into()))
        }
        BusError::Unsupported(feature) => Some(("feature", feature.as_str().into())),
        BusError::LimitReached(limit) => Some(("limit", limit.to_string().into())),
        _ => None,
    };
    entry.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}

#[cfg(test)]
mod tests;
