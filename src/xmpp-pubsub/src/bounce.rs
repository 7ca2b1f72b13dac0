use bus_domain::bounce::{BounceClass, ErrorKind, classify};
use bus_domain::{BareJid, Jid};
use bus_engine::{Bounce, EventIds};
use bus_xml::Element;

use crate::namespaces::STANZA_ERRORS;

/// Tells notifications that came back from everything else that comes in.
#[derive(Debug)]
pub struct BounceReader {
    service: BareJid,
    event_ids: EventIds,
}

/// What a stanza is to delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BounceReading {
    /// Something else.
    NotABounce,
    /// An error that answers no message of ours, whatever it claims.
    Forged,
    /// A notification that came back. Whether its sender is the subscriber is for the engine to check. It is never
    /// answered.
    Bounced(Box<Bounce>),
}

impl BounceReader {
    /// A reader for the service at `service`.
    pub fn new(service: BareJid, event_ids: EventIds) -> Self {
        Self { service, event_ids }
    }

    /// Reads a stanza.
    pub fn read(&self, stanza: &Element) -> BounceReading {
        if stanza.name() != "message" || stanza.attr("type") != Some("error") {
            return BounceReading::NotABounce;
        }
        self.bounce(stanza).map_or(BounceReading::Forged, |bounce| BounceReading::Bounced(Box::new(bounce)))
    }

    fn bounce(&self, stanza: &Element) -> Option<Bounce> {
        let to = Jid::new(stanza.attr("to")?).ok()?;
        let from = Jid::new(stanza.attr("from")?).ok()?;
        let message = self.event_ids.parse_message_id(stanza.attr("id")?)?;
        (to.to_bare() == self.service).then(|| Bounce { message, from, class: class(stanza) })
    }
}

/// What the error says; one without a type or a condition of RFC 6120 says nothing.
fn class(stanza: &Element) -> BounceClass {
    let error = stanza.children().find(|child| child.name() == "error");
    let kind = error.and_then(|error| error.attr("type")).and_then(ErrorKind::parse);
    let condition = error
        .into_iter()
        .flat_map(Element::children)
        .find(|child| child.ns() == STANZA_ERRORS && child.name() != "text");
    match (kind, condition) {
        (Some(kind), Some(condition)) => classify(kind, condition.name()),
        _ => BounceClass::Ignored,
    }
}

#[cfg(test)]
mod tests;
