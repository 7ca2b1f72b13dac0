use jid::BareJid;
use schemars::JsonSchema;
use serde::Deserialize;

use super::{ConfigError, parse_domain};

/// `[access]`: who may do what beyond their standing on a node.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct AccessConfig {
    /// Domains whose users may create nodes. Admins and gRPC principals always may.
    create: Vec<String>,
}

impl AccessConfig {
    /// The domains, normalised.
    pub(crate) fn creator_domains(&self) -> Result<Vec<BareJid>, ConfigError> {
        self.create.iter().map(|domain| parse_domain("access.create", domain)).collect()
    }
}
