use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bus_domain::push::PushProvider;
use p256::SecretKey;
use p256::elliptic_curve::sec1::ToSec1Point as _;
use ring::signature::ECDSA_P256_SHA256_FIXED;
use serde::Serialize;
use serde_json::json;

use super::decrypt::Sealed;
use super::jwt::Jwt;
use super::server::{Answer, Asked};
use super::state::{Received, State};

/// What a browser gives its web app (`PushSubscription.toJSON()`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Subscription {
    /// Where to push.
    pub endpoint: String,
    /// With what to encrypt.
    pub keys: SubscriptionKeys,
}

/// The keys, in base64url.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SubscriptionKeys {
    /// The public key.
    pub p256dh: String,
    /// The authentication secret.
    pub auth: String,
}

/// The user agent's side of a subscription.
#[derive(Clone)]
pub(super) struct Subscribed {
    private_key: SecretKey,
    auth_secret: [u8; 16],
    vapid_key: Option<String>,
}

/// Bytes of a message that every push service takes (RFC 8030, section 7.2); this one takes no more.
const BODY_BYTES_MAX: usize = 4_096;
const DAY_S: i64 = 24 * 3_600;

impl Subscribed {
    pub(super) fn new(random: impl Fn() -> [u8; 16], vapid_key: Option<&str>) -> (String, Self) {
        let private_key = loop {
            if let Ok(key) = SecretKey::from_slice(&[random(), random()].concat()) {
                break key;
            }
        };
        let id = URL_SAFE_NO_PAD.encode(random());
        (id, Self { private_key, auth_secret: random(), vapid_key: vapid_key.map(str::to_owned) })
    }

    pub(super) fn subscription(&self, endpoint: &str) -> Subscription {
        let point = self.private_key.public_key().to_sec1_point(false);
        let keys = SubscriptionKeys {
            p256dh: URL_SAFE_NO_PAD.encode(point.as_bytes()),
            auth: URL_SAFE_NO_PAD.encode(self.auth_secret),
        };
        Subscription { endpoint: endpoint.to_owned(), keys }
    }
}

/// Takes a message for a subscription, or says what is wrong with it.
pub(super) fn take(state: &State, id: &str, asked: &Asked) -> Result<(Received, Answer), Answer> {
    let subscribed = state.subscribed(id).ok_or_else(|| refuse(404, "there is no such subscription"))?;
    if asked.method != "POST" {
        return Err(refuse(405, "messages are sent with POST"));
    }
    let ttl = asked.header("ttl").ok_or_else(|| refuse(400, "the header TTL is missing"))?;
    let ttl: u32 = ttl.parse().map_err(|_| refuse(400, "TTL is not a number of seconds"))?;
    check_words(asked)?;
    let vapid_key = check_vapid(state, &subscribed, asked)?;
    if asked.body.len() > BODY_BYTES_MAX {
        return Err(refuse(413, "the message has more than 4096 bytes"));
    }
    if asked.headers_of("content-encoding").collect::<Vec<_>>() != ["aes128gcm"] {
        return Err(refuse(400, "Content-Encoding is not aes128gcm"));
    }
    let bad = |problem| refuse(400, problem);
    let sealed = Sealed::parse(&asked.body).map_err(bad)?;
    if URL_SAFE_NO_PAD.encode(sealed.sender()) == vapid_key {
        return Err(refuse(400, "the key that encrypts must not be the one that signs"));
    }
    let plaintext = sealed.open(&subscribed.private_key, &subscribed.auth_secret).map_err(bad)?;
    let payload = String::from_utf8(plaintext)
        .unwrap_or_else(|error| format!("base64:{}", URL_SAFE_NO_PAD.encode(error.as_bytes())));
    let received = asked.received(PushProvider::WebPush, id, payload);
    let location = format!("{}/wp/{id}/message", state.origin());
    let answer = Answer::empty(201).with_header("location", location).with_header("ttl", ttl.to_string());
    Ok((received, answer))
}

/// How a refusal looks, in Mozilla's form.
pub(super) fn refuse(status: u16, message: &str) -> Answer {
    Answer::json(status, &json!({ "code": status, "message": message }))
}

fn check_words(asked: &Asked) -> Result<(), Answer> {
    let urgency = asked.header("urgency").unwrap_or("normal");
    if !["very-low", "low", "normal", "high"].contains(&urgency) {
        return Err(refuse(400, "Urgency is none of very-low, low, normal, high"));
    }
    let is_base64url = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    let topic = asked.header("topic").unwrap_or("fine");
    if !(1..=32).contains(&topic.len()) || !topic.bytes().all(is_base64url) {
        return Err(refuse(400, "Topic is not 1 to 32 characters of base64url"));
    }
    Ok(())
}

/// RFC 8292, section 4.2. Returns the key.
fn check_vapid(state: &State, subscribed: &Subscribed, asked: &Asked) -> Result<String, Answer> {
    let header = asked.header("authorization").ok_or_else(|| refuse(401, "there is no Authorization"))?;
    let forbidden = |problem| refuse(403, problem);
    let parameters = header.strip_prefix("vapid ").ok_or_else(|| forbidden("the scheme is not vapid"))?;
    let parameter =
        |name: &str| parameters.split(',').find_map(|part| part.trim().strip_prefix(name)?.strip_prefix('='));
    let token = parameter("t").ok_or_else(|| forbidden("vapid has no t"))?;
    let key = parameter("k").ok_or_else(|| forbidden("vapid has no k"))?;
    let point = URL_SAFE_NO_PAD.decode(key).map_err(|_| forbidden("k is not base64url"))?;
    let jwt = Jwt::parse(token).ok_or_else(|| forbidden("t is not a JWT"))?;
    if !jwt.is_signed_by("ES256", &ECDSA_P256_SHA256_FIXED, &point) {
        return Err(forbidden("t is not signed by k with ES256"));
    }
    if jwt.claims["aud"] != state.origin() {
        return Err(forbidden("aud is not the origin of the endpoint"));
    }
    let expires_s = jwt.claims["exp"].as_i64().ok_or_else(|| forbidden("there is no exp"))?;
    let now_s = state.now_s();
    if expires_s < now_s || expires_s > now_s + DAY_S {
        return Err(forbidden("exp is over, or more than a day ahead"));
    }
    let contact = jwt.claims["sub"].as_str().unwrap_or("mailto:");
    if !contact.starts_with("mailto:") && !contact.starts_with("https:") {
        return Err(forbidden("sub is neither mailto: nor https:"));
    }
    if subscribed.vapid_key.as_ref().is_some_and(|expected| expected != key) {
        return Err(forbidden("the subscription belongs to another key"));
    }
    Ok(key.to_owned())
}
