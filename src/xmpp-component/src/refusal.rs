use bus_xml::Element;

use crate::COMPONENT_NAMESPACE;

const STANZA_ERRORS: &str = "urn:ietf:params:xml:ns:xmpp-stanzas";

/// The condition, when a barrier is answered with an error in the host's name that denies the host. Any other error is
/// the host's own answer, and as good as a result.
pub(crate) fn of_host(answer: &Element) -> Option<String> {
    let denials = ["item-not-found", "remote-server-not-found", "remote-server-timeout"];
    condition(answer).filter(|condition| denials.contains(&condition.as_str()))
}

/// The id and the condition, when a request to the host came back as it was sent, with an error: the router of jabberd2
/// does so while the rest of the server is not there. It has bounced what stood before it as well.
pub(crate) fn of_router<'a>(stanza: &'a Element, domain: &str, host: &str) -> Option<(&'a str, String)> {
    let is_returned = stanza.is("iq", COMPONENT_NAMESPACE)
        && stanza.attr("type") == Some("error")
        && stanza.attr("from") == Some(domain)
        && stanza.attr("to") == Some(host);
    if is_returned { Some((stanza.attr("id")?, condition(stanza).unwrap_or_default())) } else { None }
}

/// The defined condition of a stanza error (RFC 6120 §8.3.3).
fn condition(stanza: &Element) -> Option<String> {
    let error = stanza.get_child("error", COMPONENT_NAMESPACE)?;
    let mut conditions =
        error.children().filter(|child| child.has_ns(STANZA_ERRORS) && child.name() != "text");
    conditions.next().map(|condition| condition.name().to_owned())
}
