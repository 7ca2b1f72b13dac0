use std::future;
use std::sync::Arc;
use std::time::Duration;

use bus_domain::Actor;
use bus_engine::Engine;
use tokio::sync::watch;
use tonic::service::Interceptor;
use tonic::{Request, Status};

use crate::connections::Peer;
use crate::credentials::{Credentials, CredentialsInForce, NotKnown, Shown, Standing};
use crate::status::{certificate_unknown, credential_changed, token_expired, token_invalid, token_missing};

/// How soon a clock is noticed that was set.
const CLOCK_INTERVAL: Duration = Duration::from_mins(1);

/// Lets calls with a credential that counts through, and tells them who calls (see [`authenticated`]).
#[derive(Clone)]
pub(crate) struct Authentication {
    /// Has the time of day.
    engine: Engine,
    credentials: CredentialsInForce,
}

/// Who calls, for a stream, which may outlast the credential.
#[derive(Clone)]
pub(crate) struct Caller {
    engine: Engine,
    shown: Shown,
    standing: Standing,
    credentials: watch::Receiver<Arc<Credentials>>,
}

impl Authentication {
    pub(crate) fn new(engine: Engine, credentials: CredentialsInForce) -> Self {
        Self { engine, credentials }
    }

    fn caller(&self, shown: Shown) -> Result<Caller, Status> {
        let mut credentials = self.credentials.watch();
        let found = credentials.borrow_and_update().find(&shown, self.engine.now_ms());
        let standing = found.map_err(|why| refusal(&shown, why))?;
        Ok(Caller { engine: self.engine.clone(), shown, standing, credentials })
    }
}

impl Interceptor for Authentication {
    /// A token goes before a certificate: who sends both says by the token who it is.
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        let shown = match bearer_token(&request) {
            Some(token) => Shown::token(token),
            None => Shown::Certificate(certificate_names(&request).ok_or_else(token_missing)?),
        };
        let caller = self.caller(shown)?;
        request.extensions_mut().insert(caller);
        Ok(request)
    }
}

impl Caller {
    /// Whom the credential makes the caller.
    pub(crate) fn actor(&self) -> &Actor {
        &self.standing.actor
    }

    /// Whether [`Self::ended`] has something to look at. Cheap enough to be asked before each frame.
    pub(crate) fn may_have_ended(&self) -> bool {
        let is_over = |at_ms: i64| at_ms <= self.engine.now_ms();
        self.credentials.has_changed().unwrap_or_default() || self.standing.expires_at_ms.is_some_and(is_over)
    }

    /// Resolves when the credential counts no longer, or for somebody else, and says so. Safe to drop and call again.
    pub(crate) async fn ended(&mut self) -> Status {
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

/// Who calls, and what with.
pub(crate) fn authenticated<Message>(request: Request<Message>) -> Result<(Actor, Message), Status> {
    let (caller, message) = authenticated_stream(request)?;
    Ok((caller.standing.actor, message))
}

/// As [`authenticated`], for what goes on.
pub(crate) fn authenticated_stream<Message>(
    mut request: Request<Message>,
) -> Result<(Caller, Message), Status> {
    let caller = request.extensions_mut().remove::<Caller>().ok_or_else(token_missing)?;
    Ok((caller, request.into_inner()))
}

/// The token in `authorization: Bearer TOKEN` (RFC 6750 §2.1); the scheme's case does not matter (RFC 9110 §11.1).
fn bearer_token(request: &Request<()>) -> Option<&str> {
    let value = request.metadata().get("authorization")?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}

/// The names in the certificate that the client has shown, if it has shown one.
fn certificate_names(request: &Request<()>) -> Option<Arc<[String]>> {
    request.extensions().get::<Peer>()?.certificate_names.clone()
}

fn refusal(shown: &Shown, why: NotKnown) -> Status {
    match (shown, why) {
        (_, NotKnown::Changed) => credential_changed(),
        (Shown::Token(_), NotKnown::Unlisted) => token_invalid(),
        (Shown::Token(_), NotKnown::Expired) => token_expired(),
        (Shown::Certificate(names), _) => certificate_unknown(names),
    }
}
