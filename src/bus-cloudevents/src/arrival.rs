//! A CloudEvent for each event of the bus.

use std::fmt;
use std::str::FromStr;

use bus_domain::{BareJid, Epoch, Event, EventKind, NodeFacts, Payload, Seq};
use bus_xml::parse_document;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use thiserror::Error;

use crate::data::{inner_limits, json_value};
use crate::{AttributeValue, CloudEvent, Data, Timestamp, json, xml};

/// What stands unescaped in a query, and in a domain, whose letters may be of any script (RFC 3986 §2.3).
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The namespace of JSON in XML (XEP-0335).
const JSON: &str = "urn:xmpp:json:0";

/// Where a reader is in a node's log, as text: what a CloudEvent of ours has as its id, and what Server-Sent Events are
/// resumed from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// The life of the log.
    pub epoch: Epoch,
    /// The position in it.
    pub seq: Seq,
}

/// Not a position.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("is no position: 16 hexadecimal digits, a dash, and a number")]
pub struct PositionError;

/// The CloudEvent of an event.
///
/// What was published as a CloudEvent, in XML or as JSON in the container of XEP-0335, arrives as what it is. Any other
/// payload is the data of an event of the bus: its source is the node's URI, its id the position, its type says what has
/// happened. So is what is no publish.
pub fn arrived(service: &BareJid, node: &NodeFacts, event: &Event) -> CloudEvent {
    let payload = event.kind.payload();
    payload.and_then(published).unwrap_or_else(|| told(service, node, event, payload))
}

/// The URI of a node (XEP-0060 §12.22).
pub fn node_uri(service: &BareJid, node: &str) -> String {
    let domain = utf8_percent_encode(service.as_str(), ESCAPED);
    format!("xmpp:{domain}?;node={}", utf8_percent_encode(node, ESCAPED))
}

/// What was published as a CloudEvent; `None` if it was something else.
pub fn published(payload: &Payload) -> Option<CloudEvent> {
    let text = payload.as_str();
    if xml::is_event(text) {
        return xml::read(text, inner_limits(text)).ok();
    }
    json::read(contained_json(text)?.as_bytes()).ok()
}

/// The content of a JSON container.
fn contained_json(payload: &str) -> Option<String> {
    payload.strip_prefix("<json xmlns='urn:xmpp:json:0'")?;
    let container = parse_document(payload, inner_limits(payload)).ok()?;
    let is_text = container.is("json", JSON) && container.children().next().is_none();
    is_text.then(|| container.text())
}

fn told(service: &BareJid, node: &NodeFacts, event: &Event, payload: Option<&Payload>) -> CloudEvent {
    let position = Position { epoch: node.epoch, seq: event.seq };
    let source = node_uri(service, node.name.as_str());
    let mut told = CloudEvent::new(&position.to_string(), &source, event_type(&event.kind))
        .expect("the URI of a node is one, and neither an id nor a type is empty");
    let mut attributes: Vec<(&str, AttributeValue)> = vec![
        ("time", Timestamp::from_ms(event.published_at_ms).into()),
        ("sequence", AttributeValue::String(format!("{:020}", event.seq))),
    ];
    if let Some(item_id) = event.kind.item_id() {
        attributes.push(("subject", AttributeValue::String(item_id.as_str().to_owned())));
    }
    if let Some(payload) = payload {
        let (content_type, data) = match contained_json(payload.as_str()) {
            Some(json) if json_value(&json).is_some() => ("application/json", Data::Text(json)),
            _ => ("application/xml", Data::Xml(payload.as_str().to_owned())),
        };
        attributes.push(("datacontenttype", AttributeValue::String(content_type.to_owned())));
        told.set_data(data);
    }
    for (name, value) in attributes {
        // An item's id may hold what an attribute must not: it is left out then.
        let _ = told.set(name, value);
    }
    told
}

/// What has happened, as a CloudEvent's type.
fn event_type(kind: &EventKind) -> &'static str {
    match kind.told() {
        EventKind::Published { .. } => "stanzabus.item.published",
        EventKind::Retracted { .. } => "stanzabus.item.retracted",
        EventKind::Purged => "stanzabus.node.purged",
        EventKind::Configured => "stanzabus.node.configured",
        EventKind::Deleted { .. } => "stanzabus.node.deleted",
        EventKind::Associated { .. } => "stanzabus.node.associated",
        EventKind::Dissociated { .. } => "stanzabus.node.dissociated",
        // `told` has looked behind it.
        EventKind::Forwarded { .. } => "stanzabus.node.forwarded",
    }
}

impl fmt::Display for Position {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:016x}-{}", self.epoch.0, self.seq)
    }
}

impl FromStr for Position {
    type Err = PositionError;

    fn from_str(text: &str) -> Result<Self, PositionError> {
        let (epoch, seq) =
            text.split_once('-').filter(|(epoch, _)| epoch.len() == 16).ok_or(PositionError)?;
        let is_plain =
            epoch.bytes().all(|it| it.is_ascii_hexdigit()) && seq.bytes().all(|it| it.is_ascii_digit());
        let epoch = u64::from_str_radix(epoch, 16).ok().filter(|_| is_plain);
        let (epoch, seq) = epoch.zip(seq.parse().ok()).ok_or(PositionError)?;
        Ok(Self { epoch: Epoch(epoch), seq })
    }
}
