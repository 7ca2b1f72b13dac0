use std::fmt::{self, Write as _};
use std::sync::Arc;

use bus_domain::{Actor, BareJid, Role};
use sha2::{Digest as _, Sha256};
use tonic::service::Interceptor;
use tonic::{Request, Status};

use crate::SettingsError;
use crate::status::{token_invalid, token_missing};

type TokenHash = [u8; 32];

/// A token as the configuration lists it: whose it is, and its SHA-256. The token itself is known to its holder only.
#[derive(Clone)]
pub struct AccessToken {
    principal: BareJid,
    hash: TokenHash,
}

impl AccessToken {
    /// The token of `principal@component_domain`, given the hexadecimal SHA-256 of its bytes.
    ///
    /// # Errors
    /// [`SettingsError::Principal`] and [`SettingsError::TokenHash`].
    pub fn new(principal: &str, component_domain: &str, sha256_hex: &str) -> Result<Self, SettingsError> {
        Ok(Self {
            principal: principal_jid(principal, component_domain).ok_or_else(|| {
                SettingsError::Principal {
                    principal: principal.to_owned(),
                    domain: component_domain.to_owned(),
                }
            })?,
            hash: parse_hash(sha256_hex)
                .ok_or_else(|| SettingsError::TokenHash { principal: principal.to_owned() })?,
        })
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

/// What the configuration lists of a token: its SHA-256 in hexadecimal digits.
pub fn token_sha256_hex(token: &str) -> String {
    Sha256::digest(token).iter().fold(String::with_capacity(64), |mut hex, byte| {
        write!(hex, "{byte:02x}").expect("a String takes everything");
        hex
    })
}

/// Lets calls with a known token through, and tells them who calls (see [`authenticated`]).
#[derive(Clone)]
pub(crate) struct BearerAuth(Arc<[(TokenHash, Actor)]>);

impl BearerAuth {
    pub(crate) fn new(tokens: &[AccessToken], admins: &[BareJid]) -> Self {
        let actors = tokens.iter().map(|token| {
            let role = if admins.contains(&token.principal) { Role::Admin } else { Role::Creator };
            (token.hash, Actor::new(token.principal.clone(), role))
        });
        Self(actors.collect())
    }

    /// Compares with every token in full, so that the time that it takes tells nothing about how near a guess is.
    fn find(&self, token: &str) -> Option<&Actor> {
        let presented: TokenHash = Sha256::digest(token).into();
        self.0.iter().fold(
            None,
            |found, (hash, actor)| {
                if equal_in_constant_time(hash, &presented) { Some(actor) } else { found }
            },
        )
    }
}

impl Interceptor for BearerAuth {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        let actor = {
            let token = bearer_token(&request).ok_or_else(token_missing)?;
            self.find(token).ok_or_else(token_invalid)?.clone()
        };
        request.extensions_mut().insert(actor);
        Ok(request)
    }
}

/// Who calls, and what with.
pub(crate) fn authenticated<Message>(mut request: Request<Message>) -> Result<(Actor, Message), Status> {
    let actor = request.extensions_mut().remove::<Actor>().ok_or_else(token_missing)?;
    Ok((actor, request.into_inner()))
}

/// The token in `authorization: Bearer TOKEN` (RFC 6750 §2.1); the scheme's case does not matter (RFC 9110 §11.1).
fn bearer_token(request: &Request<()>) -> Option<&str> {
    let value = request.metadata().get("authorization")?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}

fn equal_in_constant_time(left: &TokenHash, right: &TokenHash) -> bool {
    let difference = left.iter().zip(right).fold(0, |difference, (left, right)| difference | (left ^ right));
    std::hint::black_box(difference) == 0
}

/// A name that would turn into another domain or a resource makes no principal.
fn principal_jid(principal: &str, component_domain: &str) -> Option<BareJid> {
    let jid = BareJid::new(&format!("{principal}@{component_domain}")).ok()?;
    let domain = BareJid::new(component_domain).ok()?;
    (jid.node().is_some() && jid.domain() == domain.domain() && domain.node().is_none()).then_some(jid)
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
