//! The protobuf event format, and its batches.

use prost::encoding::{DecodeContext, decode_key, skip_field};
use prost::{DecodeError, Message as _};
use prost_types::{Any, Timestamp as ProtoTimestamp};

use self::v1::cloud_event::cloud_event_attribute_value::Attr;
use self::v1::cloud_event::{CloudEventAttributeValue, Data as ProtoData};
use crate::attribute::check_characters;
use crate::event::SPEC_VERSION;
use crate::{
    AttributeProblem, AttributeType, AttributeValue, BatchError, CloudEvent, CloudEventError, Data, Timestamp,
};

/// `io.cloudevents.v1`, generated from `schemas/proto/stanzabus/v1/cloud_events.proto`.
///
/// `tests/tidy` writes it and fails when it is stale.
pub mod v1 {
    include!("generated/io.cloudevents.v1.rs");
}

/// Reads one event.
///
/// # Errors
/// When it is no such message, or breaks a rule; it names the attribute.
pub fn read(bytes: &[u8]) -> Result<CloudEvent, CloudEventError> {
    let message = v1::CloudEvent::decode(bytes);
    from_message(message.map_err(|error| CloudEventError::Document(no_message(&error)))?)
}

/// Reads a batch.
///
/// # Errors
/// When it is no such message, has more events than `events_max`, or one of them is none.
pub fn read_batch(bytes: &[u8], events_max: usize) -> Result<Vec<CloudEvent>, BatchError> {
    // Counted before anything is made of them: an event of two bytes takes a hundred times as many in memory.
    let count = count_events(bytes).map_err(|error| BatchError::Document(no_message(&error)))?;
    if count > events_max {
        return Err(BatchError::TooMany { events_max });
    }
    let batch = v1::CloudEventBatch::decode(bytes);
    let events = batch.map_err(|error| BatchError::Document(no_message(&error)))?.events;
    let read = |(index, message)| from_message(message).map_err(|error| BatchError::Event { index, error });
    events.into_iter().enumerate().map(read).collect()
}

/// Writes one event.
pub fn write(event: &CloudEvent) -> Vec<u8> {
    to_message(event).encode_to_vec()
}

/// Writes a batch.
pub fn write_batch<'a>(events: impl IntoIterator<Item = &'a CloudEvent>) -> Vec<u8> {
    v1::CloudEventBatch { events: events.into_iter().map(to_message).collect() }.encode_to_vec()
}

/// Takes a message over.
///
/// # Errors
/// When it breaks a rule; it names the attribute.
pub fn from_message(message: v1::CloudEvent) -> Result<CloudEvent, CloudEventError> {
    match message.spec_version.as_str() {
        SPEC_VERSION => {}
        "" => return Err(CloudEventError::attribute("specversion", AttributeProblem::Missing)),
        _ => return Err(CloudEventError::attribute("specversion", AttributeProblem::SpecVersion)),
    }
    let required = [("id", &message.id), ("source", &message.source), ("type", &message.r#type)];
    if let Some((name, _)) = required.into_iter().find(|(_, text)| text.is_empty()) {
        return Err(CloudEventError::attribute(name, AttributeProblem::Missing));
    }
    let mut event = CloudEvent::new(&message.id, &message.source, &message.r#type)?;
    for (name, value) in message.attributes {
        let value = attribute(value).map_err(|problem| CloudEventError::attribute(&name, problem))?;
        event.set(&name, value)?;
    }
    if let Some(data) = message.data {
        let data = taken(data, event.content_type())?;
        event.set_data(data);
    }
    Ok(event)
}

/// Makes the message of an event. XML goes as text, with the content type that says so.
pub fn to_message(event: &CloudEvent) -> v1::CloudEvent {
    let attributes = event.attributes().map(|(name, value)| (name.to_owned(), message_value(name, value)));
    let mut message = v1::CloudEvent {
        id: event.id().to_owned(),
        source: event.source().to_owned(),
        spec_version: SPEC_VERSION.to_owned(),
        r#type: event.event_type().to_owned(),
        attributes: attributes.collect(),
        data: event.data().map(|data| match data {
            Data::Binary(bytes) => ProtoData::BinaryData(bytes.clone()),
            Data::Text(text) | Data::Xml(text) => ProtoData::TextData(text.clone()),
            Data::Proto { type_url, value } => {
                ProtoData::ProtoData(Any { type_url: type_url.clone(), value: value.clone() })
            }
        }),
    };
    if matches!(event.data(), Some(Data::Xml(_))) && event.content_type().is_none() {
        let xml = CloudEventAttributeValue { attr: Some(Attr::CeString("application/xml".to_owned())) };
        message.attributes.insert("datacontenttype".to_owned(), xml);
    }
    message
}

/// How many events are in a batch, which has no other field.
fn count_events(mut batch: &[u8]) -> Result<usize, DecodeError> {
    let mut count = 0;
    while !batch.is_empty() {
        let (tag, wire_type) = decode_key(&mut batch)?;
        skip_field(wire_type, tag, &mut batch, DecodeContext::default())?;
        count += 1;
    }
    Ok(count)
}

fn taken(data: ProtoData, content_type: Option<&str>) -> Result<Data, CloudEventError> {
    Ok(match data {
        ProtoData::BinaryData(bytes) => Data::Binary(bytes),
        ProtoData::TextData(text) => Data::of_text(text, content_type),
        ProtoData::ProtoData(Any { type_url, value }) => {
            if type_url.is_empty() || check_characters(&type_url).is_err() {
                return Err(CloudEventError::Data("have no type_url that can be one".to_owned()));
            }
            Data::Proto { type_url, value }
        }
    })
}

fn attribute(value: CloudEventAttributeValue) -> Result<AttributeValue, AttributeProblem> {
    Ok(match value.attr.ok_or(AttributeProblem::Unset)? {
        Attr::CeBoolean(value) => AttributeValue::Boolean(value),
        Attr::CeInteger(value) => AttributeValue::Integer(value),
        Attr::CeString(text) => AttributeValue::String(text),
        Attr::CeBytes(bytes) => AttributeValue::Binary(bytes),
        Attr::CeUri(text) => AttributeValue::Uri(text),
        Attr::CeUriRef(text) => AttributeValue::UriReference(text),
        Attr::CeTimestamp(ProtoTimestamp { seconds, nanos }) => {
            let moment = Timestamp::from_seconds(seconds, nanos);
            moment.ok_or(AttributeProblem::Invalid { expected: AttributeType::Timestamp })?.into()
        }
    })
}

fn message_value(name: &str, value: &AttributeValue) -> CloudEventAttributeValue {
    let attr = match value {
        AttributeValue::Boolean(value) => Attr::CeBoolean(*value),
        AttributeValue::Integer(value) => Attr::CeInteger(*value),
        AttributeValue::String(text) => Attr::CeString(text.clone()),
        AttributeValue::Binary(bytes) => Attr::CeBytes(bytes.clone()),
        // By its definition (see `optional_type`).
        AttributeValue::UriReference(text) if name == "dataschema" => Attr::CeUri(text.clone()),
        AttributeValue::Uri(text) => Attr::CeUri(text.clone()),
        AttributeValue::UriReference(text) => Attr::CeUriRef(text.clone()),
        AttributeValue::Timestamp(moment) => {
            let (seconds, nanos) = moment.seconds_and_nanos();
            Attr::CeTimestamp(ProtoTimestamp { seconds, nanos })
        }
    };
    CloudEventAttributeValue { attr: Some(attr) }
}

fn no_message(error: &prost::DecodeError) -> String {
    format!("not an event in the protobuf format: {error}")
}
