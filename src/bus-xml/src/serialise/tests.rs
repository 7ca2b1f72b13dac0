use crate::{XmlLimits, parse_document, serialise, serialise_into};

const LIMITS: XmlLimits = XmlLimits { depth_max: 64, bytes_max: 10_000 };

fn check(input: &str, expected: &str) {
    let element = parse_document(input, LIMITS).unwrap();
    let text = serialise(&element);
    assert_eq!(text, expected);
    assert_eq!(parse_document(&text, LIMITS).unwrap(), element, "the infoset stays");
}

#[test]
fn prefixes_become_default_namespaces() {
    check(
        "<p:a xmlns:p='urn:p'><p:b/><c xmlns='urn:c'/></p:a>",
        "<a xmlns='urn:p'><b/><c xmlns='urn:c'/></a>",
    );
}

#[test]
fn no_namespace_is_kept_apart_from_the_surroundings() {
    check("<a xmlns='urn:a'><b xmlns=''/></a>", "<a xmlns='urn:a'><b xmlns=''/></a>");
    check("<a/>", "<a xmlns=''/>");
}

#[test]
fn namespaced_attributes_get_prefixes_of_ours() {
    check(
        "<a xmlns='urn:a' xmlns:x='urn:x' x:b='1' c='2' xml:lang='de'/>",
        "<a xmlns='urn:a' c='2' xml:lang='de' xmlns:a0='urn:x' a0:b='1'/>",
    );
}

#[test]
fn text_and_white_space_survive() {
    check("<a b='&#xA;&quot;&apos;&lt;'>&amp;&#xD;\n&lt;![CDATA[</a>", {
        "<a xmlns='' b='&#xA;&quot;&apos;&lt;'>&amp;&#xD;\n&lt;![CDATA[</a>"
    });
    check("<a>]]&gt;</a>", "<a xmlns=''>]]&gt;</a>");
}

#[test]
fn the_namespace_of_the_place_is_not_declared_again() {
    let element =
        parse_document("<iq xmlns='jabber:component:accept'><a xmlns='urn:a'/></iq>", LIMITS).unwrap();
    let mut out = String::new();
    serialise_into(&element, "jabber:component:accept", &mut out);
    assert_eq!(out, "<iq><a xmlns='urn:a'/></iq>");
}
