//! Rosters as they are asked for, and as they come (RFC 6121 §2).

use bus_domain::{BareJid, Jid, Roster, RosterEntry};
use bus_xml::Element;

use super::book::Answer;
use crate::namespaces::ROSTER;
use crate::xml::Xml;

/// Contacts of one roster that are kept; those behind them are strangers.
const CONTACTS_MAX: usize = 20_000;

/// Asks an account's server for its roster.
pub(super) fn request(service: &str, owner: &BareJid, id: &str) -> String {
    let mut out = Xml::default();
    out.start("iq").attribute("type", "get").attribute("from", service).attribute("to", owner.as_str());
    out.attribute("id", id).start_in("query", ROSTER);
    out.finish()
}

/// The account that a stanza is from, if it is from its bare address.
pub(super) fn account(stanza: &Element) -> Option<BareJid> {
    Jid::new(stanza.attr("from")?).ok()?.try_into_full().err()
}

/// Reads a roster that was asked for.
pub(super) fn read(iq: &Element) -> Answer {
    let mut roster = Roster::default();
    let items = iq.get_child("query", ROSTER).into_iter().flat_map(Element::children);
    for item in items.filter(|child| child.is("item", ROSTER)).take(CONTACTS_MAX) {
        let Some(Ok(contact)) = item.attr("jid").map(Jid::new) else { continue };
        let groups = item.children().filter(|child| child.is("group", ROSTER)).map(Element::text);
        let sees_presence = matches!(item.attr("subscription"), Some("from" | "both"));
        roster.add(contact.to_bare(), RosterEntry { sees_presence, groups: groups.collect() });
    }
    Answer::Read(roster)
}

/// Reads why there is none: now, or nothing that waiting helps against. Then nobody is in it.
pub(super) fn read_error(iq: &Element) -> Answer {
    let error = iq.children().find(|child| child.name() == "error");
    match error.and_then(|error| error.attr("type")) {
        Some("wait") => Answer::NotNow,
        _ => Answer::Read(Roster::default()),
    }
}

/// Whether a request tells of a changed roster.
pub(super) fn is_push(iq: &Element) -> bool {
    iq.attr("id").is_some() && iq.get_child("query", ROSTER).is_some()
}

/// Confirms that (XEP-0356 §4.4).
pub(super) fn confirm(push: &Element, service: &str) -> String {
    let mut out = Xml::default();
    out.start("iq").attribute("type", "result").attribute("from", service);
    out.attribute("to", push.attr("from").unwrap_or_default());
    out.attribute("id", push.attr("id").unwrap_or_default());
    out.finish()
}
