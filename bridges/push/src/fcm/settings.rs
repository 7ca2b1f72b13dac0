use outbound_http::{Guard, Refused, Target};
use ring::rsa::KeyPair;
use serde::Deserialize;
use thiserror::Error;

use crate::{KeyError, keys};

/// What the FCM sender needs.
#[derive(Clone, PartialEq, Eq)]
pub struct FcmSettings {
    /// The service account's key, the JSON file that Google gives out. It names the project and where tokens are given out.
    pub account_json: Vec<u8>,
    /// Where messages go.
    pub url: String,
}

/// What is wrong with the settings.
#[derive(Debug, Error)]
pub enum FcmSettingsError {
    /// The file.
    #[error("the service account's file cannot be read: {0}")]
    Account(#[source] serde_json::Error),
    /// The file is another one.
    #[error("the file is a key of type {0:?}; it must be one of a service_account")]
    Type(String),
    /// The project.
    #[error("the project {0:?} must have 1 to 100 characters of a-z, 0-9, '-', ':', '.'")]
    Project(String),
    /// The key.
    #[error("the service account's key: {0}")]
    Key(#[from] KeyError),
    /// A URL.
    #[error("{key} is {value:?}: {reason}")]
    Url {
        /// Which.
        key: &'static str,
        /// What it is.
        value: String,
        /// Why not.
        #[source]
        reason: Refused,
    },
}

/// The settings, read.
pub(super) struct Account {
    pub(super) messages: Target,
    pub(super) tokens: Target,
    pub(super) token_uri: String,
    pub(super) client_email: String,
    pub(super) key_id: Option<String>,
    pub(super) key: KeyPair,
}

/// The members of the file that count.
#[derive(Deserialize)]
struct AccountFile {
    #[serde(rename = "type")]
    kind: String,
    project_id: String,
    private_key_id: Option<String>,
    private_key: String,
    client_email: String,
    #[serde(default = "google_token_uri")]
    token_uri: String,
}

impl FcmSettings {
    /// Google's own.
    pub const URL: &'static str = "https://fcm.googleapis.com";

    pub(super) fn read(&self, guard: &Guard) -> Result<Account, FcmSettingsError> {
        let file: AccountFile =
            serde_json::from_slice(&self.account_json).map_err(FcmSettingsError::Account)?;
        if file.kind != "service_account" {
            return Err(FcmSettingsError::Type(file.kind));
        }
        let is_plain =
            |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-:.".contains(&byte);
        if !(1..=100).contains(&file.project_id.len()) || !file.project_id.bytes().all(is_plain) {
            return Err(FcmSettingsError::Project(file.project_id));
        }
        let target = |key, value: &String| {
            let refused = |reason| FcmSettingsError::Url { key, value: value.clone(), reason };
            guard.check_url(value).map_err(refused)
        };
        let path = format!("/v1/projects/{}/messages:send", file.project_id);
        Ok(Account {
            messages: target("url", &self.url)?.with_path(&path),
            tokens: target("token_uri", &file.token_uri)?,
            key: keys::rs256_key(file.private_key.as_bytes())?,
            token_uri: file.token_uri,
            client_email: file.client_email,
            key_id: file.private_key_id,
        })
    }
}

fn google_token_uri() -> String {
    "https://oauth2.googleapis.com/token".to_owned()
}
