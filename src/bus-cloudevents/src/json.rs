//! The JSON event format, and its batches.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::attribute::{decode_base64, encode_base64};
use crate::data::json_value;
use crate::event::{SPEC_VERSION, optional_type};
use crate::{
    AttributeProblem, AttributeType, AttributeValue, BatchError, CloudEvent, CloudEventError, ContentKind,
    Data, content_kind,
};

/// Reads one event (§3).
///
/// Data that are a JSON value are kept as they are written, digits and white space included.
///
/// # Errors
/// When it is no JSON, or breaks a rule; it names the attribute.
pub fn read(json: &[u8]) -> Result<CloudEvent, CloudEventError> {
    let members: Members<'_> =
        serde_json::from_slice(json).map_err(|error| CloudEventError::Document(no_json(&error)))?;
    event(&members)
}

/// Reads a batch (§4).
///
/// # Errors
/// When it is no JSON array, has more events than `events_max`, or one of them is none.
pub fn read_batch(json: &[u8], events_max: usize) -> Result<Vec<CloudEvent>, BatchError> {
    let entries: Vec<&RawValue> =
        serde_json::from_slice(json).map_err(|error| BatchError::Document(no_json(&error)))?;
    if entries.len() > events_max {
        return Err(BatchError::TooMany { events_max });
    }
    let read = |(index, entry): (usize, &RawValue)| {
        read(entry.get().as_bytes()).map_err(|error| BatchError::Event { index, error })
    };
    entries.into_iter().enumerate().map(read).collect()
}

/// Writes one event.
///
/// What has no content type gets the one that the format needs to tell text and XML from JSON. What should be JSON and is
/// not, is written as bytes.
pub fn write(event: &CloudEvent) -> String {
    let mut out = String::from("{");
    let required = [("specversion", SPEC_VERSION), ("id", event.id()), ("source", event.source())];
    for (name, text) in required.into_iter().chain([("type", event.event_type())]) {
        member(name, &text_value(text), &mut out);
    }
    for (name, value) in event.attributes() {
        member(name, &attribute_value(value), &mut out);
    }
    if let Some(data) = event.data() {
        write_data(event, data, &mut out);
    }
    out.push('}');
    out
}

/// Writes a batch.
pub fn write_batch<'a>(events: impl IntoIterator<Item = &'a CloudEvent>) -> String {
    let written: Vec<_> = events.into_iter().map(write).collect();
    format!("[{}]", written.join(","))
}

/// The members of an object, with those that are there twice.
struct Members<'a>(Vec<(String, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Collect;
        impl<'de> Visitor<'de> for Collect {
            type Value = Members<'de>;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("a JSON object with the attributes of an event")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Collect)
    }
}

impl Members<'_> {
    /// The value of a member that is there once.
    fn get(&self, name: &str) -> Result<Option<&RawValue>, CloudEventError> {
        let mut found = self.0.iter().filter(|(member, _)| member == name).map(|(_, value)| *value);
        match (found.next(), found.next()) {
            (_, Some(_)) => Err(CloudEventError::attribute(name, AttributeProblem::Repeated)),
            (value, None) => Ok(value),
        }
    }

    /// The same, where `null` stands for none (§2.2).
    fn set(&self, name: &str) -> Result<Option<&RawValue>, CloudEventError> {
        Ok(self.get(name)?.filter(|value| value.get() != "null"))
    }

    fn required(&self, name: &str) -> Result<String, CloudEventError> {
        let value = self.set(name)?.ok_or(CloudEventError::attribute(name, AttributeProblem::Missing))?;
        let expected = AttributeProblem::Invalid { expected: AttributeType::String };
        string(value).ok_or(CloudEventError::attribute(name, expected))
    }
}

