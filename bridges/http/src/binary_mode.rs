//! CloudEvents in HTTP's binary content mode (HTTP binding §3.1): attributes are headers, data is the body.

use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use bus_cloudevents::{
    AttributeProblem, AttributeType, AttributeValue, CloudEvent, CloudEventError, Data, optional_type,
};
use bytes::Bytes;
use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};

const PREFIX: &str = "ce-";

/// Whether a request means to be an event in this mode.
pub(crate) fn is_meant(headers: &HeaderMap) -> bool {
    headers.keys().any(|name| name.as_str().starts_with(PREFIX))
}

/// Reads an event.
pub(crate) fn read(headers: &HeaderMap, body: &[u8]) -> Result<CloudEvent, CloudEventError> {
    let problem = |name: &str, problem| CloudEventError::Attribute { attribute: name.to_owned(), problem };
    let required = |name: &str| -> Result<String, CloudEventError> {
        once(headers, name)?.ok_or(problem(name, AttributeProblem::Missing))
    };
    if required("specversion")? != "1.0" {
        return Err(problem("specversion", AttributeProblem::SpecVersion));
    }
    let mut event = CloudEvent::new(&required("id")?, &required("source")?, &required("type")?)?;
    for name in headers.keys().filter_map(|name| name.as_str().strip_prefix(PREFIX)) {
        if matches!(name, "specversion" | "id" | "source" | "type") {
            continue;
        }
        if name == "datacontenttype" {
            // It is the header Content-Type.
            return Err(problem(name, AttributeProblem::ReservedName));
        }
        let text = required(name)?;
        let kind = optional_type(name).unwrap_or(AttributeType::String);
        event.set(name, AttributeValue::parse(kind, &text).map_err(|why| problem(name, why))?)?;
    }
    let content_type = headers.get(CONTENT_TYPE).map(|value| text(value).ok_or(AttributeProblem::MediaType));
    let content_type = content_type.transpose().map_err(|why| problem("datacontenttype", why))?;
    if let Some(content_type) = &content_type {
        event.set("datacontenttype", AttributeValue::String(content_type.clone()))?;
    }
    if !body.is_empty() {
        event.set_data(Data::of_bytes(body, content_type.as_deref()));
    }
    Ok(event)
}

/// What is percent-encoded in a header (§3.1.3.2), beside everything that is not ASCII.
const ESCAPED: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b'%');

/// Writes an event; `None` if it has no data, or data of no media type.
pub(crate) fn write(event: &CloudEvent) -> Option<(HeaderMap, Bytes)> {
    let (content_type, data) = event.content_type().zip(event.data())?;
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_str(content_type).ok()?);
    let mut set = |name: &str, text: &str| {
        let name = HeaderName::try_from(format!("{PREFIX}{name}")).ok()?;
        let value = utf8_percent_encode(text, ESCAPED).to_string();
        headers.insert(name, HeaderValue::try_from(value).ok()?);
        Some(())
    };
    let required = [("id", event.id()), ("source", event.source()), ("type", event.event_type())];
    for (name, text) in required.into_iter().chain([("specversion", "1.0")]) {
        set(name, text)?;
    }
    for (name, value) in event.attributes().filter(|(name, _)| *name != "datacontenttype") {
        set(name, &value.to_string())?;
    }
    Some((headers, Bytes::copy_from_slice(data.as_bytes())))
}

/// The value of an attribute's header, if there is one.
fn once(headers: &HeaderMap, name: &str) -> Result<Option<String>, CloudEventError> {
    let problem = |problem| CloudEventError::Attribute { attribute: name.to_owned(), problem };
    let mut values = headers.get_all(format!("{PREFIX}{name}")).iter();
    match (values.next(), values.next()) {
        (_, Some(_)) => Err(problem(AttributeProblem::Repeated)),
        (None, None) => Ok(None),
        (Some(value), None) => {
            let expected = AttributeProblem::Invalid { expected: AttributeType::String };
            text(value).map(Some).ok_or(problem(expected))
        }
    }
}

/// The text of a header's value (§3.1.3.2): out of its quotes, and percent-decoded once. `None` if that is no UTF-8.
fn text(value: &HeaderValue) -> Option<String> {
    let raw = value.to_str().ok()?.trim();
    percent_decode_str(&unquote(raw)).decode_utf8().ok().map(std::borrow::Cow::into_owned)
}

/// The inside of a quoted string, or the text as it stands.
pub(crate) fn unquote(text: &str) -> String {
    let quoted = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    quoted.map_or_else(|| text.to_owned(), unescape)
}

