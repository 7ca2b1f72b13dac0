use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// What a device is told, in words that all services share, with what only one of them knows beside it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PushMessage {
    /// The first line that people see.
    pub title: Option<String>,
    /// The text below it.
    pub body: Option<String>,
    /// For the app.
    pub data: BTreeMap<String, String>,
    /// A later message of the same key takes the place of one that has not arrived: `apns-collapse-id`, `collapse_key`,
    /// `Topic`. 32 characters of the URL-safe base64 alphabet, so that every provider takes it.
    pub collapse_key: Option<String>,
    /// How long the provider keeps it for a device that is away, in seconds; 0 tries once. Four weeks at most.
    pub ttl_s: u32,
    /// How soon it has to be there.
    pub urgency: Urgency,
    /// What kind it is for Apple; without it, an alert if people see something, else background.
    pub apns_push_type: Option<ApnsPushType>,
    /// The whole payload for Apple, a JSON object, in place of one made of title, body and data.
    pub apns_payload: Option<String>,
    /// Members of FCM's `message`, a JSON object: `android`, `apns`, `webpush`, `fcm_options`, `notification`, `data`. They
    /// go before what is made of the other fields.
    pub fcm_message: Option<String>,
    /// The whole plaintext for Web Push, in place of a JSON object made of title, body and data.
    pub webpush_payload: Option<Vec<u8>>,
}

/// How soon a message has to be there, and what it may cost the device (RFC 8030, section 5.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Urgency {
    /// On power and Wi-Fi.
    VeryLow,
    /// On either power or Wi-Fi.
    Low,
    /// On neither.
    #[default]
    Normal,
    /// Low on battery.
    High,
}

/// `apns-push-type`: what an app has to be asked by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ApnsPushType {
    /// People see, hear or feel it.
    Alert,
    /// The app is woken and nobody sees it.
    Background,
    /// The app asks where it is.
    Location,
    /// An incoming call.
    Voip,
    /// New data for a watch face.
    Complication,
    /// Files have changed.
    FileProvider,
    /// A managed device is to ask its server.
    Mdm,
    /// A Live Activity begins, changes or ends.
    LiveActivity,
    /// Somebody talks.
    PushToTalk,
    /// A widget is to be drawn anew.
    Widgets,
    /// A control is to be drawn anew.
    Controls,
}

/// What is wrong with a message, whoever it is for. What a provider takes beyond that is checked on the bytes that it would
/// get.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum MessageError {
    /// A field is too long.
    #[error("{field} has {bytes} bytes, the most are {bytes_max}")]
    TooLong {
        /// Which.
        field: &'static str,
        /// How long.
        bytes: usize,
        /// How long it may be.
        bytes_max: usize,
    },
    /// The collapse key has characters that some provider refuses.
    #[error("the collapse key must have 1 to 32 characters of A-Z, a-z, 0-9, '-', '_'")]
    CollapseKey,
    /// It is to be kept longer than any provider does.
    #[error("ttl_s is {ttl_s}, the most are {} (four weeks)", PushMessage::TTL_S_MAX)]
    Ttl {
        /// What it is.
        ttl_s: u32,
    },
    /// A key of the data is one that a provider keeps for itself.
    #[error(
        "the data may have no key {key:?}: 'from', 'aps', 'message_type', and all that begin with 'google' or 'gcm' \
             are the providers' own"
    )]
    DataKey {
        /// Which.
        key: String,
    },
}

impl PushMessage {
    /// Four weeks: what FCM keeps at most, and the least of all providers.
    pub const TTL_S_MAX: u32 = 2_419_200;
    /// Bytes of each field. Providers take about 4 KB of everything together.
    pub const FIELD_BYTES_MAX: usize = 8_192;

    /// Checks what must hold whoever it is for.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn check(&self) -> Result<(), MessageError> {
        let data_bytes = self.data.iter().map(|(key, value)| key.len() + value.len()).sum();
        for (field, bytes) in [
            ("title", self.title.as_ref().map_or(0, String::len)),
            ("body", self.body.as_ref().map_or(0, String::len)),
            ("data", data_bytes),
            ("apns_payload", self.apns_payload.as_ref().map_or(0, String::len)),
            ("fcm_message", self.fcm_message.as_ref().map_or(0, String::len)),
            ("webpush_payload", self.webpush_payload.as_ref().map_or(0, Vec::len)),
        ] {
            if bytes > Self::FIELD_BYTES_MAX {
                return Err(MessageError::TooLong { field, bytes, bytes_max: Self::FIELD_BYTES_MAX });
            }
        }
        if self.ttl_s > Self::TTL_S_MAX {
            return Err(MessageError::Ttl { ttl_s: self.ttl_s });
        }
        if self.collapse_key.as_ref().is_some_and(|key| !Self::is_collapse_key(key)) {
            return Err(MessageError::CollapseKey);
        }
        match self.data.keys().find(|key| is_providers_own(key)) {
            Some(key) => Err(MessageError::DataKey { key: key.clone() }),
            None => Ok(()),
        }
    }

    /// Whether every provider takes it as a collapse key.
    pub fn is_collapse_key(key: &str) -> bool {
        let is_base64url = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
        (1..=32).contains(&key.len()) && key.bytes().all(is_base64url)
    }

    /// Whether people see something of it.
    pub fn is_visible(&self) -> bool {
        self.title.is_some() || self.body.is_some()
    }
}

