//! From what a leg received to a [`Payload`]: one parser, one set of limits, one serialisation for all legs.

use bus_domain::{BusError, Limits, Payload};
use bus_xml::{DocumentError, Element, XmlLimits, parse_document, serialise};

/// Reads a payload that came as text.
pub fn payload_from_text(xml: &str, limits: &Limits) -> Result<Payload, BusError> {
    let xml_limits = XmlLimits { depth_max: limits.payload_depth_max, bytes_max: limits.payload_bytes_max };
    match parse_document(xml, xml_limits) {
        Ok(element) => written(&element, limits),
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
    written(element, limits)
}

/// Namespaces that no element may be in (Namespaces in XML 1.0 §3). Our parser lets them pass as a default namespace;
/// that of a subscriber would end its stream.
const RESERVED_NAMESPACES: [&str; 2] =
    ["http://www.w3.org/2000/xmlns/", "http://www.w3.org/XML/1998/namespace"];

fn has_reserved_namespace(element: &Element) -> bool {
    RESERVED_NAMESPACES.iter().any(|namespace| element.has_ns(*namespace))
        || element.children().any(has_reserved_namespace)
}

fn written(element: &Element, limits: &Limits) -> Result<Payload, BusError> {
    if has_reserved_namespace(element) {
        let reason = "an element is in a namespace that XML keeps to itself".to_owned();
        return Err(BusError::InvalidPayload { reason });
    }
    let xml = serialise(element);
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
    fn nothing_is_in_a_namespace_of_xml_itself() {
        for namespace in RESERVED_NAMESPACES {
            let limits = Limits { payload_bytes_max: 200, ..limits() };
            let xml = format!("<a><b xmlns='{namespace}'/></a>");
            let refused = payload_from_text(&xml, &limits);
            assert!(matches!(refused, Err(BusError::InvalidPayload { .. })), "{xml}: {refused:?}");
        }
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
