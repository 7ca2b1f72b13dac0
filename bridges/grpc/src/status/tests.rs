use bus_domain::quota::{Quota, Scope};
use bus_domain::{BadRequest, ErrorClass, Feature, LimitKind, RedirectUri};

use super::*;

/// Checks everything that a client sees of an error but its message.
fn check(error: &BusError, code: Code, reason: &str, metadata: &[(&str, &str)]) {
    let status = status(error);
    assert_eq!(status.code(), code, "{error:?}");
    assert_eq!(status.message(), error.to_string());
    let details = status.get_error_details();
    let info = details.error_info().unwrap();
    assert_eq!((info.reason.as_str(), info.domain.as_str()), (reason, "stanzabus"));
    let expected = metadata.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    assert_eq!(info.metadata, expected, "{error:?}");
    let waits = error.class() == ErrorClass::Wait;
    assert_eq!(details.retry_info().is_some(), waits, "RetryInfo goes with the class: {error:?}");
}

#[test]
fn each_error_has_its_code_and_its_reason() {
    use Code::{
        Aborted, AlreadyExists, Internal, InvalidArgument, NotFound, OutOfRange, PermissionDenied,
        ResourceExhausted, Unavailable, Unimplemented,
    };
    let too_big = BusError::PayloadTooBig { bytes_max: 9 };
    let too_many = BusError::TooManyItems { items_max: 3 };
    let invalid = BusError::InvalidPayload { reason: "of this".into() };
    let limit = BusError::LimitReached(LimitKind::Affiliations);
    check(&BusError::NodeNotFound, NotFound, "NODE_NOT_FOUND", &[]);
    let moved = BusError::NodeMoved { to: RedirectUri::new("urn:new").unwrap() };
    check(&moved, NotFound, "NODE_MOVED", &[("redirect_uri", "urn:new")]);
    check(&BusError::NodeExists, AlreadyExists, "NODE_EXISTS", &[]);
    check(&BusError::Forbidden, PermissionDenied, "AFFILIATION_REQUIRED", &[]);
    check(&BusError::ClosedNode, PermissionDenied, "ACCESS_MODEL_WHITELIST", &[]);
    check(&BusError::ItemNotFound, NotFound, "ITEM_NOT_FOUND", &[]);
    check(&BusError::NotSubscribed, InvalidArgument, "NOT_SUBSCRIBED", &[]);
    check(&BusError::ForeignJid, InvalidArgument, "FOREIGN_JID", &[]);
    check(&BusError::UnknownPosition, InvalidArgument, "UNKNOWN_POSITION", &[]);
    check(&BusError::WrongEpoch, OutOfRange, "WRONG_EPOCH", &[]);
    check(&too_big, InvalidArgument, "PAYLOAD_TOO_BIG", &[("payload_bytes_max", "9")]);
    check(&invalid, InvalidArgument, "PAYLOAD_INVALID", &[]);
    check(&too_many, InvalidArgument, "TOO_MANY_ITEMS", &[("items_max", "3")]);
    check(&BadRequest::ItemRequired.into(), InvalidArgument, "REQUEST_INVALID", &[]);
    let unsupported = BusError::Unsupported(Feature::RetrieveItems);
    check(&unsupported, Unimplemented, "UNSUPPORTED", &[("feature", "retrieve-items")]);
    check(&limit, ResourceExhausted, "LIMIT_REACHED", &[("limit", "affiliations")]);
    let undelivered = BusError::LimitReached(LimitKind::Undelivered);
    check(&undelivered, ResourceExhausted, "LIMIT_REACHED", &[("limit", "undelivered events")]);
    check(&BusError::Busy, ResourceExhausted, "BUSY", &[]);
    check(&BusError::Contended, Aborted, "CONTENDED", &[]);
    check(&BusError::StoreUnavailable, Unavailable, "STORAGE_UNAVAILABLE", &[]);
    check(&BusError::Internal, Internal, "INTERNAL", &[]);
}

#[test]
fn a_quota_is_named_and_a_rate_says_when_to_come_again() {
    for quota in Quota::ALL {
        let error = BusError::LimitReached(LimitKind::Quota(quota));
        check(&error, Code::ResourceExhausted, "LIMIT_REACHED", &[("limit", &quota.to_string())]);
        let details = status(&error).get_error_details();
        let violation = &details.quota_failure().unwrap().violations[0];
        assert_eq!(
            (violation.subject.as_str(), &violation.description),
            (quota.as_str(), &error.to_string())
        );
    }
    let rate = LimitKind::PublishRate { scope: Scope::Domain, retry_after_ms: 1_234 };
    let status = status(&BusError::LimitReached(rate));
    let text =
        "the limit on items published in a time of one domain is reached; try again in 1234 milliseconds";
    assert_eq!((status.code(), status.message()), (Code::ResourceExhausted, text));
    let details = status.get_error_details();
    let delay = details.retry_info().unwrap().retry_delay;
    assert_eq!(delay, Some(Duration::from_millis(1_234)));
    assert_eq!(details.quota_failure().unwrap().violations[0].subject, "publishes_per_domain");
    let of_a_node = BusError::LimitReached(LimitKind::Subscriptions);
    assert!(super::status(&of_a_node).get_error_details().quota_failure().is_none());
}

#[test]
fn a_field_at_fault_is_named() {
    let status = invalid_field("events[2].item_id", "must not be empty");
    assert_eq!(status.message(), "events[2].item_id must not be empty");
    let details = status.get_error_details();
    assert_eq!(details.error_info().unwrap().reason, "REQUEST_INVALID");
    assert_eq!(details.bad_request().unwrap().field_violations[0].field, "events[2].item_id");

    let status = field_status("events[0].xml", &BusError::PayloadTooBig { bytes_max: 9 });
    let details = status.get_error_details();
    assert_eq!(details.error_info().unwrap().reason, "PAYLOAD_TOO_BIG");
    assert_eq!(details.bad_request().unwrap().field_violations[0].field, "events[0].xml");
}

#[test]
fn a_stopping_daemon_asks_its_readers_to_come_back() {
    let status = shutting_down();
    assert_eq!(status.code(), Code::Unavailable);
    let details = status.get_error_details();
    assert_eq!(details.error_info().unwrap().reason, "SHUTTING_DOWN");
    assert!(details.retry_info().is_some());
}
