use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bus_engine::Clock;
use hyper::Method;
use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use outbound_http::{Client, Request, SendError};
use serde::Deserialize;
use serde_json::json;
use thiserror::Error;
use url::form_urlencoded::Serializer;

use super::settings::Account;
use crate::decision::Timing;
use crate::jwt;

/// How we show Google who we are: an access token, got for an assertion that our key has signed (RFC 7523).
pub(super) struct AccessTokens {
    account: Account,
    http: Client,
    clock: Arc<dyn Clock>,
    current: Mutex<Option<Token>>,
    getting: tokio::sync::Mutex<Option<Failed>>,
}

/// Why there is no token.
#[derive(Debug, Clone, Error)]
pub(super) enum TokenError {
    /// Google does not want us: the key was revoked, the account is gone, a clock is wrong.
    #[error("no access token for the service account: {0}")]
    Refused(String),
    /// Not now.
    #[error("no access token now: {reason}")]
    Later {
        /// What came back.
        reason: String,
        /// When Google is asked again, in milliseconds from now.
        after_ms: u64,
    },
}

struct Token {
    header: HeaderValue,
    renewed_at_ms: i64,
    expires_at_ms: i64,
}

/// The last failures in a row. Until the rest behind them is over everybody gets the same answer, and Google is not asked.
struct Failed {
    error: TokenError,
    in_a_row: u32,
    at_ms: i64,
    rest_ms: u64,
}

/// What Google answers.
#[derive(Deserialize)]
struct Granted {
    access_token: String,
    expires_in: i64,
}

const SCOPE: &str = "https://www.googleapis.com/auth/firebase.messaging";
const GRANT_TYPE: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
const ASSERTION_VALID_S: i64 = 3_600;
/// So long before its end a token is renewed, while others still use it.
const RENEWED_BEFORE_END_MS: i64 = 5 * 60 * 1_000;
/// The rest after the first failure in a row; twice as long after each further one.
const REST_MS: u64 = 1_000;
/// The longest of these, and of those that Google asks for.
const REST_MS_MAX: u64 = 60_000;

impl AccessTokens {
    pub(super) fn new(account: Account, http: Client, clock: Arc<dyn Clock>) -> Self {
        Self { account, http, clock, current: Mutex::new(None), getting: tokio::sync::Mutex::new(None) }
    }

    pub(super) fn account(&self) -> &Account {
        &self.account
    }

    /// The header `authorization`. One request at a time gets a token; the others wait for it only when they have none.
    pub(super) async fn authorization(&self) -> Result<HeaderValue, TokenError> {
        let now_ms = self.clock.now_ms();
        let (usable, is_due) = match &*self.lock() {
            Some(token) if now_ms < token.expires_at_ms => {
                (Some(token.header.clone()), now_ms >= token.renewed_at_ms)
            }
            _ => (None, true),
        };
        match usable {
            Some(usable) if !is_due => Ok(usable),
            Some(usable) => match self.getting.try_lock() {
                Ok(mut last_failure) => Ok(self.get(&mut last_failure).await.unwrap_or(usable)),
                Err(_) => Ok(usable),
            },
            None => self.get_or_share().await,
        }
    }

    /// Until when Google takes the token of now, in milliseconds since 1970.
    pub(super) fn end_at_ms(&self) -> Option<i64> {
        self.lock().as_ref().map(|token| token.expires_at_ms)
    }

    /// Forgets a token that Google refuses, unless it has been replaced already.
    pub(super) fn forget(&self, refused: &HeaderValue) {
        self.lock().take_if(|token| token.header == refused);
    }

    async fn get_or_share(&self) -> Result<HeaderValue, TokenError> {
        let mut last_failure = self.getting.lock().await;
        if let Some(token) = self.lock().as_ref().filter(|token| self.clock.now_ms() < token.expires_at_ms) {
            return Ok(token.header.clone());
        }
        self.get(&mut last_failure).await
    }

