//! The XML event format, and its batches: how CloudEvents travel on XMPP, and how the bus keeps them.
//!
//! Types are told by the local part of their names: XMPP servers rename prefixes, and the bus's own serialisation drops
//! declarations that nothing but a value refers to.

mod write;

use bus_xml::{Element, XmlLimits, parse_document, serialise};

use crate::attribute::decode_base64;
use crate::event::{SPEC_VERSION, optional_type};
use crate::{AttributeProblem, AttributeType, AttributeValue, BatchError, CloudEvent, CloudEventError, Data};

pub use write::{write, write_batch};

/// The namespace of the format.
pub const NAMESPACE: &str = "http://cloudevents.io/xmlformat/V1";
/// The namespace of `xsi:type`.
const XSI: &str = "http://www.w3.org/2001/XMLSchema-instance";
/// The namespace of attributes that say what the format has no words for.
const OURS: &str = "urn:stanzabus:cloudevents:1";

/// How a payload begins, in the bus's own serialisation, that may be an event in this format.
const OPENING: &str = "<event xmlns='http://cloudevents.io/xmlformat/V1'";

/// Whether a payload in the bus's own serialisation is an element of this format. Costs a look at its first bytes.
pub fn is_event(payload: &str) -> bool {
    payload.strip_prefix(OPENING).is_some_and(|rest| rest.starts_with([' ', '>', '/']))
}

/// Reads one event.
///
/// # Errors
/// When it is no XML within the limits, or breaks a rule; it names the attribute.
pub fn read(xml: &str, limits: XmlLimits) -> Result<CloudEvent, CloudEventError> {
    let root = parse_document(xml, limits).map_err(|error| CloudEventError::Document(error.to_string()))?;
    event(&root)
}

/// Reads a batch (§5).
///
/// # Errors
/// When it is no XML within the limits, has more events than `events_max`, or one of them is none.
pub fn read_batch(xml: &str, limits: XmlLimits, events_max: usize) -> Result<Vec<CloudEvent>, BatchError> {
    let root = parse_document(xml, limits).map_err(|error| BatchError::Document(error.to_string()))?;
    if !root.is("batch", NAMESPACE) {
        return Err(BatchError::Document(format!("not a <batch/> in the namespace {NAMESPACE}")));
    }
    if has_stray_text(&root) {
        return Err(BatchError::Document("text stands beside the events of the batch".to_owned()));
    }
    let children: Vec<_> = root.children().filter(|child| child.has_ns(NAMESPACE)).collect();
    if children.len() > events_max {
        return Err(BatchError::TooMany { events_max });
    }
    let read = |(index, child)| event(child).map_err(|error| BatchError::Event { index, error });
    children.into_iter().enumerate().map(read).collect()
}

/// The bounds of a document in this format whose length is bounded already, and whose data may be that deep.
pub fn document_limits(bytes_max: usize, data_depth_max: usize) -> XmlLimits {
    // The batch, the event, and its data.
    const ENVELOPE_DEPTH: usize = 3;
    XmlLimits { depth_max: data_depth_max + ENVELOPE_DEPTH, bytes_max }
}

fn event(root: &Element) -> Result<CloudEvent, CloudEventError> {
    if !root.is("event", NAMESPACE) {
        return Err(CloudEventError::Document(format!("not an <event/> in the namespace {NAMESPACE}")));
    }
    if has_stray_text(root) {
        return Err(CloudEventError::Document("text stands beside the attributes of the event".to_owned()));
    }
    match root.attr("specversion") {
        Some(SPEC_VERSION) => {}
        None => return Err(CloudEventError::attribute("specversion", AttributeProblem::Missing)),
        Some(_) => return Err(CloudEventError::attribute("specversion", AttributeProblem::SpecVersion)),
    }
    let (id, source, event_type) =
        (required(root, "id")?, required(root, "source")?, required(root, "type")?);
    let mut event = CloudEvent::new(&id, &source, &event_type)?;
    for child in root.children().filter(|child| child.has_ns(NAMESPACE)) {
        if !matches!(child.name(), "id" | "source" | "type" | "data") {
            event.set(child.name(), attribute(child)?)?;
        }
    }
    if let Some(element) = once(root, "data")? {
        event.set_data(data(element)?);
    }
    Ok(event)
}

