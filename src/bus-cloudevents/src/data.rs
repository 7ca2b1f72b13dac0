use bus_xml::{XmlLimits, parse_document, serialise};
use serde_json::value::RawValue;

use crate::media_type::is_utf8;
use crate::{ContentKind, content_kind};

/// What an event carries beside its attributes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Data {
    /// Bytes.
    Binary(Vec<u8>),
    /// Text: also JSON, as it was written.
    Text(String),
    /// One XML element, in the bus's own serialisation.
    Xml(String),
    /// A protobuf message in a `google.protobuf.Any`.
    Proto {
        /// Names the message's type.
        type_url: String,
        /// The message.
        value: Vec<u8>,
    },
}

impl Data {
    /// Text that may be an XML element: it is one if its content type says so and it is in the bus's own serialisation,
    /// so that nothing of what was written is lost either way.
    pub(crate) fn of_text(text: String, content_type: Option<&str>) -> Self {
        let says_xml = content_type.is_some_and(|it| content_kind(it) == ContentKind::Xml);
        if says_xml && is_our_serialisation(&text) { Self::Xml(text) } else { Self::Text(text) }
    }

    /// What came as bytes of a media type: text, if that is what it says and they are text in UTF-8, and bytes otherwise.
    pub fn of_bytes(bytes: &[u8], content_type: Option<&str>) -> Self {
        let is_text = content_type.is_some_and(|it| content_kind(it) != ContentKind::Other && is_utf8(it));
        match std::str::from_utf8(bytes) {
            Ok(text) if is_text => Self::of_text(text.to_owned(), content_type),
            _ => Self::Binary(bytes.to_vec()),
        }
    }

    /// The bytes that `datacontenttype` is about.
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Binary(bytes) | Self::Proto { value: bytes, .. } => bytes,
            Self::Text(text) | Self::Xml(text) => text.as_bytes(),
        }
    }
}

/// Bounds for what has passed those of the bus already, or will: only the stack needs them.
pub(crate) fn inner_limits(text: &str) -> XmlLimits {
    const DEPTH_MAX: usize = 1_000;
    XmlLimits { depth_max: DEPTH_MAX, bytes_max: text.len() }
}

fn is_our_serialisation(text: &str) -> bool {
    // The cheap sign first: each of our roots declares its namespace right behind its name.
    text.split([' ', '>']).nth(1).is_some_and(|second| second.starts_with("xmlns='"))
        && parse_document(text, inner_limits(text)).is_ok_and(|element| serialise(&element) == *text)
}

/// A JSON value, as it was written; `None` if the text is none.
pub(crate) fn json_value(text: &str) -> Option<&RawValue> {
    serde_json::from_str(text).ok()
}
