use outbound_http::Response;
use serde::Deserialize;

use crate::Outcome;
use crate::decision::{Meaning, Row, Timing, unknown};

/// Every reason that Apple documents, and what it means.
///
/// A reason that one wrong device may cause is never the operator's, because all devices wait for the operator. A token of
/// the other environment is refused with `BadDeviceToken`, so that is no proof that the device is gone.
const TABLE: &[Row] = &[
    Row::new(200, "accepted", Meaning::Delivered),
    Row::new(400, "BadCollapseId", Meaning::Rejected),
    Row::new(400, "BadDeviceToken", Meaning::Quarantine),
    Row::new(400, "BadExpirationDate", Meaning::Rejected),
    Row::new(400, "BadMessageId", Meaning::Rejected),
    Row::new(400, "BadPriority", Meaning::Rejected),
    Row::new(400, "BadTopic", Meaning::Quarantine),
    Row::new(400, "DeviceTokenNotForTopic", Meaning::Quarantine),
    Row::new(400, "DuplicateHeaders", Meaning::Rejected),
    Row::new(400, "IdleTimeout", Meaning::Retry),
    Row::new(400, "InvalidPushType", Meaning::Rejected),
    Row::new(400, "MissingDeviceToken", Meaning::Quarantine),
    Row::new(400, "MissingTopic", Meaning::Quarantine),
    Row::new(400, "PayloadEmpty", Meaning::Rejected),
    Row::new(400, "TopicDisallowed", Meaning::Quarantine),
    Row::new(403, "BadCertificate", Meaning::Operator),
    Row::new(403, "BadCertificateEnvironment", Meaning::Operator),
    // Keys may be for one environment, or for some topics only: other devices may be fine.
    Row::new(403, "BadEnvironmentKeyIdInToken", Meaning::Quarantine),
    Row::new(403, "UnrelatedKeyIdInToken", Meaning::Quarantine),
    // After a fresh token was refused as well: a clock is wrong.
    Row::new(403, "ExpiredProviderToken", Meaning::Operator),
    Row::new(403, "Forbidden", Meaning::Quarantine),
    Row::new(403, "InvalidProviderToken", Meaning::Operator),
    Row::new(403, "MissingProviderToken", Meaning::Operator),
    Row::new(404, "BadPath", Meaning::Quarantine),
    Row::new(405, "MethodNotAllowed", Meaning::Rejected),
    Row::new(410, "ExpiredToken", Meaning::Gone),
    Row::new(410, "Unregistered", Meaning::Gone),
    Row::new(413, "PayloadTooLarge", Meaning::Rejected),
    Row::new(429, "TooManyProviderTokenUpdates", Meaning::RetryNotBefore { ms: 60_000 }),
    // Too many for this device, not in all.
    Row::new(429, "TooManyRequests", Meaning::RetryNotBefore { ms: 10_000 }),
    Row::new(500, "InternalServerError", Meaning::Retry),
    Row::new(503, "ServiceUnavailable", Meaning::Retry),
    Row::new(503, "Shutdown", Meaning::Retry),
];

/// The body of a refusal.
#[derive(Debug, Default, Deserialize)]
struct Refusal {
    #[serde(default)]
    reason: String,
    /// Since when the token is not valid, in milliseconds since 1970.
    timestamp: Option<i64>,
}

pub(super) fn outcome(response: &Response, now_ms: i64) -> Outcome {
    let status = response.status.as_u16();
    let refusal = refusal(response);
    let timing = Timing { gone_since_ms: refusal.timestamp, ..Timing::of(response, now_ms) };
    let is_row = |row: &&Row| row.status == status && (status == 200 || row.reason == refusal.reason);
    let row = TABLE.iter().find(is_row);
    let outcome = row.map_or_else(|| unknown(status).outcome(timing), |row| row.outcome(timing));
    if status == 200 { outcome } else { outcome.with_detail(format!("{status} {}", refusal.reason)) }
}

pub(super) fn says_that_token_is_expired(response: &Response) -> bool {
    response.status == 403 && refusal(response).reason == "ExpiredProviderToken"
}

fn refusal(response: &Response) -> Refusal {
    serde_json::from_slice(&response.body).unwrap_or_default()
}
