use std::cell::OnceCell;

use bus_cloudevents::{CloudEvent, Data, arrived};
use bus_domain::push::Fields;
use bus_domain::push::template::Field;
use bus_domain::{BareJid, Event, NodeFacts};
use bus_xml::{Element, XmlLimits, parse_document};
use serde_json::Value;

/// What an event has for the placeholders of templates. Each form of it is read when a placeholder asks for it first.
pub(super) struct EventFields<'a> {
    service: &'a BareJid,
    node: &'a NodeFacts,
    event: &'a Event,
    cloud_event: OnceCell<CloudEvent>,
    data: OnceCell<Option<Value>>,
    xml: OnceCell<Option<Element>>,
}

/// Bounds for payloads, which have passed those of the bus already: only the stack needs them.
const DEPTH_MAX: usize = 1_000;

impl<'a> EventFields<'a> {
    pub(super) fn new(service: &'a BareJid, node: &'a NodeFacts, event: &'a Event) -> Self {
        Self {
            service,
            node,
            event,
            cloud_event: OnceCell::new(),
            data: OnceCell::new(),
            xml: OnceCell::new(),
        }
    }

    fn cloud_event(&self) -> &CloudEvent {
        self.cloud_event.get_or_init(|| arrived(self.service, self.node, self.event))
    }

    fn json(&self, path: &[String]) -> Option<String> {
        let read = || match self.cloud_event().data()? {
            data @ (Data::Text(_) | Data::Binary(_)) => serde_json::from_slice(data.as_bytes()).ok(),
            Data::Xml(_) | Data::Proto { .. } => None,
        };
        let mut value = self.data.get_or_init(read).as_ref()?;
        for name in path {
            value = match value {
                Value::Object(members) => members.get(name)?,
                Value::Array(values) => values.get(name.parse::<usize>().ok()?)?,
                _ => return None,
            };
        }
        match value {
            Value::String(text) => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            Value::Bool(truth) => Some(truth.to_string()),
            Value::Null | Value::Array(_) | Value::Object(_) => None,
        }
    }

    fn xml(&self, path: &[String], attribute: Option<&str>) -> Option<String> {
        let read = || {
            let Data::Xml(text) = self.cloud_event().data()? else { return None };
            parse_document(text, XmlLimits { depth_max: DEPTH_MAX, bytes_max: text.len() }).ok()
        };
        let (root, below) = path.split_first()?;
        let mut element = self.xml.get_or_init(read).as_ref().filter(|element| element.name() == root)?;
        for name in below {
            element = element.children().find(|child| child.name() == name)?;
        }
        match attribute {
            Some(name) => element.attr(name).map(str::to_owned),
            None => Some(element.text()),
        }
    }
}

impl Fields for EventFields<'_> {
    fn text(&self, field: &Field) -> Option<String> {
        match field {
            Field::Node => Some(self.node.name.as_str().to_owned()),
            Field::ItemId => self.event.kind.item_id().map(|id| id.as_str().to_owned()),
            Field::Publisher => Some(self.event.publisher.to_string()),
            Field::Seq => Some(self.event.seq.to_string()),
            Field::Attribute(name) => self.cloud_event().text(name),
            Field::Data(path) => self.json(path),
            Field::Xml { path, attribute } => self.xml(path, attribute.as_deref()),
        }
    }
}

#[cfg(test)]
mod tests;
