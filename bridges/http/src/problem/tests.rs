use bus_domain::{ErrorClass, Feature, LimitKind};
use serde_json::from_str;

use super::*;

fn document(problem: &Problem) -> Value {
    from_str(&problem.document()).unwrap()
}

#[test]
fn an_error_is_a_problem_document_with_the_reason_of_all_legs() {
    let problem = Problem::of(&BusError::PayloadTooBig { bytes_max: 7 });
    let expected = json!({
        "type": "about:blank",
        "title": "Payload Too Large",
        "status": 413,
        "detail": "the payload is longer than 7 bytes",
        "reason": "PAYLOAD_TOO_BIG",
        "payload_bytes_max": 7,
    });
    assert_eq!(document(&problem), expected);
    let field = document(&Problem::invalid("start", "is earliest or latest"));
    assert_eq!((&field["field"], &field["detail"]), (&json!("start"), &json!("start is earliest or latest")));
}

#[test]
fn statuses_agree_with_the_classes_of_errors() {
    for error in [
        BusError::NodeNotFound,
        BusError::Forbidden,
        BusError::ClosedNode,
        BusError::WrongEpoch,
        BusError::NodeFull,
        BusError::bad_request("x"),
        BusError::Unsupported(Feature::Publish),
        BusError::Busy,
        BusError::Contended,
        BusError::StoreUnavailable,
        BusError::RosterUnavailable,
        BusError::LimitReached(LimitKind::Undelivered),
        BusError::Internal,
    ] {
        let problem = Problem::of(&error);
        let fits = match error.class() {
            ErrorClass::Denied => problem.status == StatusCode::FORBIDDEN,
            ErrorClass::Wait => matches!(problem.status.as_u16(), 429 | 503),
            ErrorClass::Internal => problem.status == StatusCode::INTERNAL_SERVER_ERROR,
            ErrorClass::Request => problem.status.is_client_error() || problem.status.as_u16() == 501,
        };
        assert!(fits, "{error}: {}", problem.status);
        assert_eq!(problem.retry_after_ms.is_some(), error.class() == ErrorClass::Wait, "{error}");
    }
}

#[test]
fn waiting_is_said_in_whole_seconds_and_in_milliseconds() {
    let problem = Problem::of(&BusError::Contended);
    assert_eq!(document(&problem)["retry_after_ms"], json!(50));
    assert_eq!(problem.into_response().headers()[RETRY_AFTER], "1");
}

#[test]
fn a_stranger_is_challenged() {
    for (refusal, challenge) in [
        (Refusal::TokenMissing, "Bearer realm=\"stanzabus\""),
        (Refusal::TokenExpired, "Bearer realm=\"stanzabus\", error=\"invalid_token\""),
    ] {
        let response = Problem::refused(&refusal).into_response();
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
        assert_eq!(response.headers()[WWW_AUTHENTICATE], challenge);
        assert_eq!(response.headers()[CONTENT_TYPE], "application/problem+json");
    }
}
