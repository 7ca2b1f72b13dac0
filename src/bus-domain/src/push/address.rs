use serde::{Deserialize, Serialize};
use thiserror::Error;

/// A service that reaches devices.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PushProvider {
    /// Apple's, for its devices.
    Apns,
    /// Firebase Cloud Messaging, for Android and others.
    Fcm,
    /// Any service that speaks Web Push (RFC 8030): those of browsers, and of `UnifiedPush` distributors.
    WebPush,
}

/// Which of Apple's two worlds a token is of: that of builds under development, or that of the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ApnsEnvironment {
    /// Installed from the store, or by `TestFlight`.
    Production,
    /// Installed by Xcode.
    Sandbox,
}

/// Where a device is reached.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "provider", rename_all = "lowercase")]
pub enum PushAddress {
    /// Through Apple.
    Apns {
        /// The device token, in lower-case hexadecimal digits.
        token: String,
        /// The app's bundle id.
        bundle_id: String,
        /// Whose token it is.
        environment: ApnsEnvironment,
    },
    /// Through Firebase.
    Fcm {
        /// The registration token.
        token: String,
    },
    /// By Web Push.
    WebPush {
        /// The push resource: an https URL.
        endpoint: String,
        /// The public key of the subscription (`p256dh`): 65 bytes, an uncompressed point of P-256.
        public_key: Vec<u8>,
        /// Its authentication secret (`auth`): 16 bytes.
        auth_secret: Vec<u8>,
    },
}

/// What is wrong with an address.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum AddressError {
    /// A token is not of its provider's form.
    #[error("the device token must be {expected}")]
    Token {
        /// What it must be.
        expected: &'static str,
    },
    /// The bundle id is none.
    #[error("the bundle id must have 1 to {BUNDLE_ID_BYTES_MAX} characters of A-Z, a-z, 0-9, '-', '.'")]
    BundleId,
    /// The endpoint is too long or empty. Whether it is a URL that may be asked, the bridge says.
    #[error("the endpoint must have 1 to {ENDPOINT_BYTES_MAX} bytes")]
    Endpoint,
    /// The public key is not a point of the right form.
    #[error(
        "the public key (p256dh) must be the 65 bytes of an uncompressed point on P-256, beginning with 4"
    )]
    PublicKey,
    /// The secret has another length.
    #[error("the authentication secret (auth) must have 16 bytes")]
    AuthSecret,
}

/// Apple promises no length; tokens have 32 bytes today, and those of Live Activities up to 100.
const APNS_TOKEN_DIGITS_MAX: usize = 400;
const BUNDLE_ID_BYTES_MAX: usize = 155;
/// They have about 160; what stores index may not be longer than this.
const FCM_TOKEN_BYTES_MAX: usize = 2_048;
/// `UnifiedPush` allows 1,000, services of browsers use a few hundred.
const ENDPOINT_BYTES_MAX: usize = 2_048;

impl PushProvider {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Apns, Self::Fcm, Self::WebPush];

    /// Its name in configuration, metrics and logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Apns => "apns",
            Self::Fcm => "fcm",
            Self::WebPush => "webpush",
        }
    }

    /// The provider of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|provider| provider.as_str() == name)
    }
}

impl PushAddress {
    /// Whose it is.
    pub fn provider(&self) -> PushProvider {
        match self {
            Self::Apns { .. } => PushProvider::Apns,
            Self::Fcm { .. } => PushProvider::Fcm,
            Self::WebPush { .. } => PushProvider::WebPush,
        }
    }

    /// What tells it from all other addresses of its provider.
    pub fn token(&self) -> &str {
        match self {
            Self::Apns { token, .. } | Self::Fcm { token } => token,
            Self::WebPush { endpoint, .. } => endpoint,
        }
    }

