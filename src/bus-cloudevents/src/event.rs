use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use crate::attribute::{check_characters, check_name};
use crate::media_type::is_media_type;
use crate::{AttributeProblem, AttributeType, AttributeValue, CloudEventError, Data, Timestamp};

/// The version of the specification that is spoken here, and the only one.
pub(crate) const SPEC_VERSION: &str = "1.0";

/// An event after CloudEvents 1.0. Whatever it holds keeps the specification's rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CloudEvent {
    id: String,
    source: String,
    event_type: String,
    attributes: BTreeMap<String, AttributeValue>,
    data: Option<Data>,
}

impl CloudEvent {
    /// An event without optional attributes and data.
    ///
    /// # Errors
    /// When one of the three is empty, or not what it must be; it names the attribute.
    pub fn new(id: &str, source: &str, event_type: &str) -> Result<Self, CloudEventError> {
        for (name, text) in [("id", id), ("source", source), ("type", event_type)] {
            let checked = if text.is_empty() { Err(AttributeProblem::Empty) } else { check_characters(text) };
            checked.map_err(|problem| CloudEventError::attribute(name, problem))?;
        }
        AttributeValue::parse(AttributeType::UriReference, source)
            .map_err(|problem| CloudEventError::attribute("source", problem))?;
        Ok(Self {
            id: id.to_owned(),
            source: source.to_owned(),
            event_type: event_type.to_owned(),
            attributes: BTreeMap::new(),
            data: None,
        })
    }

    /// Sets an optional attribute or an extension. One that the specification defines takes its canonical text, too.
    ///
    /// # Errors
    /// When it is set already, may not have this name, or is not what it must be.
    pub fn set(&mut self, name: &str, value: AttributeValue) -> Result<(), CloudEventError> {
        let problem = |problem| CloudEventError::attribute(name, problem);
        check_name(name).map_err(problem)?;
        if matches!(name, "id" | "source" | "type" | "specversion") {
            return Err(problem(AttributeProblem::Repeated));
        }
        let value = match optional_type(name) {
            Some(kind) if kind != value.kind() => {
                as_defined(kind, &value).ok_or(problem(AttributeProblem::Invalid { expected: kind }))?
            }
            _ => value,
        };
        value.check().map_err(problem)?;
        check_defined(name, &value).map_err(problem)?;
        match self.attributes.entry(name.to_owned()) {
            Entry::Occupied(_) => Err(problem(AttributeProblem::Repeated)),
            Entry::Vacant(place) => {
                place.insert(value);
                Ok(())
            }
        }
    }

    /// Sets an extension anew. The caller gives a name and a value that keep the rules.
    pub(crate) fn replace(&mut self, name: &str, value: AttributeValue) {
        self.attributes.insert(name.to_owned(), value);
    }

    /// Sets the data.
    pub fn set_data(&mut self, data: Data) {
        self.data = Some(data);
    }

    /// Identifies the event, together with its source.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Where it happened: a URI-reference.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// What happened.
    pub fn event_type(&self) -> &str {
        &self.event_type
    }

    /// The optional attributes and the extensions, by name.
    pub fn attributes(&self) -> impl Iterator<Item = (&str, &AttributeValue)> {
        self.attributes.iter().map(|(name, value)| (name.as_str(), value))
    }

    /// An optional attribute or an extension.
    pub fn attribute(&self, name: &str) -> Option<&AttributeValue> {
        self.attributes.get(name)
    }

    /// The canonical text of any attribute.
    pub fn text(&self, name: &str) -> Option<String> {
        match name {
            "id" => Some(self.id.clone()),
            "source" => Some(self.source.clone()),
            "type" => Some(self.event_type.clone()),
            "specversion" => Some(SPEC_VERSION.to_owned()),
            _ => self.attributes.get(name).map(ToString::to_string),
        }
    }

    /// The media type of the data.
    pub fn content_type(&self) -> Option<&str> {
        match self.attributes.get("datacontenttype") {
            Some(AttributeValue::String(text)) => Some(text),
            _ => None,
        }
    }

    /// The data.
    pub fn data(&self) -> Option<&Data> {
        self.data.as_ref()
    }
}

/// The types of the attributes that the specification defines beside the required ones.
pub fn optional_type(name: &str) -> Option<AttributeType> {
    match name {
        "datacontenttype" | "subject" => Some(AttributeType::String),
        // A URI by the specification; but the protobuf format puts the type URLs of messages there, without a scheme.
        "dataschema" => Some(AttributeType::UriReference),
        "time" => Some(AttributeType::Timestamp),
        _ => None,
    }
}

/// A value that was given as text, or as a URI of the wrong sort. Numbers and booleans are no texts.
fn as_defined(kind: AttributeType, value: &AttributeValue) -> Option<AttributeValue> {
    match value {
        AttributeValue::String(text) | AttributeValue::Uri(text) | AttributeValue::UriReference(text) => {
            AttributeValue::parse(kind, text).ok()
        }
        _ => None,
    }
}

fn check_defined(name: &str, value: &AttributeValue) -> Result<(), AttributeProblem> {
    match (name, value) {
        ("subject" | "dataschema", AttributeValue::String(text) | AttributeValue::UriReference(text))
            if text.is_empty() =>
        {
            Err(AttributeProblem::Empty)
        }
        ("datacontenttype", AttributeValue::String(text)) if !is_media_type(text) => {
            Err(AttributeProblem::MediaType)
        }
        _ => Ok(()),
    }
}

impl From<Timestamp> for AttributeValue {
    fn from(moment: Timestamp) -> Self {
        Self::Timestamp(moment)
    }
}
