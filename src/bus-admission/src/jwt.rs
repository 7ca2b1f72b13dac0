//! Access tokens that an issuer signs (JWT, RFC 7519), checked by the keys of its JWKS (RFC 7517).
//!
//! Signatures are ring's. What can be got wrong around them is kept small: the key decides the algorithm and not the token
//! (RFC 8725 §3.1), secrets that two sides share are no keys here, and what a token says counts only behind its signature.

mod keys;

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bus_domain::{Actor, BareJid, Role};
use lru::LruCache;
use serde::Deserialize;
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};
use thiserror::Error;

use crate::credentials::{CredentialError, Standing, principal_jid};
use keys::{Key, read_keys};

/// The longest token that is looked at.
const TOKEN_BYTES_MAX: usize = 8 * 1024;
/// How far the issuer's clock may be ahead of ours, for `nbf`. A token ends at its `exp`, to the second.
const CLOCK_LEEWAY_S: i64 = 30;
/// Keys of one issuer that a signature is compared with.
const KEYS_TRIED_MAX: usize = 8;
/// Tokens whose signatures are known to be good: a caller shows the same one again and again.
const VERIFIED_MAX: NonZeroUsize = NonZeroUsize::new(1_024).expect("not zero");

/// Whose tokens count, and whom they make their holders.
#[derive(Debug, Clone)]
pub struct JwtRule {
    /// The tokens' `iss`, exactly.
    pub issuer: String,
    /// What must be among the tokens' `aud`: a token for another service is none for this one.
    pub audience: String,
    /// The claim that names the holder; as a rule `sub`.
    pub claim: String,
    /// What is put in front of that name, so that the issuer's names are none of the operator's.
    pub prefix: String,
    /// The domain of the principals: the component's, unless the issuer is that of a domain's users.
    pub domain: BareJid,
    /// Whether its holders may create nodes.
    pub may_create: bool,
    /// Whether a holder whose address is among the admins is one.
    pub may_administer: bool,
}

/// An issuer with its keys.
#[derive(Debug, Clone)]
pub struct JwtIssuer {
    rule: JwtRule,
    keys: Arc<[Key]>,
    /// By their SHA-256. Keys that are read anew come with an empty one.
    verified: Arc<Mutex<LruCache<[u8; 32], ()>>>,
}

/// Why a signed token does not count. Says nothing that its sender does not know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum JwtProblem {
    /// It cannot be read.
    #[error("it is not a JWT that can be read")]
    Malformed,
    /// Nobody whom we know has signed it.
    #[error("its issuer is not listed under [grpc] jwt in the daemon's configuration")]
    UnknownIssuer,
    /// It is for another service.
    #[error("it is for another audience")]
    Audience,
    /// No key fits.
    #[error("its issuer has no key of its kid and algorithm")]
    UnknownKey,
    /// Its signature is somebody else's.
    #[error("its signature is not its issuer's")]
    Signature,
    /// It would never end.
    #[error("it says no exp, and would count for ever")]
    NoExpiry,
    /// It does not count yet.
    #[error("it counts from a later moment on (nbf)")]
    NotYet,
    /// It names nobody.
    #[error("its claim does not name anybody who can be a principal")]
    Principal,
    /// It was good once.
    #[error("it has expired")]
    Expired,
}

/// The header (RFC 7515 §4.1).
#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
    /// Extensions that must be understood, and none is here.
    crit: Option<Value>,
}

/// A token in its parts; nothing is believed of it yet.
struct Parts<'a> {
    header: Header,
    claims: Map<String, Value>,
    signed: &'a str,
    signature: Vec<u8>,
}

/// Whether it looks like one: then it is looked for among the issuers, and not among the listed tokens.
pub(crate) fn is_jwt(token: &str) -> bool {
    token.starts_with("ey") && token.matches('.').count() == 2
}

impl JwtIssuer {
    /// An issuer by its rule and the text of its JWKS. Keys for other ends are passed over.
    ///
    /// # Errors
    /// [`CredentialError::Jwks`] when it is none, or has no key that signs.
    pub fn new(rule: JwtRule, jwks: &str) -> Result<Self, CredentialError> {
        let keys = read_keys(jwks)
            .map_err(|problem| CredentialError::Jwks { issuer: rule.issuer.clone(), problem })?;
        Ok(Self { keys: keys.into(), ..Self::without_keys(rule) })
    }

    /// An issuer whose keys are not known yet, and whose tokens do not count until they are.
    pub fn without_keys(rule: JwtRule) -> Self {
        Self { rule, keys: Arc::default(), verified: Arc::new(Mutex::new(LruCache::new(VERIFIED_MAX))) }
    }