/// The child of this name. One that is there twice is an error.
fn once<'a>(root: &'a Element, name: &str) -> Result<Option<&'a Element>, CloudEventError> {
    let mut found = root.children().filter(|child| child.is(name, NAMESPACE));
    match (found.next(), found.next()) {
        (_, Some(_)) => Err(CloudEventError::attribute(name, AttributeProblem::Repeated)),
        (child, None) => Ok(child),
    }
}

fn required(root: &Element, name: &str) -> Result<String, CloudEventError> {
    let child = once(root, name)?.ok_or(CloudEventError::attribute(name, AttributeProblem::Missing))?;
    Ok(attribute(child)?.to_string())
}

/// An attribute, of the type that it has by its definition, or that `xsi:type` says.
fn attribute(element: &Element) -> Result<AttributeValue, CloudEventError> {
    let name = element.name();
    let problem = |problem| CloudEventError::attribute(name, problem);
    if element.children().next().is_some() {
        return Err(problem(AttributeProblem::UnknownType));
    }
    let defined = match name {
        "id" | "type" => Some(AttributeType::String),
        "source" => Some(AttributeType::UriReference),
        _ => optional_type(name),
    };
    let said = match type_name(element) {
        Some(local) => Some(attribute_type(local).ok_or(problem(AttributeProblem::UnknownType))?),
        None => None,
    };
    let is_schema = name == "dataschema" && said == Some(AttributeType::Uri);
    if let (Some(defined), Some(said)) = (defined, said)
        && defined != said
        && !is_schema
    {
        return Err(problem(AttributeProblem::Invalid { expected: defined }));
    }
    let kind = defined.or(said).unwrap_or(AttributeType::String);
    AttributeValue::parse(kind, &element.text()).map_err(problem)
}

fn data(element: &Element) -> Result<Data, CloudEventError> {
    let problem = |text: &str| CloudEventError::Data(text.to_owned());
    let mut children = element.children();
    let child = children.next();
    match type_name(element) {
        Some("any") => match (child, children.next()) {
            (Some(child), None) if !has_stray_text(element) => Ok(Data::Xml(serialise(child))),
            _ => Err(problem("of the type xs:any must be exactly one element")),
        },
        Some("string" | "base64Binary") if child.is_some() => {
            Err(problem("of the type xs:string or xs:base64Binary must not hold an element"))
        }
        Some("string") => Ok(Data::Text(element.text())),
        Some("base64Binary") => {
            let mut text = element.text();
            text.retain(|character| !character.is_ascii_whitespace());
            let bytes = decode_base64(&text).ok_or_else(|| problem("are no Base64"))?;
            from_bytes(element, bytes)
        }
        Some(_) => Err(problem("must have the xsi:type xs:string, xs:base64Binary or xs:any")),
        None => Err(problem("must have an xsi:type")),
    }
}

/// What has been written as bytes because the format has no other way.
fn from_bytes(element: &Element, value: Vec<u8>) -> Result<Data, CloudEventError> {
    if let Some(type_url) = element.attr_ns(OURS, "type-url") {
        return Ok(Data::Proto { type_url: type_url.to_owned(), value });
    }
    if element.attr_ns(OURS, "text") != Some("true") {
        return Ok(Data::Binary(value));
    }
    let text = String::from_utf8(value);
    text.map(Data::Text).map_err(|_| CloudEventError::Data("are text, and not in UTF-8".to_owned()))
}

/// The local part of `xsi:type`.
fn type_name(element: &Element) -> Option<&str> {
    let name = element.attr_ns(XSI, "type")?;
    Some(name.rsplit(':').next().unwrap_or(name))
}

/// The types of the format (§2).
fn attribute_type(local: &str) -> Option<AttributeType> {
    Some(match local {
        "boolean" => AttributeType::Boolean,
        "integer" => AttributeType::Integer,
        "string" => AttributeType::String,
        "binary" => AttributeType::Binary,
        "uri" => AttributeType::Uri,
        "uriRef" => AttributeType::UriReference,
        "timestamp" => AttributeType::Timestamp,
        _ => return None,
    })
}

fn has_stray_text(element: &Element) -> bool {
    element.texts().any(|text| text.chars().any(|it| !it.is_ascii_whitespace()))
}
