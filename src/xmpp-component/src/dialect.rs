use bus_xml::Element;
use minidom::Node;

use crate::COMPONENT_NAMESPACE;

/// What stanzas of clients are in (RFC 6120 §4.8.3).
const CLIENT_NAMESPACE: &str = "jabber:client";

/// A child of the stream in the namespace of its stream. jabberd2 routes stanzas as it has them from its clients, in
/// `jabber:client`; the root and the children that share its namespace (an `<error/>`, a `<body/>`) mean the same here.
pub(crate) fn in_stream_namespace(element: Element) -> Element {
    if !element.has_ns(CLIENT_NAMESPACE) {
        return element;
    }
    let mut element = renamed(element);
    for node in element.take_nodes() {
        element.append_node(match node {
            Node::Element(child) if child.has_ns(CLIENT_NAMESPACE) => Node::Element(renamed(child)),
            other => other,
        });
    }
    element
}

fn renamed(mut element: Element) -> Element {
    let mut renamed = Element::bare(element.name(), COMPONENT_NAMESPACE);
    std::mem::swap(renamed.attrs_mut(), element.attrs_mut());
    for node in element.take_nodes() {
        renamed.append_node(node);
    }
    renamed
}

#[cfg(test)]
mod tests {
    use bus_xml::{XmlLimits, parse_document, serialise};

    use super::*;

    fn translated(text: &str) -> String {
        let limits = XmlLimits { depth_max: 10, bytes_max: 1_000 };
        serialise(&in_stream_namespace(parse_document(text, limits).unwrap()))
    }

    #[test]
    fn a_stanza_of_a_client_becomes_one_of_a_component() {
        assert_eq!(
            translated(
                "<iq xmlns='jabber:client' id='a'><error type='wait'/>b<q xmlns='urn:q'><c/></q></iq>"
            ),
            "<iq xmlns='jabber:component:accept' id='a'><error type='wait'/>b<q xmlns='urn:q'><c/></q></iq>"
        );
    }

    #[test]
    fn what_is_forwarded_inside_stays_as_it_is() {
        let forwarded = "<f xmlns='urn:f'><message xmlns='jabber:client'><body/></message></f>";
        let stanza = |namespace| format!("<message xmlns='{namespace}'>{forwarded}</message>");
        assert_eq!(translated(&stanza("jabber:client")), stanza(COMPONENT_NAMESPACE));
        assert_eq!(translated(&stanza("urn:other")), stanza("urn:other"));
    }
}
