use thiserror::Error;

use super::{PushMessage, Urgency};

/// A push of an application server as it comes in (RFC 8030 §5). What it says is for the app alone, and is not looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebPush {
    /// How long it is of use, in seconds; 0 is for who is there now.
    pub ttl_s: u32,
    /// How soon it has to be there.
    pub urgency: Urgency,
    /// A later push of the same topic takes its place.
    pub topic: Option<String>,
    /// What the body is encoded in: `aes128gcm`, as a rule.
    pub content_encoding: Option<String>,
    /// What it says.
    pub body: Vec<u8>,
}

/// What is wrong with such a push.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum WebPushError {
    /// RFC 8030 §5.2.
    #[error("must be a number of seconds")]
    Ttl,
    /// RFC 8030 §5.3.
    #[error("must be very-low, low, normal or high")]
    Urgency,
    /// RFC 8030 §5.4.
    #[error("must have 1 to 32 characters of A-Z, a-z, 0-9, '-', '_'")]
    Topic,
    /// A word that is none.
    #[error("must be one word of at most 32 characters")]
    ContentEncoding,
}

impl WebPush {
    /// Bytes of a body: what every push service must take (RFC 8030 §7.2), and none takes more.
    pub const BODY_BYTES_MAX: usize = 4_096;
    const ENCODING_BYTES_MAX: usize = 32;

    /// A push by its headers, as they came.
    ///
    /// # Errors
    /// The first that is wrong; the TTL must be there.
    pub fn new(
        ttl: Option<&str>,
        urgency: Option<&str>,
        topic: Option<&str>,
        content_encoding: Option<&str>,
        body: Vec<u8>,
    ) -> Result<Self, WebPushError> {
        let is_number = |text: &&str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let ttl = ttl.filter(is_number).ok_or(WebPushError::Ttl)?;
        // A service may keep it for less than it was asked, and says so.
        let ttl_s = ttl.parse::<u32>().unwrap_or(u32::MAX).min(PushMessage::TTL_S_MAX);
        let urgency = match urgency {
            None => Urgency::default(),
            Some(word) => Urgency::from_name(word).ok_or(WebPushError::Urgency)?,
        };
        if topic.is_some_and(|topic| !PushMessage::is_collapse_key(topic)) {
            return Err(WebPushError::Topic);
        }
        let is_word = |word: &str| {
            (1..=Self::ENCODING_BYTES_MAX).contains(&word.len())
                && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        };
        if content_encoding.is_some_and(|word| !is_word(word)) {
            return Err(WebPushError::ContentEncoding);
        }
        let (topic, content_encoding) = (topic.map(str::to_owned), content_encoding.map(str::to_owned));
        Ok(Self { ttl_s, urgency, topic, content_encoding, body })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn push(ttl: &str, urgency: Option<&str>, topic: Option<&str>) -> Result<WebPush, WebPushError> {
        WebPush::new(Some(ttl), urgency, topic, Some("aes128gcm"), Vec::new())
    }

    #[test]
    fn headers_are_held_to_their_rules() {
        let good = push("60", Some("very-low"), Some("a-_Z9")).unwrap();
        assert_eq!((good.ttl_s, good.urgency, good.topic.as_deref()), (60, Urgency::VeryLow, Some("a-_Z9")));
        assert_eq!(push("99999999999", None, None).unwrap().ttl_s, PushMessage::TTL_S_MAX);
        assert_eq!(WebPush::new(None, None, None, None, Vec::new()), Err(WebPushError::Ttl));
        for ttl in ["", "-1", "+1", "1.5", "soon"] {
            assert_eq!(push(ttl, None, None), Err(WebPushError::Ttl), "{ttl}");
        }
        assert_eq!(push("0", Some("urgent"), None), Err(WebPushError::Urgency));
        for topic in ["", "a b", &"a".repeat(33)] {
            assert_eq!(push("0", None, Some(topic)), Err(WebPushError::Topic), "{topic}");
        }
        for word in ["", "a b", "<", &"a".repeat(33)] {
            let refused = WebPush::new(Some("0"), None, None, Some(word), Vec::new());
            assert_eq!(refused, Err(WebPushError::ContentEncoding), "{word}");
        }
    }
}
