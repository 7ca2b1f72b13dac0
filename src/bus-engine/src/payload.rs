//! From what a leg received to a [`Payload`]: one parser, one set of limits, one serialisation for all legs.

use bus_domain::{BusError, Limits, Payload};
use bus_xml::{DocumentError, Element, XmlLimits, parse_document, serialise};

/// Reads a payload that came as text.
pub fn payload_from_text(xml: &str, limits: &Limits) -> Result<Payload, BusError> {
    let xml_limits = XmlLimits { depth_max: limits.payload_depth_max, bytes_max: limits.payload_bytes_max };
    match parse_document(xml, xml_limits) {
        Ok(element) => bounded(serialise(&element), limits),
        Err(DocumentError::TooLong(bytes_max)) => Err(BusError::PayloadTooBig { bytes_max }),
        Err(error) => Err(BusError::InvalidPayload { reason: error.to_string() }),
    }
}

/// Takes over a payload that came inside a stanza.
pub fn payload_from_element(element: &Element, limits: &Limits) -> Result<Payload, BusError> {
    if depth(element) > limits.payload_depth_max {
        let reason = format!("more than {} levels of nesting", limits.payload_depth_max);
        return Err(BusError::InvalidPayload { reason });
    }
    bounded(serialise(element), limits)
}

fn bounded(xml: String, limits: &Limits) -> Result<Payload, BusError> {
    if xml.len() > limits.payload_bytes_max {
        return Err(BusError::PayloadTooBig { bytes_max: limits.payload_bytes_max });
    }
    Ok(Payload::from_serialised(xml))
}

/// Levels of nesting. The tree was built under the stream's depth cap, so recursion is bounded.
fn depth(element: &Element) -> usize {
    1 + element.children().map(depth).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits() -> Limits {
        Limits { payload_bytes_max: 60, payload_depth_max: 2, ..Limits::default() }
    }

    fn check(xml: &str) -> Result<String, BusError> {
        payload_from_text(xml, &limits()).map(|payload| payload.as_str().to_owned())
    }

    #[test]
    fn text_and_stanza_lead_to_the_same_payload() {
        let expected = "<a xmlns='urn:a'><b/></a>";
        assert_eq!(check("<x:a xmlns:x='urn:a'><x:b/></x:a>").as_deref(), Ok(expected));
        let element = parse_document(expected, XmlLimits { depth_max: 9, bytes_max: 99 }).unwrap();
        assert_eq!(payload_from_element(&element, &limits()).unwrap().as_str(), expected);
    }

    #[test]
    fn limits_hold_for_both() {
        let deep = "<a><b><c/></b></a>";
        assert!(matches!(check(deep), Err(BusError::InvalidPayload { .. })));
        let element = parse_document(deep, XmlLimits { depth_max: 9, bytes_max: 99 }).unwrap();
        assert!(matches!(payload_from_element(&element, &limits()), Err(BusError::InvalidPayload { .. })));
        let long = format!("<a xmlns='urn:a'>{}</a>", "x".repeat(40));
        assert_eq!(check(&long), Err(BusError::PayloadTooBig { bytes_max: 60 }));
        let grows = format!("<a xmlns='urn:a'>{}</a>", ">".repeat(30));
        assert_eq!(check(&grows), Err(BusError::PayloadTooBig { bytes_max: 60 }), "escaped it is longer");
    }

    #[test]
    fn what_is_not_one_element_is_refused() {
        for xml in [
            "",
            "text",
            "</item><a/>",
            "<a/><b/>",
            "<p:a/>",
            "<a>\u{b}</a>",
            "<a>\0</a>",
            "<a>&#0;</a>",
            "<!DOCTYPE a><a/>",
        ] {
            assert!(matches!(check(xml), Err(BusError::InvalidPayload { .. })), "{xml:?}");
        }
    }
}
