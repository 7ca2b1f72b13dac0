use std::path::{Path, PathBuf};

use jid::BareJid;
use schemars::JsonSchema;
use serde::Deserialize;
use xmpp_component::{AddressError, ComponentConfig, LinkLimits, Secret, ServerAddress, TlsClient, TlsError};

use super::{ConfigError, parse_domain, secret_file};

/// `[xmpp]`: the XMPP server and our place at it.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct XmppConfig {
    /// This component's own domain, for example `events.example.org`.
    domain: String,
    /// Where the XMPP server listens for components: `host:port`, or `tls://host:port` where it offers TLS.
    #[serde(default = "default_server")]
    server: String,
    /// The secret that the XMPP server knows for the domain. Either this or `secret_file`.
    secret: Option<String>,
    /// A file with the secret in its first line.
    secret_file: Option<PathBuf>,
    /// The XMPP server's own domain; the parent of `domain` unless given.
    host: Option<String>,
    /// Bare JIDs of those who count as owners of every node.
    #[serde(default)]
    admins: Vec<String>,
    /// With `tls://`: a file with certificate authorities (PEM) that are trusted beside those of this machine.
    ca_file: Option<PathBuf>,
    /// With `tls://`: the name that the server's certificate is for; the host in `server` unless given.
    tls_name: Option<String>,
    /// Whether the secret and all stanzas may cross a network in the clear.
    #[serde(default)]
    plaintext_beyond_loopback: bool,
}

fn default_server() -> String {
    "127.0.0.1:5347".to_owned()
}

impl XmppConfig {
    /// The component's domain, normalised.
    pub(crate) fn domain(&self) -> Result<BareJid, ConfigError> {
        parse_domain("xmpp.domain", &self.domain)
    }

    /// The XMPP server's own domain.
    pub(crate) fn host(&self) -> Result<BareJid, ConfigError> {
        if let Some(host) = &self.host {
            return parse_domain("xmpp.host", host);
        }
        let domain = self.domain()?;
        let parent = parent_domain(&domain).ok_or_else(|| {
            ConfigError::invalid("xmpp.host", format!("is needed, because {domain} has no parent domain"))
        })?;
        parse_domain("xmpp.host", parent)
    }

    /// Who administers.
    pub(crate) fn admins(&self) -> Result<Vec<BareJid>, ConfigError> {
        let parse = |text: &String| {
            BareJid::new(text).map_err(|error| {
                ConfigError::invalid("xmpp.admins", format!("{text:?} is not a bare JID: {error}"))
            })
        };
        self.admins.iter().map(parse).collect()
    }

    /// Where the server listens.
    pub(crate) fn server(&self) -> Result<ServerAddress, ConfigError> {
        ServerAddress::parse(&self.server, self.plaintext_beyond_loopback).map_err(|error| {
            let hint = match error {
                AddressError::PlaintextBeyondLoopback(_) => " (xmpp.plaintext_beyond_loopback = true)",
                AddressError::Malformed(_) => "",
            };
            ConfigError::invalid("xmpp.server", format!("{error}{hint}"))
        })
    }

    /// Whom the link trusts, when it is one with TLS.
    pub(crate) fn tls(&self, folder: &Path) -> Result<Option<TlsClient>, ConfigError> {
        let server = self.server()?;
        if !server.is_tls() {
            let given =
                [("xmpp.ca_file", self.ca_file.is_some()), ("xmpp.tls_name", self.tls_name.is_some())];
            return match given.into_iter().find(|(_, is_given)| *is_given) {
                Some((key, _)) => Err(ConfigError::invalid(
                    key,
                    "is for a server with tls://, and xmpp.server has none".to_owned(),
                )),
                None => Ok(None),
            };
        }
        let read = |file: &PathBuf| {
            let path = folder.join(file);
            fs::read(&path).map_err(|error| {
                ConfigError::invalid("xmpp.ca_file", format!("cannot read {}: {error}", path.display()))
            })
        };
        let authorities = self.ca_file.as_ref().map(read).transpose()?;
        let name = self.tls_name.as_deref().unwrap_or(server.host());
        let tls = TlsClient::new(name, authorities.as_deref()).map_err(|error| {
            let key = if matches!(error, TlsError::Name(_)) { "xmpp.tls_name" } else { "xmpp.ca_file" };
            ConfigError::invalid(key, error.to_string())
        })?;
        Ok(Some(tls))
    }

    /// Everything that the link needs.
    pub(crate) fn component(
        &self,
        folder: &Path,
        limits: LinkLimits,
    ) -> Result<ComponentConfig, ConfigError> {
        Ok(ComponentConfig {
            domain: self.domain()?.to_string(),
            host: self.host()?.to_string(),
            server: self.server()?,
            tls: self.tls(folder)?,
            secret: Secret::new(self.secret(folder)?),
            limits,
        })
    }

    /// The secret, from wherever it is.
    pub(crate) fn secret(&self, folder: &Path) -> Result<String, ConfigError> {
        let secret = match (&self.secret, &self.secret_file) {
            (Some(secret), None) => secret.clone(),
            (None, Some(file)) => secret_file::read("xmpp.secret_file", &folder.join(file))?,
            (Some(_), Some(_)) => {
                let message = "xmpp.secret_file is given as well; remove one of them";
                return Err(ConfigError::invalid("xmpp.secret", message));
            }
            (None, None) => {
                let message = "is missing; give it here, in xmpp.secret_file, or in STANZABUS_XMPP__SECRET";
                return Err(ConfigError::invalid("xmpp.secret", message));
            }
        };
        if secret.is_empty() {
            return Err(ConfigError::invalid("xmpp.secret", "is empty; the XMPP server would refuse it"));
        }
        Ok(secret)
    }
}

/// The part behind the first dot.
pub(crate) fn parent_domain(domain: &BareJid) -> Option<&str> {
    domain.as_str().split_once('.').map(|(_, parent)| parent).filter(|parent| !parent.is_empty())
}
