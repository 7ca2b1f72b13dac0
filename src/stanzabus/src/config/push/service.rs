use bus_domain::push::PushAlert;
use jid::BareJid;
use schemars::JsonSchema;
use serde::Deserialize;

use super::super::{ConfigError, parse_domain};

/// `[push.service]`: an address that the users' XMPP servers push to (XEP-0357), and where users register their devices by
/// commands. It is not served without this section.
#[derive(Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct PushServiceConfig {
    /// What stands in front of the component's domain: `push` makes it push@the component's domain.
    name: String,
    /// The domains whose users may register devices; without any, that of the XMPP server.
    domains: Vec<String>,
    /// The first line that people see of a push. Without this and `body` nobody sees anything: the app is woken, and shows what it
    /// finds on its server.
    title: Option<String>,
    /// The text below it.
    body: Option<String>,
}

impl Default for PushServiceConfig {
    fn default() -> Self {
        Self { name: "push".to_owned(), domains: Vec::new(), title: None, body: None }
    }
}

impl PushServiceConfig {
    /// The address.
    pub(crate) fn address(&self, component: &BareJid) -> Result<BareJid, ConfigError> {
        let address = BareJid::new(&format!("{}@{component}", self.name)).ok();
        address.filter(|it| it.node().is_some() && it.domain() == component.domain()).ok_or_else(|| {
            ConfigError::invalid(
                "push.service.name",
                format!("{:?} is not what can stand before the @ of an address", self.name),
            )
        })
    }

    /// Whose users may register.
    pub(crate) fn domains(&self, host: BareJid) -> Result<Vec<BareJid>, ConfigError> {
        if self.domains.is_empty() {
            return Ok(vec![host]);
        }
        self.domains.iter().map(|domain| parse_domain("push.service.domains", domain)).collect()
    }

    /// What people see.
    pub(crate) fn alert(&self) -> PushAlert {
        PushAlert { title: self.title.clone(), body: self.body.clone() }
    }

    /// Looks at every value.
    pub(crate) fn check(&self, component: &BareJid, host: BareJid) -> Result<(), ConfigError> {
        self.domains(host)?;
        self.address(component).map(drop)
    }
}
