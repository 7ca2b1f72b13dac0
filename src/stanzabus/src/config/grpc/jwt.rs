use std::collections::HashSet;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use bus_admission::{Credentials, JwtIssuer, JwtRule};
use jid::BareJid;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::config::{ConfigError, parse_domain};

/// `[[grpc.jwt]]`: an issuer of signed tokens (JWT), and whom these make their holders.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct JwtConfig {
    /// The `iss` of its tokens, exactly.
    issuer: String,
    /// What must be among the `aud` of its tokens; tokens for other services do not count here.
    audience: String,
    /// A file with its public keys (JWKS): RSA, P-256, P-384 and Ed25519. A change counts at once.
    jwks_file: PathBuf,
    /// Where the issuer publishes them, as an https URL under the rules of `[outbound]`. The daemon then keeps `jwks_file` as they
    /// are there: it looks every five minutes, and when somebody shows a token of a key that it does not have.
    #[serde(default)]
    jwks_url: Option<String>,
    /// The claim that names the holder [default: sub]. Case makes no difference, as in addresses; a name that their preparation
    /// would change in any other way is refused.
    #[serde(default = "sub")]
    claim: String,
    /// What is put in front of that name, so that the issuer cannot speak for principals of other tokens.
    #[serde(default)]
    prefix: String,
    /// The domain of the principals [default: the component's]. With a domain of users, its tokens stand for these users:
    /// only for an issuer that the domain's operator trusts with them.
    #[serde(default)]
    domain: Option<String>,
    /// Whether a holder whose address is among `xmpp.admins` is an admin.
    #[serde(default)]
    may_administer: bool,
}

/// Keys that are published somewhere, and the file where they are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct KeySource {
    /// Whose keys.
    pub(crate) issuer: String,
    /// Where they are published.
    pub(crate) url: String,
    /// Where they are kept.
    pub(crate) file: PathBuf,
}

fn sub() -> String {
    "sub".to_owned()
}

impl JwtConfig {
    /// Where its keys are.
    pub(super) fn path(&self, folder: &Path) -> PathBuf {
        folder.join(&self.jwks_file)
    }

    /// Where its keys come from, if they are not put there by hand.
    pub(super) fn source(&self, folder: &Path) -> Option<KeySource> {
        let url = self.jwks_url.clone()?;
        Some(KeySource { issuer: self.issuer.clone(), url, file: self.path(folder) })
    }

    /// The issuer as it is in force.
    pub(super) fn of_now<'a>(&self, in_force: &'a Credentials) -> Option<&'a JwtIssuer> {
        in_force.issuers.iter().find(|issuer| issuer.is_for(&self.issuer, &self.audience))
    }

    /// The issuer with its keys of now. Its holders may create nodes like other principals, or like the users of their
    /// domain.
    pub(super) fn read(
        &self,
        folder: &Path,
        component_domain: &BareJid,
        creator_domains: &HashSet<BareJid>,
    ) -> Result<JwtIssuer, ConfigError> {
        let rule = self.rule(component_domain, creator_domains)?;
        let path = self.path(folder);
        let jwks = match fs::read_to_string(&path) {
            Ok(jwks) => Some(jwks),
            Err(error) if self.jwks_url.is_some() && error.kind() == ErrorKind::NotFound => None,
            Err(error) => {
                let what = format!("cannot read jwks_file {}: {error}", path.display());
                return Err(ConfigError::invalid("grpc.jwt", what));
            }
        };
        let Some(jwks) = jwks else { return Ok(JwtIssuer::without_keys(rule)) };
        JwtIssuer::new(rule, &jwks).map_err(|error| ConfigError::invalid("grpc.jwt", error.to_string()))
    }

    /// The issuer until its keys are brought; `None` if nobody brings them, or the rule is wrong.
    pub(super) fn without_keys(
        &self,
        component_domain: &BareJid,
        creator_domains: &HashSet<BareJid>,
    ) -> Option<JwtIssuer> {
        self.jwks_url.as_ref()?;
        self.rule(component_domain, creator_domains).ok().map(JwtIssuer::without_keys)
    }

    fn rule(
        &self,
        component_domain: &BareJid,
        creator_domains: &HashSet<BareJid>,
    ) -> Result<JwtRule, ConfigError> {
        for (key, text) in [("issuer", &self.issuer), ("audience", &self.audience), ("claim", &self.claim)] {
            if text.is_empty() {
                return Err(ConfigError::invalid("grpc.jwt", format!("{key} must not be empty")));
            }
        }
        let domain = self.domain.as_deref().map(|text| parse_domain("grpc.jwt", text)).transpose()?;
        Ok(JwtRule {
            issuer: self.issuer.clone(),
            audience: self.audience.clone(),
            claim: self.claim.clone(),
            prefix: self.prefix.clone(),
            may_create: domain
                .as_ref()
                .is_none_or(|domain| domain == component_domain || creator_domains.contains(domain)),
            domain: domain.unwrap_or_else(|| component_domain.clone()),
            may_administer: self.may_administer,
        })
    }
}
