use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bus_engine::Clock;
use hyper::header::HeaderValue;
use p256::ecdsa::SigningKey;
use serde_json::json;

use super::{ApnsSettings, ApnsSettingsError};
use crate::{jwt, keys};

/// How we show Apple who we are: one token for everything, made anew before the hour that it counts is over.
pub(super) struct ProviderTokens {
    key: SigningKey,
    key_id: String,
    team_id: String,
    clock: Arc<dyn Clock>,
    current: Mutex<Option<Token>>,
}

#[derive(Clone)]
struct Token {
    header: HeaderValue,
    issued_at_s: i64,
}

/// Apple takes a token for an hour, and refuses senders that make one more often than every 20 minutes
/// (`TooManyProviderTokenUpdates`).
const VALID_S: i64 = 3_600;
const RENEWED_AFTER_S: i64 = 50 * 60;
const RENEWED_NOT_BEFORE_S: i64 = 20 * 60;

impl ProviderTokens {
    pub(super) fn new(settings: &ApnsSettings, clock: Arc<dyn Clock>) -> Result<Self, ApnsSettingsError> {
        Ok(Self {
            key: keys::es256_key(&settings.key_pem)?,
            key_id: settings.key_id.clone(),
            team_id: settings.team_id.clone(),
            clock,
            current: Mutex::new(None),
        })
    }

    /// The header `authorization`.
    pub(super) fn authorization(&self) -> HeaderValue {
        let now_s = self.now_s();
        let mut current = self.lock();
        match &*current {
            Some(token) if now_s < token.issued_at_s + RENEWED_AFTER_S => token.header.clone(),
            _ => self.renew(&mut current, now_s),
        }
    }

    /// A header in place of one that Apple calls expired, if there may be one: ours was made long enough ago, or another
    /// request has got a new one meanwhile.
    pub(super) fn in_place_of(&self, expired: &HeaderValue) -> Option<HeaderValue> {
        let now_s = self.now_s();
        let mut current = self.lock();
        match &*current {
            Some(token) if token.header != expired => Some(token.header.clone()),
            Some(token) if now_s < token.issued_at_s + RENEWED_NOT_BEFORE_S => None,
            _ => Some(self.renew(&mut current, now_s)),
        }
    }

    /// Until when Apple takes the token of now, in milliseconds since 1970.
    pub(super) fn end_at_ms(&self) -> Option<i64> {
        self.lock().as_ref().map(|token| (token.issued_at_s + VALID_S).saturating_mul(1_000))
    }

    fn renew(&self, current: &mut Option<Token>, now_s: i64) -> HeaderValue {
        let header = json!({ "alg": "ES256", "kid": self.key_id });
        let token = jwt::es256(&self.key, &header, &json!({ "iss": self.team_id, "iat": now_s }));
        let mut header =
            HeaderValue::try_from(format!("bearer {token}")).expect("base64url and dots make a header");
        header.set_sensitive(true);
        *current = Some(Token { header: header.clone(), issued_at_s: now_s });
        header
    }

    fn now_s(&self) -> i64 {
        self.clock.now_ms().div_euclid(1_000)
    }

    fn lock(&self) -> MutexGuard<'_, Option<Token>> {
        // Nothing panics while it is held, and what it holds is whole at any time.
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
