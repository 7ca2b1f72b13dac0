mod accounts;
mod service;

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use bridge_push::apns::ApnsSettings;
use bridge_push::fcm::FcmSettings;
use bridge_push::webpush::WebPushSettings;
use bus_domain::NodeName;
use bus_domain::push::{AccountName, PushLane, PushProvider};
use jid::BareJid;
use outbound_http::{AddressRange, Guard};
use schemars::JsonSchema;
use serde::Deserialize;

use super::ConfigError;
use super::tls::read_pem;

use accounts::{ApnsConfig, FcmConfig, WebPushConfig};

pub(crate) use service::PushServiceConfig;

/// `[push]`: what goes to devices through APNs, FCM and Web Push. Of several accounts at a provider, a device is of the one that it
/// registers for, or of the first that reaches it. Their files are read anew when they change.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct PushConfig {
    /// Who may send pushes besides the admins: principals as `name@<component domain>`, or users.
    senders: Vec<String>,
    /// A node that gets an event for each job that is given up, and for each device that its provider calls gone or refuses. The daemon
    /// makes it, for whom its operator lets in; without a name, nobody is told.
    feedback_node: Option<String>,
    /// Addresses out of the public internet's reach that pushes may go to all the same, like 127.0.0.1 or 10.0.0.0/8: those of a
    /// mock, or of push services in the operator's network.
    allow_addresses: Vec<String>,
    /// A file with authorities in PEM that are trusted besides those of the machine, when they vouch for a push service.
    authorities_file: Option<PathBuf>,
    /// Accounts for Web Push (browsers, `UnifiedPush`).
    webpush: Vec<WebPushConfig>,
    /// Accounts at Apple's push service.
    apns: Vec<ApnsConfig>,
    /// Accounts at Firebase Cloud Messaging.
    fcm: Vec<FcmConfig>,
    /// The address that XMPP servers push to.
    service: Option<PushServiceConfig>,
}

/// An account as it is configured.
pub(crate) struct ConfiguredAccount {
    /// The provider and its name.
    pub(crate) lane: PushLane,
    /// The apps that it is for; all, if there are none.
    pub(crate) bundle_ids: Vec<String>,
    /// What its sender needs, or why its files cannot be read.
    pub(crate) credentials: Result<PushCredentials, ConfigError>,
}

/// What a sender needs, with the content of files.
#[derive(Clone, PartialEq)]
pub(crate) enum PushCredentials {
    Apns(ApnsSettings),
    Fcm(FcmSettings),
    WebPush(WebPushSettings),
}

/// How requests to push services are made.
#[derive(Clone, PartialEq)]
pub(crate) struct PushConnections {
    /// Besides those of the public internet.
    pub(crate) allowed: Vec<AddressRange>,
    /// Besides those of the machine.
    pub(crate) authorities_pem: Option<Vec<u8>>,
}

impl PushConfig {
    /// Who may send.
    pub(crate) fn senders(&self) -> Result<HashSet<BareJid>, ConfigError> {
        let sender = |text: &String| {
            BareJid::new(text).map_err(|error| {
                ConfigError::invalid(
                    "push.senders",
                    format!("{text:?} is no address without a resource: {error}"),
                )
            })
        };
        self.senders.iter().map(sender).collect()
    }

    /// The node that is told what was found out for good.
    pub(crate) fn feedback_node(&self) -> Result<Option<NodeName>, ConfigError> {
        let node = self.feedback_node.as_deref().map(NodeName::new).transpose();
        node.map_err(|problem| ConfigError::invalid("push.feedback_node", problem.to_string()))
    }

    /// How requests are made.
    pub(crate) fn connections(&self, folder: &Path) -> Result<PushConnections, ConfigError> {
        let authorities = self.authorities_file.as_ref();
        let authorities_pem =
            authorities.map(|file| read_pem("push.authorities_file", &folder.join(file))).transpose()?;
        Ok(PushConnections { allowed: self.allowed()?, authorities_pem })
    }

    /// The accounts, in the order in which a device looks for its own.
    pub(crate) fn accounts(&self, folder: &Path) -> Result<Vec<ConfiguredAccount>, ConfigError> {
        let apns = self.apns.iter().map(|account| account.read(folder));
        let fcm = self.fcm.iter().map(|account| account.read(folder));
        let webpush = self.webpush.iter().map(|account| account.read(folder));
        let accounts = apns.chain(fcm).chain(webpush).collect::<Result<Vec<_>, _>>()?;
        let mut seen = HashSet::new();
        match accounts.iter().find(|account| !seen.insert(&account.lane)) {
            None => Ok(accounts),
            Some(twice) => {
                let message =
                    format!("there are two accounts {:?}; give each a name", twice.lane.account.as_str());
                Err(ConfigError::invalid(key(twice.lane.provider), message))
            }
        }
    }

    /// The address that XMPP servers push to, if there is to be one.
    pub(crate) fn service(&self) -> Option<&PushServiceConfig> {
        self.service.as_ref()
    }

    /// Looks at everything but the content of files.
    pub(crate) fn check(&self, folder: &Path, component: &BareJid, host: BareJid) -> Result<(), ConfigError> {
        if let Some(service) = &self.service {
            service.check(component, host)?;
        }
        self.senders()?;
        self.feedback_node()?;
        self.allowed()?;
        self.accounts(folder).map(drop)
    }

    /// The files whose change is to be noticed while the daemon runs.
    pub(crate) fn watched_files(&self, folder: &Path) -> Vec<PathBuf> {
        let apns = self.apns.iter().map(ApnsConfig::file);
        let fcm = self.fcm.iter().map(FcmConfig::file);
        let webpush = self.webpush.iter().map(WebPushConfig::file);
        let files = apns.chain(fcm).chain(webpush).chain(&self.authorities_file);
        files.map(|file| folder.join(file)).collect()
    }

    fn allowed(&self) -> Result<Vec<AddressRange>, ConfigError> {
        let range = |text: &String| {
            let range = text.parse::<AddressRange>();
            range.map_err(|error| ConfigError::invalid("push.allow_addresses", error.to_string()))
        };
        self.allow_addresses.iter().map(range).collect()
    }
}

impl PushConnections {
    /// Where requests may go.
    pub(crate) fn guard(&self) -> Guard {
        Guard::allowing(self.allowed.clone())
    }
}

/// An account's name: that of the only one may be left out.
fn lane(provider: PushProvider, name: Option<&String>) -> Result<PushLane, ConfigError> {
    let account = match name {
        None => AccountName::default(),
        Some(name) => {
            name.parse().map_err(|error| ConfigError::invalid(key(provider), format!("name: {error}")))?
        }
    };
    Ok(PushLane { provider, account })
}

/// The key of a provider's accounts.
pub(crate) fn key(provider: PushProvider) -> &'static str {
    match provider {
        PushProvider::Apns => "push.apns",
        PushProvider::Fcm => "push.fcm",
        PushProvider::WebPush => "push.webpush",
    }
}