fn event(members: &Members<'_>) -> Result<CloudEvent, CloudEventError> {
    if members.required("specversion")? != SPEC_VERSION {
        return Err(CloudEventError::attribute("specversion", AttributeProblem::SpecVersion));
    }
    let (id, source) = (members.required("id")?, members.required("source")?);
    let mut event = CloudEvent::new(&id, &source, &members.required("type")?)?;
    for (name, value) in &members.0 {
        let is_attribute =
            !matches!(name.as_str(), "specversion" | "id" | "source" | "type" | "data" | "data_base64");
        if is_attribute && value.get() != "null" {
            event.set(name, attribute(name, value)?)?;
        }
    }
    match (members.get("data")?, members.set("data_base64")?) {
        (None, None) => {}
        (Some(_), Some(_)) => {
            return Err(CloudEventError::Data("are there twice, as data and as data_base64".to_owned()));
        }
        (None, Some(base64)) => {
            let bytes = string(base64).and_then(|text| decode_base64(&text));
            let bytes =
                bytes.ok_or_else(|| CloudEventError::Data("in data_base64 are no Base64".to_owned()))?;
            event.set_data(Data::Binary(bytes));
        }
        (Some(value), None) => set_value(&mut event, value)?,
    }
    Ok(event)
}

/// Sets what stands in `data` (§3.1.2).
fn set_value(event: &mut CloudEvent, value: &RawValue) -> Result<(), CloudEventError> {
    let kind = event.content_type().map(content_kind);
    if matches!(kind, None | Some(ContentKind::Json)) {
        if kind.is_none() {
            event.set("datacontenttype", AttributeValue::String("application/json".to_owned()))?;
        }
        event.set_data(Data::Text(value.get().to_owned()));
        return Ok(());
    }
    let text = string(value).ok_or_else(|| {
        CloudEventError::Data("must be a string, because their datacontenttype is not JSON".to_owned())
    })?;
    let data = Data::of_text(text, event.content_type());
    event.set_data(data);
    Ok(())
}

/// A value with the type that the attribute has by its definition, or that JSON gives it.
fn attribute(name: &str, value: &RawValue) -> Result<AttributeValue, CloudEventError> {
    let problem = |problem| CloudEventError::attribute(name, problem);
    let text = value.get();
    match text.as_bytes().first() {
        Some(b'"') => {
            let text = string(value).ok_or(problem(AttributeProblem::UnknownType))?;
            let kind = optional_type(name).unwrap_or(AttributeType::String);
            AttributeValue::parse(kind, &text).map_err(problem)
        }
        Some(b't' | b'f') => AttributeValue::parse(AttributeType::Boolean, text).map_err(problem),
        Some(b'-' | b'0'..=b'9') => AttributeValue::parse(AttributeType::Integer, text).map_err(problem),
        _ => Err(problem(AttributeProblem::UnknownType)),
    }
}

fn string(value: &RawValue) -> Option<String> {
    serde_json::from_str(value.get()).ok()
}

fn write_data(event: &CloudEvent, data: &Data, out: &mut String) {
    let bytes = |bytes: &[u8]| text_value(&encode_base64(bytes));
    let kind = event.content_type().map(content_kind);
    let implied = |name, text: &str, out: &mut String| {
        if event.attribute(name).is_none() {
            member(name, &text_value(text), out);
        }
    };
    match (data, kind) {
        (Data::Binary(data), _) => member("data_base64", &bytes(data), out),
        (Data::Proto { type_url, value }, _) => {
            implied("datacontenttype", "application/protobuf", out);
            if AttributeValue::parse(AttributeType::UriReference, type_url).is_ok() {
                implied("dataschema", type_url, out);
            }
            member("data_base64", &bytes(value), out);
        }
        (Data::Text(text) | Data::Xml(text), Some(ContentKind::Json)) => match json_value(text) {
            Some(value) => member("data", value.get(), out),
            None => member("data_base64", &bytes(text.as_bytes()), out),
        },
        (Data::Text(text), _) => {
            implied("datacontenttype", "text/plain", out);
            member("data", &text_value(text), out);
        }
        (Data::Xml(xml), _) => {
            implied("datacontenttype", "application/xml", out);
            member("data", &text_value(xml), out);
        }
    }
}

fn attribute_value(value: &AttributeValue) -> String {
    match value {
        AttributeValue::Boolean(_) | AttributeValue::Integer(_) => value.to_string(),
        _ => text_value(&value.to_string()),
    }
}

fn text_value(text: &str) -> String {
    serde_json::to_string(text).expect("text is JSON")
}

fn member(name: &str, value: &str, out: &mut String) {
    if out.len() > 1 {
        out.push(',');
    }
    out.push('"');
    out.push_str(name);
    out.push_str("\":");
    out.push_str(value);
}

fn no_json(error: &serde_json::Error) -> String {
    format!("not an event in the JSON format: {error}")
}
