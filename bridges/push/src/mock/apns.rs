use std::sync::{Mutex, PoisonError};

use bus_domain::push::PushProvider;
use hyper::Version;
use ring::signature::ECDSA_P256_SHA256_FIXED;
use serde_json::{Value, json};
use uuid::Uuid;

use super::jwt::Jwt;
use super::server::{Answer, Asked};
use super::state::{Received, State};

/// What a sender needs to be let in by the mock as by Apple.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApnsCredentials {
    /// The team.
    pub team_id: String,
    /// The key's id.
    pub key_id: String,
    /// The key, PKCS#8 in PEM (`.p8`).
    pub key_pem: String,
}

/// Apple's side.
pub(super) struct Apns {
    pub(super) credentials: ApnsCredentials,
    public_key: Vec<u8>,
    newest_token_s: Mutex<Option<i64>>,
}

const TEAM_ID: &str = "MOCKTEAM01";
const KEY_ID: &str = "MOCKKEY001";
const TOKEN_VALID_S: i64 = 3_600;
const TOKEN_UPDATED_AFTER_S: i64 = 20 * 60;
const PAYLOAD_BYTES_MAX: usize = 4_096;
const VOIP_PAYLOAD_BYTES_MAX: usize = 5_120;
/// The push types, and what their topics end with.
const PUSH_TYPES: &[(&str, &str)] = &[
    ("alert", ""),
    ("background", ""),
    ("mdm", ""),
    ("location", ".location-query"),
    ("voip", ".voip"),
    ("complication", ".complication"),
    ("fileprovider", ".pushkit.fileprovider"),
    ("liveactivity", ".push-type.liveactivity"),
    ("pushtotalk", ".voip-ptt"),
    ("widgets", ".push-type.widgets"),
    ("controls", ".push-type.controls"),
];
const KNOWN_HEADERS: [&str; 7] = [
    "authorization",
    "apns-id",
    "apns-topic",
    "apns-push-type",
    "apns-priority",
    "apns-expiration",
    "apns-collapse-id",
];

impl Apns {
    pub(super) fn new() -> Result<Self, rcgen::Error> {
        let key = rcgen::KeyPair::generate()?;
        let credentials = ApnsCredentials {
            team_id: TEAM_ID.to_owned(),
            key_id: KEY_ID.to_owned(),
            key_pem: key.serialize_pem(),
        };
        Ok(Self { credentials, public_key: key.public_key_raw().to_vec(), newest_token_s: Mutex::new(None) })
    }

    /// Takes a notification for a device, or says what is wrong with it.
    pub(super) fn take(
        &self,
        state: &State,
        device: &str,
        asked: &Asked,
    ) -> Result<(Received, Answer), Answer> {
        if asked.version != Version::HTTP_2 {
            return Err(Answer::empty(505));
        }
        let refuse = |status, reason| Err(refuse(status, reason, None));
        if asked.method != "POST" {
            return refuse(405, "MethodNotAllowed");
        }
        if KNOWN_HEADERS.iter().any(|name| asked.headers_of(name).count() > 1) {
            return refuse(400, "DuplicateHeaders");
        }
        self.check_token(state.now_s(), asked)?;
        if device.is_empty() {
            return refuse(400, "MissingDeviceToken");
        }
        if !device.len().is_multiple_of(2) || !device.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return refuse(400, "BadDeviceToken");
        }
        let push_type = check_headers(asked)?;
        if asked.body.is_empty() {
            return refuse(400, "PayloadEmpty");
        }
        let bytes_max = if push_type == "voip" { VOIP_PAYLOAD_BYTES_MAX } else { PAYLOAD_BYTES_MAX };
        if asked.body.len() > bytes_max {
            return refuse(413, "PayloadTooLarge");
        }
        let payload: Value = serde_json::from_slice(&asked.body).unwrap_or_default();
        if !payload["aps"].is_object() {
            return refuse(400, "PayloadEmpty");
        }
        let id = asked.header("apns-id").unwrap_or_default().to_owned();
        let received = asked.received(PushProvider::Apns, device, payload.to_string());
        Ok((received, Answer::empty(200).with_header("apns-id", id)))
    }

    fn check_token(&self, now_s: i64, asked: &Asked) -> Result<(), Answer> {
        let refuse = |status, reason| Err(refuse(status, reason, None));
        let Some(header) = asked.header("authorization") else { return refuse(403, "MissingProviderToken") };
        let jwt = header.strip_prefix("bearer ").and_then(Jwt::parse);
        let is_ours = |jwt: &Jwt<'_>| {
            jwt.is_signed_by("ES256", &ECDSA_P256_SHA256_FIXED, &self.public_key)
                && jwt.header["kid"] == KEY_ID
                && jwt.claims["iss"] == TEAM_ID
        };
        let Some(issued_at_s) = jwt.filter(is_ours).and_then(|jwt| jwt.claims["iat"].as_i64()) else {
            return refuse(403, "InvalidProviderToken");
        };
        if (now_s - issued_at_s).abs() > TOKEN_VALID_S {
            return refuse(403, "ExpiredProviderToken");
        }
        // Nothing panics while it is held.
        let mut newest_s = self.newest_token_s.lock().unwrap_or_else(PoisonError::into_inner);
        if newest_s.is_some_and(|newest_s| (1..TOKEN_UPDATED_AFTER_S).contains(&(issued_at_s - newest_s))) {
            return refuse(429, "TooManyProviderTokenUpdates");
        }
        *newest_s = Some(newest_s.map_or(issued_at_s, |newest_s| newest_s.max(issued_at_s)));
        Ok(())
    }
}

/// How a refusal looks.
pub(super) fn refuse(status: u16, reason: &str, timestamp_ms: Option<i64>) -> Answer {
    let mut body = json!({ "reason": reason });
    if let Some(timestamp_ms) = timestamp_ms {
        body["timestamp"] = json!(timestamp_ms);
    }
    Answer::json(status, &body)
}

/// Returns the push type.
fn check_headers(asked: &Asked) -> Result<&str, Answer> {
    let refuse = |reason| refuse(400, reason, None);
    if asked.header("apns-id").is_none_or(|id| Uuid::try_parse(id).is_err()) {
        return Err(refuse("BadMessageId"));
    }
    let push_type = asked.header("apns-push-type").unwrap_or("alert");
    let known = PUSH_TYPES.iter().find(|(name, _)| *name == push_type);
    let (_, suffix) = known.ok_or_else(|| refuse("InvalidPushType"))?;
    let topic = asked.header("apns-topic").ok_or_else(|| refuse("MissingTopic"))?;
    let ends_otherwise = PUSH_TYPES.iter().any(|(_, other)| !other.is_empty() && topic.ends_with(other));
    if suffix.is_empty() && ends_otherwise || !topic.ends_with(suffix) || topic.len() == suffix.len() {
        return Err(refuse("TopicDisallowed"));
    }
    let priority = asked.header("apns-priority").unwrap_or("10");
    if !["1", "5", "10"].contains(&priority) || push_type == "background" && priority == "10" {
        return Err(refuse("BadPriority"));
    }
    if asked.header("apns-expiration").is_some_and(|seconds| seconds.parse::<u64>().is_err()) {
        return Err(refuse("BadExpirationDate"));
    }
    if asked.header("apns-collapse-id").is_some_and(|id| id.len() > 64) {
        return Err(refuse("BadCollapseId"));
    }
    Ok(push_type)
}