    async fn get(&self, last_failure: &mut Option<Failed>) -> Result<HeaderValue, TokenError> {
        let told = last_failure.as_ref().and_then(|failed| failed.told_at(self.clock.now_ms()));
        if let Some(error) = told {
            return Err(error);
        }
        match self.request().await {
            Ok(token) => {
                *last_failure = None;
                let header = token.header.clone();
                *self.lock() = Some(token);
                Ok(header)
            }
            Err(error) => {
                let in_a_row = last_failure.as_ref().map_or(0, |failed| failed.in_a_row);
                let failed = last_failure.insert(Failed::new(error, in_a_row, self.clock.now_ms()));
                Err(failed.error.clone())
            }
        }
    }

    async fn request(&self) -> Result<Token, TokenError> {
        let asked_at_ms = self.clock.now_ms();
        let form = Serializer::new(String::new())
            .append_pair("grant_type", GRANT_TYPE)
            .append_pair("assertion", &self.assertion(asked_at_ms.div_euclid(1_000)))
            .finish();
        let form_type = HeaderValue::from_static("application/x-www-form-urlencoded");
        let request = Request {
            method: Method::POST,
            target: self.account.tokens.clone(),
            headers: HeaderMap::from_iter([(CONTENT_TYPE, form_type)]),
            body: form.into(),
        };
        let later = |error: SendError| TokenError::Later { reason: error.to_string(), after_ms: 0 };
        let response = self.http.send(&request).await.map_err(later)?;
        let text = || format!("{} {}", response.status, String::from_utf8_lossy(&response.body));
        if response.status.is_server_error() || response.status == 429 {
            let after_ms = Timing::of(&response, self.clock.now_ms()).retry_after_ms.unwrap_or(0);
            return Err(TokenError::Later { reason: text(), after_ms });
        }
        let granted: Option<Granted> = serde_json::from_slice(&response.body).ok();
        let granted = granted.filter(|_| response.status.is_success());
        let Granted { access_token, expires_in } = granted.ok_or_else(|| TokenError::Refused(text()))?;
        let header = HeaderValue::try_from(format!("Bearer {access_token}"));
        let mut header = header.map_err(|_| TokenError::Refused("the token is no header".to_owned()))?;
        header.set_sensitive(true);
        let expires_at_ms = asked_at_ms.saturating_add(expires_in.saturating_mul(1_000));
        Ok(Token { header, renewed_at_ms: expires_at_ms - RENEWED_BEFORE_END_MS, expires_at_ms })
    }

    fn assertion(&self, now_s: i64) -> String {
        let Account { client_email, token_uri, key_id, key, .. } = &self.account;
        let claims = json!({
            "iss": client_email,
            "scope": SCOPE,
            "aud": token_uri,
            "iat": now_s,
            "exp": now_s + ASSERTION_VALID_S,
        });
        let header = match key_id {
            Some(key_id) => json!({ "alg": "RS256", "typ": "JWT", "kid": key_id }),
            None => json!({ "alg": "RS256", "typ": "JWT" }),
        };
        jwt::rs256(key, &header, &claims)
    }

    fn lock(&self) -> MutexGuard<'_, Option<Token>> {
        // Nothing panics while it is held, and what it holds is whole at any time.
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Failed {
    /// One more failure behind so many. Where Google asks for a longer rest than ours, that one is taken, within bounds.
    fn new(error: TokenError, in_a_row: u32, at_ms: i64) -> Self {
        let ours_ms = REST_MS << in_a_row.min(6);
        let (error, rest_ms) = match error {
            TokenError::Later { reason, after_ms } => {
                let rest_ms = ours_ms.max(after_ms).min(REST_MS_MAX);
                (TokenError::Later { reason, after_ms: rest_ms }, rest_ms)
            }
            refused @ TokenError::Refused(_) => (refused, ours_ms.min(REST_MS_MAX)),
        };
        Self { error, in_a_row: in_a_row.saturating_add(1), at_ms, rest_ms }
    }

    /// What is told without asking, until the rest is over. A clock that was set back ends it.
    fn told_at(&self, now_ms: i64) -> Option<TokenError> {
        let passed_ms = u64::try_from(now_ms.saturating_sub(self.at_ms)).ok()?;
        let left_ms = self.rest_ms.checked_sub(passed_ms).filter(|left_ms| *left_ms > 0)?;
        Some(match &self.error {
            TokenError::Later { reason, .. } => {
                TokenError::Later { reason: reason.clone(), after_ms: left_ms }
            }
            refused @ TokenError::Refused(_) => refused.clone(),
        })
    }
}
