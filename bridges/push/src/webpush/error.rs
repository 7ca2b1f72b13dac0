use outbound_http::Response;

use crate::Outcome;
use crate::decision::{Meaning, Row, Timing, unknown};

/// What the answers of push services mean (RFC 8030, sections 5 and 8.4; RFC 8292, section 4.2). Services differ in
/// everything but the status.
const TABLE: &[Row] = &[
    Row::new(200, "accepted", Meaning::Delivered),
    Row::new(201, "accepted", Meaning::Delivered),
    Row::new(202, "accepted", Meaning::Delivered),
    Row::new(204, "accepted", Meaning::Delivered),
    Row::new(400, "bad_request", Meaning::Quarantine),
    // Chrome's service refuses some subscriptions so for a long time, whatever our key: that is no proof against the key.
    Row::new(401, "unauthorized", Meaning::Quarantine),
    Row::new(403, "forbidden", Meaning::Quarantine),
    Row::new(404, "expired", Meaning::Gone),
    Row::new(410, "gone", Meaning::Gone),
    Row::new(413, "payload_too_large", Meaning::Rejected),
    Row::new(429, "too_many_requests", Meaning::RetryNotBefore { ms: 1_000 }),
    Row::new(500, "server_error", Meaning::Retry),
    Row::new(502, "server_error", Meaning::Retry),
    Row::new(503, "unavailable", Meaning::Retry),
    Row::new(504, "server_error", Meaning::Retry),
    // What ntfy says while no device is connected that pays for the message with its quota.
    Row::new(507, "no_quota", Meaning::RetryNotBefore { ms: 600_000 }),
];

pub(super) fn outcome(response: &Response, now_ms: i64) -> Outcome {
    let status = response.status.as_u16();
    let timing = Timing::of(response, now_ms);
    let row = TABLE.iter().find(|row| row.status == status);
    let outcome = row.map_or_else(|| unknown(status).outcome(timing), |row| row.outcome(timing));
    if response.status.is_success() {
        return outcome;
    }
    outcome.with_detail(format!("{status} {}", String::from_utf8_lossy(&response.body)))
}
