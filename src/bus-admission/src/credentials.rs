use std::fmt::{self, Write as _};
use std::sync::Arc;

use bus_domain::{Actor, BareJid, Role};
use sha2::{Digest as _, Sha256};
use thiserror::Error;
use tokio::sync::{Notify, watch};

use crate::JwtIssuer;
use crate::jwt::{self, JwtProblem};

type TokenHash = [u8; 32];

/// Who may call.
#[derive(Debug, Clone, Default)]
pub struct Credentials {
    /// The tokens that are accepted.
    pub tokens: Vec<AccessToken>,
    /// For whom the certificates of clients stand.
    pub certificates: Vec<CertificateName>,
    /// Who else may say who somebody is.
    pub issuers: Vec<JwtIssuer>,
    /// Bare JIDs that count as owners of every node (`[xmpp] admins`); every other principal may create nodes.
    pub admins: Vec<BareJid>,
}

/// The credentials in force, which the owner may replace while calls are served. Cheap to clone.
#[derive(Clone)]
pub struct CredentialsInForce {
    now: Arc<watch::Sender<Arc<Credentials>>>,
    unknown_key: Arc<Notify>,
}

/// A token as the configuration lists it: whose it is, and its SHA-256. The token itself is known to its holder only.
#[derive(Clone)]
pub struct AccessToken {
    principal: BareJid,
    hash: TokenHash,
    expires_at_ms: Option<i64>,
}

/// A name in clients' certificates, and for whom it stands.
#[derive(Debug, Clone)]
pub struct CertificateName {
    principal: BareJid,
    name: String,
}

/// What is wrong with a credential as the configuration lists it.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CredentialError {
    /// The principal's name does not make an address `name@<component domain>`.
    #[error(
        "the principal {principal:?} does not make an address with {domain:?}; use letters, digits, '-', '_', '.'"
    )]
    Principal {
        /// The name.
        principal: String,
        /// The component domain.
        domain: String,
    },
    /// The hash of a token is not one.
    #[error("the sha256 of the token of {principal:?} is not 64 hexadecimal digits")]
    TokenHash {
        /// Whose token.
        principal: String,
    },
    /// The name of certificates is none.
    #[error(
        "the certificate's name of {principal:?} must be a DNS name or a URI among its subject alternative names, without \
         wildcards"
    )]
    CertificateName {
        /// Whose certificate.
        principal: String,
    },
    /// The keys of an issuer cannot be used.
    #[error("the JWKS of the issuer {issuer:?} {problem}")]
    Jwks {
        /// Whose.
        issuer: String,
        /// What is wrong with it.
        problem: String,
    },
}

/// What a caller has shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Shown {
    /// A token, by its hash.
    Token(TokenHash),
    /// A token that an issuer has signed.
    Jwt(Arc<str>),
    /// A certificate that an authority of ours has signed, by its subject alternative names.
    Certificate(Arc<[String]>),
}

/// Whom a credential makes its holder, and until when, in milliseconds since 1970.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Standing {
    pub(crate) actor: Actor,
    pub(crate) expires_at_ms: Option<i64>,
}

/// Why a credential does not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NotKnown {
    /// Nobody's.
    Unlisted,
    /// Signed by an issuer, or not, and no good.
    Jwt(JwtProblem),
    /// Somebody's once.
    Expired,
    /// It makes its holder somebody else than before.
    Changed,
}

impl CredentialsInForce {
    /// These, until others take their place.
    pub fn new(credentials: Credentials) -> Self {
        let now = Arc::new(watch::Sender::new(Arc::new(credentials)));
        Self { now, unknown_key: Arc::default() }
    }

    /// Puts others in their place. Streams of callers whose credential does not count any longer end.
    pub fn replace(&self, credentials: Credentials) {
        self.now.send_replace(Arc::new(credentials));
    }

    /// Those that are in force now.
    pub fn now(&self) -> Arc<Credentials> {
        Arc::clone(&self.now.borrow())
    }

    /// Resolves when somebody has shown a token of a key that its issuer does not have here: there may be newer keys.
    pub async fn unknown_key(&self) {
        self.unknown_key.notified().await;
    }

    pub(crate) fn find(
        &self,
        credentials: &Credentials,
        shown: &Shown,
        now_ms: i64,
    ) -> Result<Standing, NotKnown> {
        let found = credentials.find(shown, now_ms);
        if found == Err(NotKnown::Jwt(JwtProblem::UnknownKey)) {
            self.unknown_key.notify_one();
        }
        found
    }

    pub(crate) fn watch(&self) -> watch::Receiver<Arc<Credentials>> {
        self.now.subscribe()
    }

    /// How many ways there are to be somebody.
    pub fn count(&self) -> usize {
        let now = self.now.borrow();
        now.tokens.len() + now.certificates.len() + now.issuers.len()
    }
}

impl Default for CredentialsInForce {
    fn default() -> Self {
        Self::new(Credentials::default())
    }
}

impl fmt::Debug for CredentialsInForce {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.now.borrow().fmt(out)
    }
}