/// The inside of a quoted string (RFC 9110 §5.6.4).
fn unescape(quoted: &str) -> String {
    let mut characters = quoted.chars();
    let mut out = String::with_capacity(quoted.len());
    while let Some(character) = characters.next() {
        out.extend(if character == '\\' { characters.next() } else { Some(character) });
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(lines: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, HeaderValue::from_str(value).unwrap());
        }
        headers
    }

    const REQUIRED: [(&str, &str); 4] =
        [("ce-specversion", "1.0"), ("ce-id", "a"), ("ce-source", "/s"), ("ce-type", "t")];

    fn read_with(more: &[(&'static str, &str)], body: &[u8]) -> Result<CloudEvent, CloudEventError> {
        read(&headers(&[&REQUIRED[..], more].concat()), body)
    }

    #[test]
    fn values_come_out_of_quotes_and_percent_signs() {
        for (sent, meant) in [
            ("plain", "plain"),
            ("Euro%20%E2%82%AC%20%F0%9F%98%80", "Euro € 😀"),
            ("%e2%82%ac", "€"),
            ("\"a \\\"b\\\" \\\\ c%25\"", "a \"b\" \\ c%"),
            ("  spaced  ", "spaced"),
            ("\"", "\""),
            ("100%", "100%"),
        ] {
            let event = read_with(&[("ce-x", sent)], b"").unwrap();
            assert_eq!(event.attribute("x"), Some(&AttributeValue::String(meant.to_owned())), "{sent}");
        }
    }

    #[test]
    fn the_body_is_the_data_of_the_content_type() {
        for (content_type, body, data) in [
            (None, &b"{}"[..], Some(Data::Binary(b"{}".to_vec()))),
            (Some("application/json"), b"{ }", Some(Data::Text("{ }".to_owned()))),
            (Some("text/plain; charset=utf-8"), b"\xc3\xa9", Some(Data::Text("é".to_owned()))),
            (Some("text/plain; charset=iso-8859-1"), b"e", Some(Data::Binary(b"e".to_vec()))),
            (Some("text/plain"), b"\xe9", Some(Data::Binary(vec![0xe9]))),
            (Some("image/png"), b"\0", Some(Data::Binary(vec![0]))),
            (
                Some("application/xml"),
                b"<a xmlns='urn:a'/>",
                Some(Data::Xml("<a xmlns='urn:a'/>".to_owned())),
            ),
            (
                Some("application/xml"),
                b"<?xml version='1.0'?><a/>",
                Some(Data::Text("<?xml version='1.0'?><a/>".to_owned())),
            ),
            (Some("text/plain"), b"", None),
        ] {
            let more: Vec<_> = content_type.into_iter().map(|it| ("content-type", it)).collect();
            let event = read_with(&more, body).unwrap();
            assert_eq!(
                (event.content_type(), event.data()),
                (content_type, data.as_ref()),
                "{content_type:?}"
            );
        }
    }

    #[test]
    fn what_breaks_a_rule_names_the_attribute() {
        let refused = |more: &[(&'static str, &str)]| match read_with(more, b"") {
            Err(CloudEventError::Attribute { attribute, problem }) => (attribute, problem),
            other => panic!("{other:?}"),
        };
        let invalid = |expected| AttributeProblem::Invalid { expected };
        for (header, value, problem) in [
            ("ce-id", "b", AttributeProblem::Repeated),
            ("ce-x", "%C0%A0", invalid(AttributeType::String)),
            ("ce-x", "%0A", AttributeProblem::Character { code_point: 0xa }),
            ("ce-time", "now", invalid(AttributeType::Timestamp)),
            ("ce-datacontenttype", "text/plain", AttributeProblem::ReservedName),
            ("ce-data", "x", AttributeProblem::ReservedName),
            ("ce-a_b", "x", AttributeProblem::Name),
        ] {
            assert_eq!(refused(&[(header, value)]), (header[3..].to_owned(), problem), "{header}: {value}");
        }
        let (attribute, problem) = refused(&[("content-type", "nonsense")]);
        assert_eq!((attribute.as_str(), problem), ("datacontenttype", AttributeProblem::MediaType));
        for missing in 0..REQUIRED.len() {
            let mut some = REQUIRED.to_vec();
            let (name, _) = some.remove(missing);
            let problem = AttributeProblem::Missing;
            let expected = CloudEventError::Attribute { attribute: name[3..].to_owned(), problem };
            assert_eq!(read(&headers(&some), b""), Err(expected));
        }
    }
}
