use bus_domain::push::PushVerdict;
use outbound_http::Response;
use serde::Deserialize;

use super::access_token::TokenError;
use super::client::PostError;
use crate::Outcome;
use crate::decision::{Meaning, Row, Timing, unknown, without_answer};

/// Every error code that Google documents for sending, and what it means. A refusal without FCM's own code is found by the
/// status of `google.rpc`.
///
/// `INVALID_ARGUMENT` says nothing of the device unless it is about the token: then it is `INVALID_TOKEN` here.
const TABLE: &[Row] = &[
    Row::new(200, "accepted", Meaning::Delivered),
    Row::new(400, "INVALID_ARGUMENT", Meaning::Rejected),
    Row::new(400, "INVALID_TOKEN", Meaning::Gone),
    // After a fresh access token was refused as well.
    Row::new(401, "UNAUTHENTICATED", Meaning::Operator),
    // What Firebase needs to reach Apple or browsers is missing there; other devices may be fine.
    Row::new(401, "THIRD_PARTY_AUTH_ERROR", Meaning::RetryNotBefore { ms: 600_000 }),
    Row::new(403, "PERMISSION_DENIED", Meaning::Operator),
    Row::new(403, "SENDER_ID_MISMATCH", Meaning::Quarantine),
    Row::new(404, "UNREGISTERED", Meaning::Gone),
    // Not FCM's word for a device: there is no such project.
    Row::new(404, "NOT_FOUND", Meaning::Operator),
    Row::new(429, "QUOTA_EXCEEDED", Meaning::RetryNotBefore { ms: 60_000 }),
    Row::new(429, "RESOURCE_EXHAUSTED", Meaning::RetryNotBefore { ms: 60_000 }),
    Row::new(500, "INTERNAL", Meaning::Retry),
    Row::new(503, "UNAVAILABLE", Meaning::RetryNotBefore { ms: 10_000 }),
];

/// The body of a refusal (`google.rpc.Status` in JSON).
#[derive(Debug, Default, Deserialize)]
struct Refusal {
    #[serde(default)]
    error: Status,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Status {
    #[serde(rename = "status")]
    rpc_code: String,
    message: String,
    details: Vec<Detail>,
}

/// Details are told apart by their type; those of other types have other members, or the same ones with another meaning.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Detail {
    #[serde(rename = "@type")]
    kind: String,
    #[serde(rename = "errorCode")]
    error_code: Option<String>,
    #[serde(rename = "fieldViolations")]
    field_violations: Vec<FieldViolation>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct FieldViolation {
    field: String,
    description: String,
}

const FCM_ERROR: &str = "type.googleapis.com/google.firebase.fcm.v1.FcmError";
const BAD_REQUEST: &str = "type.googleapis.com/google.rpc.BadRequest";

pub(super) fn outcome(response: &Response, now_ms: i64) -> Outcome {
    let status = response.status.as_u16();
    let refusal = refusal(response);
    let timing = Timing::of(response, now_ms);
    let reason = refusal.reason();
    let row = TABLE.iter().find(|row| row.status == status && (status == 200 || row.reason == reason));
    let outcome = row.map_or_else(|| unknown(status).outcome(timing), |row| row.outcome(timing));
    if status == 200 { outcome } else { outcome.with_detail(format!("{status} {reason} {}", refusal.text())) }
}

pub(super) fn without_response(error: &PostError) -> Outcome {
    match error {
        PostError::Send(error) => without_answer(error),
        PostError::Token(TokenError::Refused(text)) => {
            Outcome::new(PushVerdict::Operator, "token_refused").with_detail(text)
        }
        PostError::Token(TokenError::Later { reason, after_ms }) => {
            let verdict = PushVerdict::Unavailable { after_ms: *after_ms };
            Outcome::new(verdict, "no_token").with_detail(reason)
        }
    }
}

pub(super) fn says_that_token_is_refused(response: &Response) -> bool {
    response.status == 401 && refusal(response).reason() == "UNAUTHENTICATED"
}

fn refusal(response: &Response) -> Status {
    serde_json::from_slice::<Refusal>(&response.body).unwrap_or_default().error
}

impl Status {
    fn reason(&self) -> &str {
        let mut fcm_errors = self.details.iter().filter(|detail| detail.kind == FCM_ERROR);
        let code = fcm_errors.find_map(|detail| detail.error_code.as_deref()).unwrap_or(&self.rpc_code);
        if code == "INVALID_ARGUMENT" && self.is_about_token() { "INVALID_TOKEN" } else { code }
    }

    /// A field that is named decides; without any, FCM's own sentence about tokens does.
    fn is_about_token(&self) -> bool {
        let mut violations = self.violations().peekable();
        if violations.peek().is_some() {
            return violations.all(|violation| violation.field == "message.token");
        }
        self.message.contains("registration token")
    }

    fn violations(&self) -> impl Iterator<Item = &FieldViolation> {
        let bad_requests = self.details.iter().filter(|detail| detail.kind == BAD_REQUEST);
        bad_requests.flat_map(|detail| &detail.field_violations)
    }

    fn text(&self) -> String {
        let violations =
            self.violations().map(|violation| format!("; {}: {}", violation.field, violation.description));
        format!("{}{}", self.message, violations.collect::<String>())
    }
}

#[cfg(test)]
mod tests {
    use hyper::{HeaderMap, StatusCode};

    use super::*;

    /// Details of other types may have members of the same names; only FCM's own code counts, and a token is at fault only
    /// when nothing else is.
    #[test]
    fn the_detail_of_the_right_type_decides() {
        let fcm = r#"{"@type":"type.googleapis.com/google.firebase.fcm.v1.FcmError","errorCode":"INVALID_ARGUMENT"}"#;
        let other =
            r#"{"@type":"type.googleapis.com/google.rpc.ErrorInfo","errorCode":"UNREGISTERED","reason":"X"}"#;
        let field = |name: &str| {
            format!(
                r#"{{"@type":"type.googleapis.com/google.rpc.BadRequest","fieldViolations":[{{"field":"{name}"}}]}}"#
            )
        };
        let (token, data) = (field("message.token"), field("message.data"));
        for (message, details, expected) in [
            ("", fcm.to_owned(), "INVALID_ARGUMENT"),
            ("", format!("{other},{fcm}"), "INVALID_ARGUMENT"),
            ("", format!("{fcm},{token}"), "INVALID_TOKEN"),
            ("", format!("{fcm},{token},{data}"), "INVALID_ARGUMENT"),
            ("The registration token is not a valid FCM registration token", fcm.to_owned(), "INVALID_TOKEN"),
            ("The registration token is fine", format!("{fcm},{data}"), "INVALID_ARGUMENT"),
            ("", other.to_owned(), "INVALID_ARGUMENT"),
        ] {
            let body = format!(
                r#"{{"error":{{"code":400,"status":"INVALID_ARGUMENT","message":"{message}","details":[{details}]}}}}"#
            );
            let response =
                Response { status: StatusCode::BAD_REQUEST, headers: HeaderMap::new(), body: body.into() };
            assert_eq!(outcome(&response, 0).reason, expected, "{details}");
        }
    }

    #[test]
    fn a_body_that_is_not_googles_is_judged_by_its_status() {
        for (status, expected) in [(502, "unknown_retry"), (404, "unknown_refusal")] {
            let response = Response {
                status: StatusCode::from_u16(status).unwrap(),
                headers: HeaderMap::new(),
                body: "<html>".into(),
            };
            assert_eq!(outcome(&response, 0).reason, expected);
        }
    }
}
