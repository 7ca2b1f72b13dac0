use std::fs;
use std::path::{Path, PathBuf};

use bridge_push::apns::ApnsSettings;
use bridge_push::fcm::FcmSettings;
use bridge_push::webpush::WebPushSettings;
use bus_domain::push::{PushLane, PushProvider};
use schemars::JsonSchema;
use serde::Deserialize;

use super::{ConfiguredAccount, PushCredentials, key, lane};
use crate::config::ConfigError;

/// `[[push.webpush]]`: a key that push services know us by.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct WebPushConfig {
    /// What the account is called: 1 to 32 characters of a-z, 0-9, '-', '_' [default: default].
    name: Option<String>,
    /// A file with the VAPID key, P-256 in PEM; `openssl ecparam -name prime256v1 -genkey -noout` makes one. Subscriptions are
    /// bound to it: who loses it loses them.
    vapid_key_file: PathBuf,
    /// Whom a push service's operator may ask: a mailto: or https: URI.
    contact: String,
    /// Bytes of a message as it is sent, encrypted. Mozilla's service takes 2,744 for some of its devices; RFC 8291 promises 4,096
    /// [default: 2744].
    body_bytes_max: Option<usize>,
}

/// `[[push.apns]]`: a team of Apple's.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ApnsConfig {
    /// What the account is called: 1 to 32 characters of a-z, 0-9, '-', '_' [default: default].
    name: Option<String>,
    /// The team's id: 10 capital letters and digits.
    team_id: String,
    /// The key's id: 10 capital letters and digits.
    key_id: String,
    /// A file with the key, as Apple gives it out (`.p8`).
    key_file: PathBuf,
    /// The apps that are reached with it, by their bundle ids [default: all].
    #[serde(default)]
    bundle_ids: Vec<String>,
    /// Where devices with apps of the store are reached [default: Apple's].
    production_url: Option<String>,
    /// Where devices with apps under development are reached [default: Apple's].
    sandbox_url: Option<String>,
}

/// `[[push.fcm]]`: a project of Firebase's.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct FcmConfig {
    /// What the account is called: 1 to 32 characters of a-z, 0-9, '-', '_' [default: default].
    name: Option<String>,
    /// A file with the key of a service account of the project, the JSON that Google gives out.
    account_file: PathBuf,
    /// Where messages go [default: Google's].
    url: Option<String>,
}

impl WebPushConfig {
    pub(super) fn file(&self) -> &PathBuf {
        &self.vapid_key_file
    }

    pub(super) fn read(&self, folder: &Path) -> Result<ConfiguredAccount, ConfigError> {
        let lane = lane(PushProvider::WebPush, self.name.as_ref())?;
        let credentials = read(&lane, "vapid_key_file", &folder.join(&self.vapid_key_file)).map(|key| {
            PushCredentials::WebPush(WebPushSettings {
                vapid_key_pem: key,
                contact: self.contact.clone(),
                body_bytes_max: self.body_bytes_max.unwrap_or(WebPushSettings::BODY_BYTES_MAX_DEFAULT),
            })
        });
        Ok(ConfiguredAccount { lane, bundle_ids: Vec::new(), credentials })
    }
}

impl ApnsConfig {
    pub(super) fn file(&self) -> &PathBuf {
        &self.key_file
    }

    pub(super) fn read(&self, folder: &Path) -> Result<ConfiguredAccount, ConfigError> {
        let lane = lane(PushProvider::Apns, self.name.as_ref())?;
        let url = |url: &Option<String>, otherwise: &str| url.clone().unwrap_or_else(|| otherwise.to_owned());
        let credentials = read(&lane, "key_file", &folder.join(&self.key_file)).map(|key| {
            PushCredentials::Apns(ApnsSettings {
                team_id: self.team_id.clone(),
                key_id: self.key_id.clone(),
                key_pem: key,
                production_url: url(&self.production_url, ApnsSettings::PRODUCTION_URL),
                sandbox_url: url(&self.sandbox_url, ApnsSettings::SANDBOX_URL),
            })
        });
        Ok(ConfiguredAccount { lane, bundle_ids: self.bundle_ids.clone(), credentials })
    }
}

impl FcmConfig {
    pub(super) fn file(&self) -> &PathBuf {
        &self.account_file
    }

    pub(super) fn read(&self, folder: &Path) -> Result<ConfiguredAccount, ConfigError> {
        let lane = lane(PushProvider::Fcm, self.name.as_ref())?;
        let credentials = read(&lane, "account_file", &folder.join(&self.account_file)).map(|account| {
            let url = self.url.clone().unwrap_or_else(|| FcmSettings::URL.to_owned());
            PushCredentials::Fcm(FcmSettings { account_json: account, url })
        });
        Ok(ConfiguredAccount { lane, bundle_ids: Vec::new(), credentials })
    }
}

/// The content of an account's file.
fn read(lane: &PushLane, name: &str, path: &Path) -> Result<Vec<u8>, ConfigError> {
    fs::read(path).map_err(|error| {
        let message = format!(
            "the account {:?}: cannot read {name} {}: {error}; it must be readable by the user who runs stanzabus",
            lane.account.as_str(),
            path.display()
        );
        ConfigError::invalid(key(lane.provider), message)
    })
}
