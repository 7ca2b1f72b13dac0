use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

use jid::BareJid;
use outbound_http::{AddressRange, Client, Dialer, Guard, Settings};
use schemars::JsonSchema;
use serde::Deserialize;
use url::Url;

use super::ConfigError;

/// `[outbound]`: what the daemon sends to addresses that its callers name, such as webhooks and sinks of durable
/// subscriptions, and what it reads from there: sources.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct OutboundConfig {
    /// Principals that may have the daemon send to addresses that they name, besides admins.
    principals: Vec<String>,
    /// Addresses beyond the public internet that may be sent to, as ranges: `10.0.0.0/8`, `fd00::/8`, `127.0.0.1`.
    allow_addresses: Vec<String>,
    /// A file with certificates in PEM of authorities that are trusted besides the machine's.
    authorities_file: Option<PathBuf>,
    /// Who the daemon is to the servers that it sends to: a DNS name; `xmpp.domain` by default.
    origin: Option<String>,
    /// Where the HTTP API is reached from outside, as an https URL. With it, servers may agree to webhooks later than they
    /// are asked.
    callback_url: Option<String>,
}

/// Requests of one origin go over so many connections at most; a server of HTTP/1.1 takes one request on each.
const CONNECTIONS_PER_ORIGIN_MAX: usize = 100;

impl OutboundConfig {
    /// Who may name addresses besides admins.
    pub(crate) fn principals(&self, domain: &BareJid) -> Result<HashSet<BareJid>, ConfigError> {
        let jid = |name: &String| {
            let jid = BareJid::new(&format!("{name}@{domain}"))
                .ok()
                .filter(|jid| jid.domain().as_str() == domain.as_str());
            jid.ok_or_else(|| {
                ConfigError::invalid(
                    "outbound.principals",
                    format!("{name:?} is not the name of a principal"),
                )
            })
        };
        self.principals.iter().map(jid).collect()
    }

    /// Where requests may go.
    pub(crate) fn guard(&self) -> Result<Guard, ConfigError> {
        let range = |text: &String| {
            text.parse::<AddressRange>()
                .map_err(|error| ConfigError::invalid("outbound.allow_addresses", error.to_string()))
        };
        Ok(Guard::allowing(self.allow_addresses.iter().map(range).collect::<Result<_, _>>()?))
    }

    /// What sends requests.
    pub(crate) fn client(&self, folder: &Path) -> Result<Client, ConfigError> {
        Client::new(self.settings(folder)?)
            .map_err(|error| ConfigError::invalid("outbound.authorities_file", error.to_string()))
    }

    /// What opens connections for gRPC.
    pub(crate) fn dialer(&self, folder: &Path) -> Result<Dialer, ConfigError> {
        Dialer::new(&self.settings(folder)?)
            .map_err(|error| ConfigError::invalid("outbound.authorities_file", error.to_string()))
    }

    fn settings(&self, folder: &Path) -> Result<Settings, ConfigError> {
        Ok(Settings {
            guard: self.guard()?,
            authorities_pem: self.authorities(folder)?,
            connections_per_origin_max: CONNECTIONS_PER_ORIGIN_MAX,
            ..Settings::default()
        })
    }

    /// Who the daemon says it is.
    pub(crate) fn origin(&self, domain: &BareJid) -> Result<String, ConfigError> {
        let origin = self.origin.clone().unwrap_or_else(|| domain.to_string());
        let is_name = !origin.is_empty()
            && origin.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_'));
        if is_name || self.origin.is_none() {
            return Ok(origin);
        }
        Err(ConfigError::invalid("outbound.origin", format!("{origin:?} is not a DNS name")))
    }

    /// Where servers may agree later.
    pub(crate) fn callback_url(&self) -> Result<Option<Url>, ConfigError> {
        let Some(text) = &self.callback_url else { return Ok(None) };
        let url = Url::parse(text).ok().filter(|url| url.scheme() == "https" && url.has_host());
        let wrong = || ConfigError::invalid("outbound.callback_url", format!("{text:?} is not an https URL"));
        url.ok_or_else(wrong).map(Some)
    }

    fn authorities(&self, folder: &Path) -> Result<Option<Vec<u8>>, ConfigError> {
        let Some(file) = &self.authorities_file else { return Ok(None) };
        let path = folder.join(file);
        let read = fs::read(&path).map_err(|error| {
            ConfigError::invalid(
                "outbound.authorities_file",
                format!("cannot read {}: {error}", path.display()),
            )
        });
        read.map(Some)
    }
}