impl Credentials {
    pub(crate) fn find(&self, shown: &Shown, now_ms: i64) -> Result<Standing, NotKnown> {
        match shown {
            Shown::Token(hash) => {
                let token = self.token(hash).ok_or(NotKnown::Unlisted)?;
                if token.expires_at_ms.is_some_and(|at_ms| at_ms <= now_ms) {
                    return Err(NotKnown::Expired);
                }
                Ok(self.standing(&token.principal, token.expires_at_ms))
            }
            Shown::Jwt(token) => {
                jwt::find(&self.issuers, &self.admins, token, now_ms).map_err(|problem| match problem {
                    JwtProblem::Expired => NotKnown::Expired,
                    other => NotKnown::Jwt(other),
                })
            }
            Shown::Certificate(names) => {
                let listed = self.certificates.iter().find(|listed| names.contains(&listed.name));
                Ok(self.standing(&listed.ok_or(NotKnown::Unlisted)?.principal, None))
            }
        }
    }

    /// Compares with every token in full, so that the time that it takes tells nothing about how near a guess is.
    fn token(&self, hash: &TokenHash) -> Option<&AccessToken> {
        self.tokens.iter().fold(None, |found, token| {
            if equal_in_constant_time(&token.hash, hash) { Some(token) } else { found }
        })
    }

    fn standing(&self, principal: &BareJid, expires_at_ms: Option<i64>) -> Standing {
        let role = if self.admins.contains(principal) { Role::Admin } else { Role::Creator };
        Standing { actor: Actor::new(principal.clone(), role), expires_at_ms }
    }
}

impl AccessToken {
    /// The token of `principal@component_domain`, given the hexadecimal SHA-256 of its bytes.
    ///
    /// # Errors
    /// [`CredentialError::Principal`] and [`CredentialError::TokenHash`].
    pub fn new(principal: &str, component_domain: &str, sha256_hex: &str) -> Result<Self, CredentialError> {
        let hash = parse_hash(sha256_hex)
            .ok_or_else(|| CredentialError::TokenHash { principal: principal.to_owned() })?;
        Ok(Self { principal: principal_jid(principal, component_domain)?, hash, expires_at_ms: None })
    }

    /// The same token, which counts until this moment, in milliseconds since 1970.
    #[must_use]
    pub fn expiring(self, at_ms: i64) -> Self {
        Self { expires_at_ms: Some(at_ms), ..self }
    }

    /// Whom the token makes its holder.
    pub fn principal(&self) -> &BareJid {
        &self.principal
    }
}

/// Not the hash: a log is no place for it.
impl fmt::Debug for AccessToken {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("AccessToken").field("principal", &self.principal).finish_non_exhaustive()
    }
}

impl CertificateName {
    /// A certificate with this subject alternative name, a DNS name or a URI, stands for `principal@component_domain`.
    ///
    /// # Errors
    /// [`CredentialError::Principal`] and [`CredentialError::CertificateName`].
    pub fn new(principal: &str, component_domain: &str, name: &str) -> Result<Self, CredentialError> {
        if name.is_empty() || name.contains('*') {
            return Err(CredentialError::CertificateName { principal: principal.to_owned() });
        }
        Ok(Self { principal: principal_jid(principal, component_domain)?, name: name.to_owned() })
    }
}

impl Shown {
    pub(crate) fn token(token: &str) -> Self {
        if jwt::is_jwt(token) { Self::Jwt(token.into()) } else { Self::Token(Sha256::digest(token).into()) }
    }
}

/// What the configuration lists of a token: its SHA-256 in hexadecimal digits.
pub fn token_sha256_hex(token: &str) -> String {
    Sha256::digest(token).iter().fold(String::with_capacity(64), |mut hex, byte| {
        write!(hex, "{byte:02x}").expect("a String takes everything");
        hex
    })
}

fn equal_in_constant_time(left: &TokenHash, right: &TokenHash) -> bool {
    let difference = left.iter().zip(right).fold(0, |difference, (left, right)| difference | (left ^ right));
    std::hint::black_box(difference) == 0
}

/// A name that would turn into another domain or a resource makes no principal.
pub(crate) fn principal_jid(principal: &str, component_domain: &str) -> Result<BareJid, CredentialError> {
    let jid = BareJid::new(&format!("{principal}@{component_domain}")).ok();
    let domain = BareJid::new(component_domain).ok().filter(|domain| domain.node().is_none());
    let jid = jid
        .filter(|jid| jid.node().is_some() && domain.is_some_and(|domain| jid.domain() == domain.domain()));
    jid.ok_or_else(|| CredentialError::Principal {
        principal: principal.to_owned(),
        domain: component_domain.to_owned(),
    })
}

fn parse_hash(hex: &str) -> Option<TokenHash> {
    let digits: Vec<u8> = hex
        .chars()
        .map(|digit| digit.to_digit(16).and_then(|digit| u8::try_from(digit).ok()))
        .collect::<Option<_>>()?;
    let bytes: Vec<u8> = digits.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect();
    (digits.len() == 64).then(|| bytes.try_into().ok()).flatten()
}

#[cfg(test)]
mod tests;
