use bus_cloudevents::{CloudEventError, arrived, protobuf};
use bus_domain::{BareJid, Event, NodeFacts};
use tonic::Status;

use super::enum_value;
use crate::v1;

/// How events carry their payloads.
#[derive(Debug, Clone)]
pub(crate) enum PayloadForm {
    /// As the elements that they are.
    Xml,
    /// As CloudEvents, whose sources are nodes of this service.
    CloudEvent {
        /// Where the nodes are.
        service: BareJid,
    },
}

impl PayloadForm {
    /// What a request asks for.
    pub(crate) fn from_message(field: &str, number: i32, service: &BareJid) -> Result<Self, Status> {
        Ok(match enum_value(field, number)? {
            None | Some(v1::PayloadFormat::Unspecified | v1::PayloadFormat::Xml) => Self::Xml,
            Some(v1::PayloadFormat::CloudEvent) => Self::CloudEvent { service: service.clone() },
        })
    }

    /// Whether it is the second.
    pub(crate) fn is_cloud_event(&self) -> bool {
        matches!(self, Self::CloudEvent { .. })
    }

    /// The payload of an event, if it has one.
    pub(super) fn payload(&self, node: &NodeFacts, event: &Event) -> Option<v1::event::Payload> {
        let payload = event.kind.payload()?;
        Some(match self {
            Self::Xml => v1::event::Payload::Xml(payload.as_str().to_owned()),
            Self::CloudEvent { service } => {
                let event = protobuf::to_message(&arrived(service, node, event));
                v1::event::Payload::CloudEvent(Box::new(event))
            }
        })
    }
}

/// The field of a CloudEvent's message that an error is about.
pub(crate) fn event_field(event: &str, error: &CloudEventError) -> String {
    match error {
        CloudEventError::Attribute { attribute, .. } => match attribute.as_str() {
            "id" | "source" | "type" => format!("{event}.{attribute}"),
            "specversion" => format!("{event}.spec_version"),
            _ => format!("{event}.attributes[{attribute}]"),
        },
        // The other kinds of data are whatever they are.
        CloudEventError::Data(_) => format!("{event}.proto_data"),
        CloudEventError::Document(_) => event.to_owned(),
    }
}
