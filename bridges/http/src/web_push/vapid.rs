use axum::http::StatusCode;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};
use serde_json::Value;
use thiserror::Error;
use url::Url;

use crate::problem::Problem;

/// Why who pushes is not the one that the address was given to (RFC 8292).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(super) enum NotTheSender {
    /// Nothing is shown.
    #[error("this address wants an Authorization of the scheme vapid (RFC 8292)")]
    Missing,
    /// It cannot be read.
    #[error("the Authorization is not of the scheme vapid with a t and a k (RFC 8292 §3)")]
    Malformed,
    /// It is somebody else's.
    #[error("the key is not the one that this address was made for")]
    Key,
    /// It was not signed with the key.
    #[error("the token is not signed with its key")]
    Signature,
    /// It is for another service.
    #[error("the token's aud is not the origin of this address")]
    Audience,
    /// It is over, or lasts longer than it may.
    #[error("the token's exp is over, or more than 24 hours away")]
    Expiry,
}

/// The longest token that is looked at.
const HEADER_BYTES_MAX: usize = 4 * 1024;
/// RFC 8292 §2.
const VALID_S_MAX: i64 = 24 * 3_600;
/// How far the sender's clock may be from ours.
const CLOCK_LEEWAY_S: i64 = 60;

/// Checks who pushes: it has the key, and speaks to this service, now.
pub(super) fn check(
    authorization: Option<&[u8]>,
    key: &[u8],
    public_url: &Url,
    now_ms: i64,
) -> Result<(), NotTheSender> {
    let header = authorization.ok_or(NotTheSender::Missing)?;
    let header = std::str::from_utf8(header).ok().filter(|it| it.len() <= HEADER_BYTES_MAX);
    let (scheme, parameters) = header.and_then(|it| it.split_once(' ')).ok_or(NotTheSender::Malformed)?;
    if !scheme.eq_ignore_ascii_case("vapid") {
        return Err(NotTheSender::Missing);
    }
    let parameter = |name: &str| {
        let mut parameters = parameters.split(',').filter_map(|it| it.trim().split_once('='));
        let value = parameters.find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value);
        value.map(|value| value.trim_matches('"')).ok_or(NotTheSender::Malformed)
    };
    let (token, shown) = (parameter("t")?, decode(parameter("k")?)?);
    if shown != key {
        return Err(NotTheSender::Key);
    }
    let (signed, signature) = token.rsplit_once('.').ok_or(NotTheSender::Malformed)?;
    let (head, claims) = signed.split_once('.').ok_or(NotTheSender::Malformed)?;
    // The key decides the algorithm; a token that names another one is not what it looks like.
    if object(head)?["alg"] != "ES256" {
        return Err(NotTheSender::Signature);
    }
    let verified =
        UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, key).verify(signed.as_bytes(), &decode(signature)?);
    verified.map_err(|_| NotTheSender::Signature)?;
    let claims = object(claims)?;
    let audience = claims["aud"].as_str().and_then(|text| Url::parse(text).ok());
    if audience.is_none_or(|audience| audience.origin() != public_url.origin()) {
        return Err(NotTheSender::Audience);
    }
    // It may have a fraction (RFC 7519 §2).
    #[expect(clippy::cast_possible_truncation, reason = "what is too large is refused as such")]
    let expiry_s = claims["exp"].as_f64().map_or(0, |exp| exp.floor() as i64);
    let left_s = expiry_s.saturating_sub(now_ms.div_euclid(1_000));
    if (-CLOCK_LEEWAY_S..=VALID_S_MAX + CLOCK_LEEWAY_S).contains(&left_s) {
        Ok(())
    } else {
        Err(NotTheSender::Expiry)
    }
}

fn decode(text: &str) -> Result<Vec<u8>, NotTheSender> {
    URL_SAFE_NO_PAD.decode(text.trim_end_matches('=')).map_err(|_| NotTheSender::Malformed)
}

fn object(part: &str) -> Result<Value, NotTheSender> {
    serde_json::from_slice(&decode(part)?).map_err(|_| NotTheSender::Malformed)
}

impl From<NotTheSender> for Problem {
    /// As RFC 8292 §4.2 has it: 401 for who shows nothing, 403 for who shows what does not do.
    fn from(refused: NotTheSender) -> Self {
        match refused {
            NotTheSender::Missing => {
                Self::new(StatusCode::UNAUTHORIZED, "VAPID_REQUIRED", refused.to_string())
            }
            _ => Self::new(StatusCode::FORBIDDEN, "VAPID_INVALID", refused.to_string()),
        }
    }
}
