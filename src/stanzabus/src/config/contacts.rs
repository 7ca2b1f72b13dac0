use schemars::JsonSchema;
use serde::Deserialize;
use xmpp_pubsub::Contacts;

use super::ConfigError;

/// Addresses of one kind that are told: a few, because every answer to disco has them.
const ADDRESSES_MAX: usize = 8;
/// Bytes of one of them.
const ADDRESS_BYTES_MAX: usize = 1_024;

/// `[contacts]`: whom to ask about the service, as URIs such as `mailto:admin@example.org`. Everybody may see them
/// (XEP-0157).
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct ContactsConfig {
    /// About abuse.
    abuse: Vec<String>,
    /// Who runs it.
    admin: Vec<String>,
    /// With praise and complaints.
    feedback: Vec<String>,
    /// To buy something.
    sales: Vec<String>,
    /// About security.
    security: Vec<String>,
    /// Where its state is told.
    status: Vec<String>,
    /// For help.
    support: Vec<String>,
}

impl ContactsConfig {
    /// The addresses, each a URI.
    pub(crate) fn contacts(&self) -> Result<Contacts, ConfigError> {
        Ok(Contacts {
            abuse: checked("contacts.abuse", &self.abuse)?,
            admin: checked("contacts.admin", &self.admin)?,
            feedback: checked("contacts.feedback", &self.feedback)?,
            sales: checked("contacts.sales", &self.sales)?,
            security: checked("contacts.security", &self.security)?,
            status: checked("contacts.status", &self.status)?,
            support: checked("contacts.support", &self.support)?,
        })
    }
}

fn checked(key: &'static str, addresses: &[String]) -> Result<Vec<String>, ConfigError> {
    if addresses.len() > ADDRESSES_MAX {
        return Err(ConfigError::invalid(key, format!("has more than {ADDRESSES_MAX} addresses")));
    }
    match addresses.iter().find(|address| !is_uri(address)) {
        Some(wrong) => {
            Err(ConfigError::invalid(key, format!("{wrong:?} is no URI such as mailto:me@example.org")))
        }
        None => Ok(addresses.to_vec()),
    }
}

/// RFC 3986 §3.1: a scheme, then something of visible ASCII. What stands there is for people and their programs.
fn is_uri(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once(':') else { return false };
    let is_scheme = scheme.starts_with(|first: char| first.is_ascii_alphabetic())
        && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
    is_scheme
        && !rest.is_empty()
        && text.len() <= ADDRESS_BYTES_MAX
        && rest.bytes().all(|byte| byte.is_ascii_graphic())
}