    /// Whether this is the text of a JWKS with a key that signs.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn check_keys(jwks: &str) -> Result<(), String> {
        read_keys(jwks).map(drop)
    }

    fn verify(&self, token: &str, parts: &Parts<'_>) -> Result<(), JwtProblem> {
        let Header { alg, kid, crit } = &parts.header;
        if crit.is_some() {
            return Err(JwtProblem::Malformed);
        }
        let is_wanted = |key: &&Key| key.signs(alg) && kid.as_ref().is_none_or(|kid| key.is_called(kid));
        // While an issuer that names no keys changes them, there are two.
        let mut wanted = self.keys.iter().filter(is_wanted).take(KEYS_TRIED_MAX).peekable();
        wanted.peek().ok_or(JwtProblem::UnknownKey)?;
        let hash: [u8; 32] = Sha256::digest(token).into();
        if self.lock().get(&hash).is_some() {
            return Ok(());
        }
        if !wanted.any(|key| key.verifies(alg, parts.signed.as_bytes(), &parts.signature)) {
            return Err(JwtProblem::Signature);
        }
        self.lock().put(hash, ());
        Ok(())
    }

    /// Whether it is the issuer of this name, for this audience.
    pub fn is_for(&self, issuer: &str, audience: &str) -> bool {
        self.rule.issuer == issuer && self.rule.audience == audience
    }

    /// Whom the claims make their holder. Addresses are compared without case, names of an issuer need not be: that is for its
    /// operator to know. A name that normalisation would make another one in any other way makes nobody, because somebody else
    /// may have that.
    fn actor(&self, claims: &Map<String, Value>, admins: &[BareJid]) -> Option<Actor> {
        let JwtRule { claim, prefix, domain, may_create, may_administer, .. } = &self.rule;
        let name = claims.get(claim)?.as_str()?;
        // An address of the rule's own domain is a name, too.
        let name = name.strip_suffix(&format!("@{domain}")).unwrap_or(name);
        let name = format!("{prefix}{name}");
        let principal = principal_jid(&name, domain.as_str()).ok()?;
        if principal.node().map(AsRef::as_ref) != Some(&*name.to_lowercase()) {
            return None;
        }
        let is_admin = *may_administer && admins.contains(&principal);
        let role = match (is_admin, may_create) {
            (true, _) => Role::Admin,
            (false, true) => Role::Creator,
            (false, false) => Role::User,
        };
        Some(Actor::new(principal, role))
    }

    fn lock(&self) -> MutexGuard<'_, LruCache<[u8; 32], ()>> {
        self.verified.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whom a token makes its holder, and until when.
pub(crate) fn find(
    issuers: &[JwtIssuer],
    admins: &[BareJid],
    token: &str,
    now_ms: i64,
) -> Result<Standing, JwtProblem> {
    let parts = Parts::read(token).ok_or(JwtProblem::Malformed)?;
    let issuer = parts.text("iss").ok_or(JwtProblem::UnknownIssuer)?;
    let mut of_issuer = issuers.iter().filter(|it| it.rule.issuer == issuer).peekable();
    of_issuer.peek().ok_or(JwtProblem::UnknownIssuer)?;
    let mut refused = JwtProblem::Audience;
    let mut signed_by = None;
    for candidate in of_issuer.filter(|it| parts.is_for(&it.rule.audience)) {
        match candidate.verify(token, &parts) {
            Ok(()) => {
                signed_by = Some(candidate);
                break;
            }
            Err(problem) => refused = problem,
        }
    }
    let issuer = signed_by.ok_or(refused)?;
    let expires_at_ms = parts.moment_ms("exp")?.ok_or(JwtProblem::NoExpiry)?;
    if expires_at_ms <= now_ms {
        return Err(JwtProblem::Expired);
    }
    if parts.moment_ms("nbf")?.is_some_and(|from_ms| from_ms > now_ms.saturating_add(CLOCK_LEEWAY_S * 1_000))
    {
        return Err(JwtProblem::NotYet);
    }
    let actor = issuer.actor(&parts.claims, admins).ok_or(JwtProblem::Principal)?;
    Ok(Standing { actor, expires_at_ms: Some(expires_at_ms) })
}

impl<'a> Parts<'a> {
    fn read(token: &'a str) -> Option<Self> {
        if token.len() > TOKEN_BYTES_MAX {
            return None;
        }
        let (signed, signature) = token.rsplit_once('.')?;
        let (header, claims) = signed.split_once('.')?;
        let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).ok();
        Some(Self {
            header: serde_json::from_slice(&decode(header)?).ok()?,
            claims: serde_json::from_slice(&decode(claims)?).ok()?,
            signed,
            signature: decode(signature)?,
        })
    }

    fn text(&self, claim: &str) -> Option<&str> {
        self.claims.get(claim)?.as_str()
    }

    /// `aud` is one text or several (RFC 7519 §4.1.3).
    fn is_for(&self, audience: &str) -> bool {
        match self.claims.get("aud") {
            Some(Value::String(one)) => one == audience,
            Some(Value::Array(several)) => several.iter().any(|one| one.as_str() == Some(audience)),
            _ => false,
        }
    }

    /// Seconds since 1970, which may have a fraction (RFC 7519 §2), as milliseconds; `None` if it does not say. What is no such
    /// number is no leave.
    fn moment_ms(&self, claim: &str) -> Result<Option<i64>, JwtProblem> {
        let value = match self.claims.get(claim) {
            None | Some(Value::Null) => return Ok(None),
            Some(value) => value,
        };
        let whole = |seconds: i64| seconds.checked_mul(1_000);
        let fraction = |seconds: f64| {
            let seconds = Duration::try_from_secs_f64(seconds).ok()?;
            i64::try_from(seconds.as_millis()).ok()
        };
        let ms = value.as_i64().map_or_else(|| value.as_f64().and_then(fraction), whole);
        ms.map(Some).ok_or(JwtProblem::Malformed)
    }
}

#[cfg(test)]
mod tests;
