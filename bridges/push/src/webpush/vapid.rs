use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bus_engine::Clock;
use hyper::header::HeaderValue;
use lru::LruCache;
use p256::ecdsa::SigningKey;
use serde_json::json;

use super::{WebPushSettings, WebPushSettingsError};
use crate::{jwt, keys};

/// How we show push services who we are (RFC 8292): a token for each origin, made once and used for half a day.
pub(super) struct Vapid {
    key: SigningKey,
    public_key: String,
    contact: String,
    clock: Arc<dyn Clock>,
    tokens: Mutex<LruCache<String, Token>>,
}

struct Token {
    header: HeaderValue,
    renewed_at_s: i64,
}

/// A token may say 24 hours at most; half of it forgives clocks that differ.
const VALID_S: i64 = 12 * 3_600;
const RENEWED_AFTER_S: i64 = 11 * 3_600;
const ORIGINS_MAX: NonZeroUsize = NonZeroUsize::new(1_000).expect("not zero");

impl Vapid {
    pub(super) fn new(
        settings: &WebPushSettings,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, WebPushSettingsError> {
        let key = keys::es256_key(&settings.vapid_key_pem)?;
        let public_key = URL_SAFE_NO_PAD.encode(keys::public_point(&key));
        let tokens = Mutex::new(LruCache::new(ORIGINS_MAX));
        Ok(Self { key, public_key, contact: settings.contact.clone(), clock, tokens })
    }

    /// What apps subscribe with (`applicationServerKey`), in base64url.
    pub(super) fn public_key(&self) -> &str {
        &self.public_key
    }

    /// The header `authorization` for the service at this origin.
    pub(super) fn authorization(&self, origin: &str) -> HeaderValue {
        let now_s = self.clock.now_ms().div_euclid(1_000);
        // Nothing panics while it is held, and what it holds is whole at any time.
        let mut tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(token) = tokens.get(origin)
            && now_s < token.renewed_at_s
        {
            return token.header.clone();
        }
        let claims = json!({ "aud": origin, "exp": now_s + VALID_S, "sub": self.contact });
        let signed = jwt::es256(&self.key, &json!({ "typ": "JWT", "alg": "ES256" }), &claims);
        let header = HeaderValue::try_from(format!("vapid t={signed}, k={}", self.public_key));
        let mut header = header.expect("base64url and dots make a header");
        header.set_sensitive(true);
        tokens
            .put(origin.to_owned(), Token { header: header.clone(), renewed_at_s: now_s + RENEWED_AFTER_S });
        header
    }
}
