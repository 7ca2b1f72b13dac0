use thiserror::Error;

/// What a `datacontenttype` says of data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ContentKind {
    /// `*/json` or `*/*+json`.
    Json,
    /// `*/xml` or `*/*+xml`.
    Xml,
    /// `text/*`.
    Text,
    /// Anything else.
    Other,
}

/// An event format, for one event or for a batch of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// `application/cloudevents+json`
    Json,
    /// `application/cloudevents+xml`
    Xml,
    /// `application/cloudevents+protobuf`
    Protobuf,
    /// `application/cloudevents-batch+json`
    JsonBatch,
    /// `application/cloudevents-batch+xml`
    XmlBatch,
    /// `application/cloudevents-batch+protobuf`
    ProtobufBatch,
}

/// A media type of CloudEvents in a format that is not known here.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{0:?} is no format of CloudEvents that is understood here: +json, +xml or +protobuf")]
pub struct FormatError(pub String);

impl Format {
    /// Every format.
    pub const ALL: [Self; 6] =
        [Self::Json, Self::Xml, Self::Protobuf, Self::JsonBatch, Self::XmlBatch, Self::ProtobufBatch];

    /// The format of a media type; `None` if it is none of CloudEvents (HTTP binding §3).
    ///
    /// # Errors
    /// When it is one of CloudEvents, but not known.
    pub fn of_media_type(media_type: &str) -> Result<Option<Self>, FormatError> {
        let essence = essence(media_type);
        if !essence.starts_with("application/cloudevents") {
            return Ok(None);
        }
        let known = Self::ALL.into_iter().find(|format| format.media_type() == essence);
        known.map(Some).ok_or(FormatError(essence))
    }

    /// Its media type.
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Json => "application/cloudevents+json",
            Self::Xml => "application/cloudevents+xml",
            Self::Protobuf => "application/cloudevents+protobuf",
            Self::JsonBatch => "application/cloudevents-batch+json",
            Self::XmlBatch => "application/cloudevents-batch+xml",
            Self::ProtobufBatch => "application/cloudevents-batch+protobuf",
        }
    }
}

/// What a media type says of content.
pub fn content_kind(media_type: &str) -> ContentKind {
    let essence = essence(media_type);
    let Some((family, subtype)) = essence.split_once('/') else { return ContentKind::Other };
    match subtype.rsplit('+').next() {
        Some("json") => ContentKind::Json,
        Some("xml") => ContentKind::Xml,
        _ if family == "text" => ContentKind::Text,
        _ => ContentKind::Other,
    }
}

/// Whether a media type names no character set, or one that UTF-8 has all of.
pub(crate) fn is_utf8(media_type: &str) -> bool {
    let parameters = media_type.split(';').skip(1).filter_map(|parameter| parameter.split_once('='));
    let mut charsets = parameters.filter(|(name, _)| name.trim().eq_ignore_ascii_case("charset"));
    charsets.all(|(_, value)| {
        let charset = value.trim().trim_matches('"').to_ascii_lowercase();
        matches!(charset.as_str(), "utf-8" | "utf8" | "us-ascii")
    })
}

/// Whether the text is a media type with or without parameters (RFC 2045 §5.1).
pub(crate) fn is_media_type(text: &str) -> bool {
    let (essence, parameters) = text.split_once(';').map_or((text, None), |(it, rest)| (it, Some(rest)));
    let Some((family, subtype)) = essence.trim().split_once('/') else { return false };
    let has_parameters = parameters.is_none_or(|rest| rest.contains('='));
    is_token(family) && is_token(subtype) && has_parameters
}

fn is_token(text: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_graphic() && !b"()<>@,;:\\\"/[]?=".contains(&byte);
    !text.is_empty() && text.bytes().all(is_plain)
}

/// The media type without parameters, in lower case.
fn essence(media_type: &str) -> String {
    media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_is_told_by_its_subtype_whatever_the_case() {
        for (media_type, kind) in [
            ("application/json", ContentKind::Json),
            ("Application/Vnd.X+JSON; charset=utf-8", ContentKind::Json),
            ("text/xml", ContentKind::Xml),
            ("image/svg+xml", ContentKind::Xml),
            ("text/plain;charset=utf-8", ContentKind::Text),
            ("application/jsonp", ContentKind::Other),
            ("json", ContentKind::Other),
        ] {
            assert_eq!(content_kind(media_type), kind, "{media_type}");
        }
    }

    #[test]
    fn formats_are_told_by_their_media_types() {
        for format in Format::ALL {
            let shouted = format!("{}; charset=UTF-8", format.media_type().to_uppercase());
            assert_eq!(Format::of_media_type(&shouted), Ok(Some(format)));
        }
        assert_eq!(Format::of_media_type("application/json"), Ok(None));
        assert!(Format::of_media_type("application/cloudevents+avro").is_err());
        assert!(Format::of_media_type("application/cloudevents").is_err());
    }

    #[test]
    fn what_is_no_media_type_is_told() {
        for good in ["text/plain", "application/x;a=b", "a/b ; c=\"d;e\""] {
            assert!(is_media_type(good), "{good}");
        }
        for bad in ["", "json", "/json", "a/", "a/b/c", "a b/c", "a/b;", "a/b; c"] {
            assert!(!is_media_type(bad), "{bad}");
        }
    }
}
