use std::future;
use std::sync::Arc;
use std::time::Duration;

use bus_domain::Actor;
use bus_engine::Engine;
use tokio::sync::watch;

use crate::Refusal;
use crate::credentials::{Credentials, CredentialsInForce, NotKnown, Shown, Standing};

/// How soon a clock is noticed that was set.
const CLOCK_INTERVAL: Duration = Duration::from_mins(1);

/// Lets calls with a credential that counts through, and says who calls. Cheap to clone.
#[derive(Clone)]
pub struct Authentication {
    /// Has the time of day.
    engine: Engine,
    credentials: CredentialsInForce,
}

/// Who calls, for what goes on, too: it may outlast the credential.
#[derive(Clone)]
pub struct Caller {
    engine: Engine,
    shown: Shown,
    standing: Standing,
    credentials: watch::Receiver<Arc<Credentials>>,
}

impl Authentication {
    /// By these credentials, and the engine's clock.
    pub fn new(engine: Engine, credentials: CredentialsInForce) -> Self {
        Self { engine, credentials }
    }

    /// Who calls with this value of `authorization`, or else with a certificate of these names. Who sends the header says by
    /// it who it is, also when no token is in it: a forwarder's certificate is not the one whom it forwards.
    ///
    /// # Errors
    /// When it is nobody, or nothing is shown.
    pub fn caller(
        &self,
        authorization: Option<&[u8]>,
        certificate_names: Option<Arc<[String]>>,
    ) -> Result<Caller, Refusal> {
        let shown = match authorization {
            Some(authorization) => {
                let text = std::str::from_utf8(authorization).ok();
                Shown::token(text.and_then(bearer_token).ok_or(Refusal::TokenMissing)?)
            }
            None => Shown::Certificate(certificate_names.ok_or(Refusal::TokenMissing)?),
        };
        let mut credentials = self.credentials.watch();
        let found = self.credentials.find(&credentials.borrow_and_update(), &shown, self.engine.now_ms());
        let standing = found.map_err(|why| refusal(&shown, why))?;
        Ok(Caller { engine: self.engine.clone(), shown, standing, credentials })
    }
}

impl Caller {
    /// Whom the credential makes the caller.
    pub fn actor(&self) -> &Actor {
        &self.standing.actor
    }

    /// Whether [`Self::ended`] has something to look at. Cheap enough to be asked before each frame.
    pub fn may_have_ended(&self) -> bool {
        let is_over = |at_ms: i64| at_ms <= self.engine.now_ms();
        self.credentials.has_changed().unwrap_or_default() || self.standing.expires_at_ms.is_some_and(is_over)
    }

    /// Resolves when the credential counts no longer, or for somebody else, and says so. Safe to drop and call again.
    pub async fn ended(&mut self) -> Refusal {
        loop {
            // Frame by frame this costs no more than a look.
            if self.credentials.has_changed().unwrap_or_default()
                && let Err(why) = self.find_again()
            {
                return refusal(&self.shown, why);
            }
            let left_ms = self.standing.expires_at_ms.map(|at_ms| at_ms.saturating_sub(self.engine.now_ms()));
            if left_ms.is_some_and(|left_ms| left_ms <= 0) {
                return refusal(&self.shown, NotKnown::Expired);
            }
            let expiry = async {
                let Some(left_ms) = left_ms else { return future::pending().await };
                let left = Duration::from_millis(u64::try_from(left_ms).unwrap_or_default());
                tokio::time::sleep(left.min(CLOCK_INTERVAL)).await;
            };
            tokio::select! {
                () = expiry => {}
                // The sender lives as long as the server.
                changed = self.credentials.changed() => match changed {
                    Ok(()) => self.credentials.mark_changed(),
                    Err(_) => future::pending().await,
                },
            }
        }
    }

    fn find_again(&mut self) -> Result<(), NotKnown> {
        let now_ms = self.engine.now_ms();
        let found = self.credentials.borrow_and_update().find(&self.shown, now_ms)?;
        if found.actor != self.standing.actor {
            return Err(NotKnown::Changed);
        }
        self.standing = found;
        Ok(())
    }
}

/// The token in the value of `authorization`, `Bearer TOKEN` (RFC 6750 §2.1); the scheme's case does not matter (RFC 9110
/// §11.1).
fn bearer_token(authorization: &str) -> Option<&str> {
    let (scheme, token) = authorization.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}

fn refusal(shown: &Shown, why: NotKnown) -> Refusal {
    match (shown, why) {
        (_, NotKnown::Changed) => Refusal::CredentialChanged,
        (Shown::Certificate(names), _) => Refusal::CertificateUnknown { names: names.join(", ") },
        (_, NotKnown::Unlisted) => Refusal::TokenInvalid,
        (_, NotKnown::Expired) => Refusal::TokenExpired,
        (_, NotKnown::Jwt(problem)) => Refusal::Jwt { problem },
    }
}
