use bus_domain::push::ApnsEnvironment;
use outbound_http::{Guard, Refused, Target};
use thiserror::Error;

use crate::KeyError;

/// What the APNs sender needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApnsSettings {
    /// The team that the key is of: 10 capital letters and digits.
    pub team_id: String,
    /// The key's id: 10 capital letters and digits.
    pub key_id: String,
    /// The key, as Apple gives it out (`.p8`).
    pub key_pem: Vec<u8>,
    /// Where devices of the store are reached.
    pub production_url: String,
    /// Where devices under development are reached.
    pub sandbox_url: String,
}

/// What is wrong with the settings.
#[derive(Debug, Error)]
pub enum ApnsSettingsError {
    /// An id.
    #[error("{key} is {value:?}; it must be the 10 capital letters and digits that Apple shows")]
    Id {
        /// Which.
        key: &'static str,
        /// What it is.
        value: String,
    },
    /// The key.
    #[error("the APNs key: {0}")]
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

/// Where to reach the devices of each environment.
pub(super) struct Services {
    production: Target,
    sandbox: Target,
}

impl ApnsSettings {
    /// Apple's own.
    pub const PRODUCTION_URL: &'static str = "https://api.push.apple.com";
    /// Apple's own.
    pub const SANDBOX_URL: &'static str = "https://api.sandbox.push.apple.com";

    pub(super) fn check(&self) -> Result<(), ApnsSettingsError> {
        for (key, value) in [("team_id", &self.team_id), ("key_id", &self.key_id)] {
            let is_id = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit();
            if value.len() != 10 || !value.bytes().all(is_id) {
                return Err(ApnsSettingsError::Id { key, value: value.clone() });
            }
        }
        Ok(())
    }

    pub(super) fn services(&self, guard: &Guard) -> Result<Services, ApnsSettingsError> {
        let target = |key, value: &String| {
            let refused = |reason| ApnsSettingsError::Url { key, value: value.clone(), reason };
            guard.check_url(value).map_err(refused)
        };
        Ok(Services {
            production: target("production_url", &self.production_url)?,
            sandbox: target("sandbox_url", &self.sandbox_url)?,
        })
    }
}

impl Services {
    /// Where a device is reached; its token has been checked to be hexadecimal digits.
    pub(super) fn device(&self, environment: ApnsEnvironment, token: &str) -> Target {
        let service = match environment {
            ApnsEnvironment::Production => &self.production,
            ApnsEnvironment::Sandbox => &self.sandbox,
        };
        service.with_path(&format!("/3/device/{token}"))
    }
}