impl Urgency {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::VeryLow, Self::Low, Self::Normal, Self::High];

    /// The one of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|urgency| urgency.as_str() == name)
    }

    /// As in the header of Web Push.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::VeryLow => "very-low",
            Self::Low => "low",
            Self::Normal => "normal",
            Self::High => "high",
        }
    }
}

impl ApnsPushType {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::Alert,
        Self::Background,
        Self::Location,
        Self::Voip,
        Self::Complication,
        Self::FileProvider,
        Self::Mdm,
        Self::LiveActivity,
        Self::PushToTalk,
        Self::Widgets,
        Self::Controls,
    ];

    /// As in the header of APNs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Alert => "alert",
            Self::Background => "background",
            Self::Location => "location",
            Self::Voip => "voip",
            Self::Complication => "complication",
            Self::FileProvider => "fileprovider",
            Self::Mdm => "mdm",
            Self::LiveActivity => "liveactivity",
            Self::PushToTalk => "pushtotalk",
            Self::Widgets => "widgets",
            Self::Controls => "controls",
        }
    }

    /// The type of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|push_type| push_type.as_str() == name)
    }
}

fn is_providers_own(key: &str) -> bool {
    ["from", "aps", "message_type"].contains(&key) || key.starts_with("google") || key.starts_with("gcm")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_and_forms_are_checked() {
        let good = PushMessage {
            title: Some("t".repeat(PushMessage::FIELD_BYTES_MAX)),
            collapse_key: Some("a-Z_0".to_owned()),
            ttl_s: PushMessage::TTL_S_MAX,
            ..PushMessage::default()
        };
        assert_eq!(good.check(), Ok(()));
        let with = |change: fn(&mut PushMessage)| {
            let mut message = good.clone();
            change(&mut message);
            message.check().unwrap_err()
        };
        let too_long = |field, bytes| MessageError::TooLong { field, bytes, bytes_max: 8_192 };
        assert_eq!(with(|message| message.title = Some("t".repeat(8_193))), too_long("title", 8_193));
        assert_eq!(
            with(|message| message.webpush_payload = Some(vec![0; 9_000])),
            too_long("webpush_payload", 9_000)
        );
        assert_eq!(with(|message| message.ttl_s += 1), MessageError::Ttl { ttl_s: 2_419_201 });
        for key in ["", "a b", "é", &"a".repeat(33)] {
            let message = PushMessage { collapse_key: Some(key.to_owned()), ..PushMessage::default() };
            assert_eq!(message.check(), Err(MessageError::CollapseKey), "{key}");
        }
        for key in ["from", "aps", "gcm.x", "google_y"] {
            let data = [(key.to_owned(), String::new())].into();
            let message = PushMessage { data, ..PushMessage::default() };
            assert_eq!(message.check(), Err(MessageError::DataKey { key: key.to_owned() }));
        }
    }

    #[test]
    fn push_types_have_names() {
        for push_type in ApnsPushType::ALL {
            assert_eq!(ApnsPushType::from_name(push_type.as_str()), Some(push_type));
        }
        assert_eq!(ApnsPushType::from_name("Alert"), None);
    }

    #[test]
    fn people_see_a_title_or_a_body_and_no_data() {
        let text = || Some("t".to_owned());
        let data = [("key".to_owned(), "value".to_owned())].into();
        let data = PushMessage { data, ..PushMessage::default() };
        for (message, is_visible) in [
            (PushMessage { title: text(), ..data.clone() }, true),
            (PushMessage { body: text(), ..data.clone() }, true),
            (PushMessage { title: text(), body: text(), ..data.clone() }, true),
            (data, false),
        ] {
            assert_eq!(message.is_visible(), is_visible, "{message:?}");
        }
    }
}
