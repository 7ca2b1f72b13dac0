use thiserror::Error;

use crate::KeyError;

/// What the Web Push sender needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebPushSettings {
    /// The private key that push services know us by, P-256 in PEM. Subscriptions are bound to it: who loses it loses them.
    pub vapid_key_pem: Vec<u8>,
    /// Whom a push service's operator may ask: a `mailto:` or `https:` URI.
    pub contact: String,
    /// Bytes of a message as it is sent, encrypted. RFC 8291 promises 4,096; Mozilla's service takes only 2,744 for some of its
    /// devices.
    pub body_bytes_max: usize,
}

/// What is wrong with the settings.
#[derive(Debug, Error)]
pub enum WebPushSettingsError {
    /// The key.
    #[error("the VAPID key: {0}")]
    Key(#[from] KeyError),
    /// The contact.
    #[error("the contact {0:?} must be a mailto: or an https: URI")]
    Contact(String),
    /// The bound.
    #[error("body_bytes_max is {0}; it must be 104 to 4096")]
    BodyBytes(usize),
}

impl WebPushSettings {
    /// What [`Self::body_bytes_max`] is unless somebody says otherwise.
    pub const BODY_BYTES_MAX_DEFAULT: usize = 2_744;

    pub(super) fn check(&self) -> Result<(), WebPushSettingsError> {
        let is_uri = ["mailto:", "https:"].iter().any(|scheme| self.contact.starts_with(scheme));
        if !is_uri
            || self.contact.contains(|character: char| character.is_control() || character.is_whitespace())
        {
            return Err(WebPushSettingsError::Contact(self.contact.clone()));
        }
        if !(104..=4_096).contains(&self.body_bytes_max) {
            return Err(WebPushSettingsError::BodyBytes(self.body_bytes_max));
        }
        Ok(())
    }
}