    /// Checks the form of all of it.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn check(&self) -> Result<(), AddressError> {
        match self {
            Self::Apns { token, bundle_id, environment: _ } => {
                let is_hex = token.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
                if !is_hex
                    || !token.len().is_multiple_of(2)
                    || !(2..=APNS_TOKEN_DIGITS_MAX).contains(&token.len())
                {
                    let expected = "lower-case hexadecimal digits, two for each byte, 400 at most";
                    return Err(AddressError::Token { expected });
                }
                let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-.".contains(&byte);
                let fits = (1..=BUNDLE_ID_BYTES_MAX).contains(&bundle_id.len());
                if fits && bundle_id.bytes().all(is_plain) { Ok(()) } else { Err(AddressError::BundleId) }
            }
            Self::Fcm { token } => {
                let fits = (1..=FCM_TOKEN_BYTES_MAX).contains(&token.len());
                let expected = "1 to 2048 visible ASCII characters";
                let is_token = fits && token.bytes().all(|byte| byte.is_ascii_graphic());
                if is_token { Ok(()) } else { Err(AddressError::Token { expected }) }
            }
            Self::WebPush { endpoint, public_key, auth_secret } => {
                if !(1..=ENDPOINT_BYTES_MAX).contains(&endpoint.len()) {
                    Err(AddressError::Endpoint)
                } else if public_key.len() != 65 || public_key[0] != 4 {
                    Err(AddressError::PublicKey)
                } else if auth_secret.len() == 16 {
                    Ok(())
                } else {
                    Err(AddressError::AuthSecret)
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn apns(token: &str, bundle_id: &str) -> PushAddress {
        let environment = ApnsEnvironment::Production;
        PushAddress::Apns { token: token.to_owned(), bundle_id: bundle_id.to_owned(), environment }
    }

    fn web(endpoint: &str, public_key: &[u8], auth_secret: &[u8]) -> PushAddress {
        PushAddress::WebPush {
            endpoint: endpoint.to_owned(),
            public_key: public_key.to_owned(),
            auth_secret: auth_secret.to_owned(),
        }
    }

    #[test]
    fn addresses_are_of_their_providers_form() {
        let point = [[4].as_slice(), &[7; 64]].concat();
        let good = [
            apns(&"0f".repeat(32), "org.example.app"),
            PushAddress::Fcm { token: "a:APA91-_".to_owned() },
            web("https://push.example.net/1", &point, &[0; 16]),
        ];
        for address in good {
            assert_eq!(address.check(), Ok(()), "{address:?}");
        }
        for token in ["", "0", "0F", "xy", &"00".repeat(201)] {
            assert!(matches!(apns(token, "org.example").check(), Err(AddressError::Token { .. })), "{token}");
        }
        for bundle_id in ["", "a b", "a/b", "a\r\nb", &"a".repeat(156)] {
            assert_eq!(apns("00", bundle_id).check(), Err(AddressError::BundleId), "{bundle_id}");
        }
        for token in ["", "a b", "é", &"a".repeat(2_049)] {
            let address = PushAddress::Fcm { token: token.to_owned() };
            assert!(matches!(address.check(), Err(AddressError::Token { .. })), "{token}");
        }
        assert_eq!(web("", &point, &[0; 16]).check(), Err(AddressError::Endpoint));
        assert_eq!(web("e", &point[..64], &[0; 16]).check(), Err(AddressError::PublicKey));
        assert_eq!(web("e", &[2; 65], &[0; 16]).check(), Err(AddressError::PublicKey));
        assert_eq!(web("e", &point, &[0; 15]).check(), Err(AddressError::AuthSecret));
    }

    #[test]
    fn providers_have_names() {
        for provider in PushProvider::ALL {
            assert_eq!(PushProvider::from_name(provider.as_str()), Some(provider));
        }
        assert_eq!(PushProvider::from_name("gcm"), None);
    }

    #[test]
    fn an_address_is_told_from_others_by_its_token_or_its_endpoint() {
        for (address, provider, token) in [
            (apns("0f", "org.example.app"), PushProvider::Apns, "0f"),
            (PushAddress::Fcm { token: "APA91".to_owned() }, PushProvider::Fcm, "APA91"),
            (
                web("https://push.example.net/1", &[4], &[0]),
                PushProvider::WebPush,
                "https://push.example.net/1",
            ),
        ] {
            assert_eq!((address.provider(), address.token()), (provider, token));
        }
    }
}
