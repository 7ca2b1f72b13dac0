use jid::{BareJid, Jid};
use minidom::Element;
use tokio_xmpp::parsers::message::Message;

use super::{ArchivePage, ItemsPage, MAM, PUBSUB, RSM};
use crate::client::output::EventLine;

const PUBSUB_EVENT: &str = "http://jabber.org/protocol/pubsub#event";
const POSITION: &str = "urn:stanzabus:position:1";
const STANZA_ID: &str = "urn:xmpp:sid:0";
const DELAY: &str = "urn:xmpp:delay";
const FORWARD: &str = "urn:xmpp:forward:0";
const CLIENT: &str = "jabber:client";

/// The events of a notification; none if the message is something else or from somebody else.
pub(super) fn notification(message: &Message, service: &BareJid) -> Vec<EventLine> {
    let from_service = message.from.as_ref().map(Jid::to_bare).as_ref() == Some(service);
    let event = message.payloads.iter().find(|payload| payload.is("event", PUBSUB_EVENT));
    let Some(event) = event.filter(|_| from_service) else { return Vec::new() };
    let common = common_fields(&message.payloads, service);
    event.children().flat_map(|change| events(change, &common)).collect()
}

/// The result that a message brings, if it is one of our query from the service.
pub(super) fn archive_result<'a>(
    message: &'a Message,
    service: &BareJid,
    query_id: &str,
) -> Option<&'a Element> {
    let from_service = message.from.as_ref().map(Jid::to_bare).as_ref() == Some(service);
    let result = message.payloads.iter().find(|payload| payload.is("result", MAM));
    result.filter(|result| from_service && result.attr("queryid") == Some(query_id))
}

/// The events of an archive's entry (XEP-0442): of the notification in it, with the time from beside it.
pub(super) fn archived(result: &Element, service: &BareJid) -> Vec<EventLine> {
    let parts = result.get_child("forwarded", FORWARD).and_then(|forwarded| {
        let message = forwarded.get_child("message", CLIENT)?;
        Some((forwarded, message, message.get_child("event", PUBSUB_EVENT)?))
    });
    let Some((forwarded, message, event)) = parts else { return Vec::new() };
    let stamp = forwarded.get_child("delay", DELAY).and_then(|delay| delay.attr("stamp"));
    let common = EventLine {
        event_id: result.attr("id").map(str::to_owned),
        published_at: stamp.map(str::to_owned),
        ..common_fields(message.children(), service)
    };
    event.children().flat_map(|change| events(change, &common)).collect()
}

/// What ends a page of an archive.
pub(super) fn archive_end(fin: &Element, events: Vec<EventLine>) -> Option<ArchivePage> {
    let set = Some(fin).filter(|fin| fin.is("fin", MAM))?.get_child("set", RSM)?;
    let last = set.get_child("last", RSM).map(Element::text);
    let is_complete = matches!(fin.attr("complete"), Some("true" | "1"));
    Some(ArchivePage { events, last, is_complete })
}

/// The items of an answer (XEP-0060 §6.5.2) with the page that they are (XEP-0059 §2.1).
pub(super) fn items(node: &str, pubsub: &Element) -> Option<ItemsPage> {
    let entries = pubsub.get_child("items", PUBSUB)?;
    let common = EventLine { node: node.to_owned(), kind: "published", ..EventLine::default() };
    let mut items: Vec<_> = entries.children().filter_map(|item| published(item, &common)).collect();
    let set = pubsub.get_child("set", RSM);
    let end = |name| set.and_then(|set| set.get_child(name, RSM)).map(Element::text);
    if let Some(first) = items.first_mut() {
        first.event_id = end("first");
    }
    let last = end("last");
    if let Some(item) = items.last_mut() {
        item.event_id.clone_from(&last);
    }
    Some(ItemsPage { items, last })
}

fn common_fields<'a>(payloads: impl IntoIterator<Item = &'a Element>, service: &BareJid) -> EventLine {
    let payloads: Vec<&Element> = payloads.into_iter().collect();
    let child =
        |name, namespace: &'static str| payloads.iter().filter(move |payload| payload.is(name, namespace));
    let position = child("position", POSITION).next();
    let number = |name: &str| position.and_then(|position| position.attr(name)?.parse().ok());
    let stanza_id = child("stanza-id", STANZA_ID).find(|id| id.attr("by") == Some(service.as_str()));
    let delay = child("delay", DELAY).find(|delay| delay.attr("from") == Some(service.as_str()));
    EventLine {
        epoch: position.and_then(|position| position.attr("epoch").map(str::to_owned)),
        seq: number("seq"),
        after: number("after"),
        event_id: stanza_id.and_then(|id| id.attr("id").map(str::to_owned)),
        published_at: delay.and_then(|delay| delay.attr("stamp").map(str::to_owned)),
        ..EventLine::default()
    }
}

fn events(change: &Element, common: &EventLine) -> Vec<EventLine> {
    let common = EventLine { node: change.attr("node").unwrap_or_default().to_owned(), ..common.clone() };
    match change.name() {
        "items" => change
            .children()
            .filter_map(|entry| published(entry, &common).or_else(|| retracted(entry, &common)))
            .collect(),
        "purge" => vec![EventLine { kind: "purged", ..common }],
        "delete" => vec![EventLine { kind: "deleted", ..common }],
        _ => Vec::new(),
    }
}

fn published(item: &Element, common: &EventLine) -> Option<EventLine> {
    (item.name() == "item").then(|| EventLine {
        kind: "published",
        item_id: item.attr("id").map(str::to_owned),
        publisher: item.attr("publisher").map(str::to_owned),
        payload: item.children().next().map(bus_xml::serialise),
        ..common.clone()
    })
}

/// Sic: the element is named after the verb.
fn retracted(item: &Element, common: &EventLine) -> Option<EventLine> {
    (item.name() == "retract").then(|| EventLine {
        kind: "retracted",
        item_id: item.attr("id").map(str::to_owned),
        ..common.clone()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(from: &str, payloads: &[&str]) -> Message {
        let mut message = Message::new(None);
        message.from = Some(Jid::new(from).unwrap());
        message.payloads = payloads.iter().map(|payload| payload.parse().unwrap()).collect();
        message
    }

    fn check(from: &str, event: &str) -> Vec<EventLine> {
        let event = format!("<event xmlns='{PUBSUB_EVENT}'>{event}</event>");
        let position = format!("<position xmlns='{POSITION}' epoch='00000000000000ff' seq='7' after='5'/>");
        let foreign = format!("<stanza-id xmlns='{STANZA_ID}' by='someone@example.org' id='archive'/>");
        let ours = format!("<stanza-id xmlns='{STANZA_ID}' by='bus.example.org' id='E7'/>");
        notification(
            &message(from, &[&event, &foreign, &ours, &position]),
            &BareJid::new("bus.example.org").unwrap(),
        )
    }

    #[test]
    fn a_notification_becomes_a_line_with_its_position() {
        let line = EventLine {
            node: "n".to_owned(),
            epoch: Some("00000000000000ff".to_owned()),
            seq: Some(7),
            after: Some(5),
            event_id: Some("E7".to_owned()),
            ..EventLine::default()
        };
        let item =
            "<items node='n'><item id='a' publisher='p@example.org'><x xmlns='urn:x'>1</x></item></items>";
        let published = EventLine {
            kind: "published",
            item_id: Some("a".to_owned()),
            publisher: Some("p@example.org".to_owned()),
            payload: Some("<x xmlns='urn:x'>1</x>".to_owned()),
            ..line.clone()
        };
        assert_eq!(check("bus.example.org", item), [published]);
        let retracted = EventLine { kind: "retracted", item_id: Some("a".to_owned()), ..line.clone() };
        assert_eq!(check("bus.example.org", "<items node='n'><retract id='a'/></items>"), [retracted]);
        let purged = EventLine { kind: "purged", ..line.clone() };
        assert_eq!(check("bus.example.org", "<purge node='n'/>"), [purged]);
        assert_eq!(check("bus.example.org", "<delete node='n'/>"), [EventLine { kind: "deleted", ..line }]);
    }

    #[test]
    fn an_entry_of_an_archive_becomes_the_line_of_its_notification() {
        let service = BareJid::new("bus.example.org").unwrap();
        let event = format!(
            "<event xmlns='{PUBSUB_EVENT}'><items node='n'><item id='a'><x xmlns='urn:x'/></item></items></event>\
             <position xmlns='{POSITION}' epoch='00000000000000ff' seq='7' after='5'/>"
        );
        let forwarded = format!(
            "<forwarded xmlns='{FORWARD}'><delay xmlns='{DELAY}' stamp='2026-01-01T00:00:00.000Z'/>\
             <message xmlns='{CLIENT}'>{event}</message></forwarded>"
        );
        let result = format!("<result xmlns='{MAM}' id='E7' queryid='q'>{forwarded}</result>");
        let line = EventLine {
            node: "n".to_owned(),
            epoch: Some("00000000000000ff".to_owned()),
            seq: Some(7),
            after: Some(5),
            kind: "published",
            item_id: Some("a".to_owned()),
            event_id: Some("E7".to_owned()),
            published_at: Some("2026-01-01T00:00:00.000Z".to_owned()),
            payload: Some("<x xmlns='urn:x'/>".to_owned()),
            ..EventLine::default()
        };
        for (from, query_id, expected) in [
            ("bus.example.org", "q", vec![line]),
            ("bus.example.org", "other", vec![]),
            ("mallory@example.org", "q", vec![]),
        ] {
            let message = message(from, &[&result]);
            let result = archive_result(&message, &service, query_id);
            assert_eq!(result.map(|result| archived(result, &service)).unwrap_or_default(), expected);
        }
    }

    #[test]
    fn the_end_of_a_page_of_an_archive_says_whether_there_is_more() {
        for (fin, expected) in [("complete='true'", Some((None, true))), ("", Some((None, false)))] {
            let fin = format!("<fin xmlns='{MAM}' {fin}><set xmlns='{RSM}'/></fin>");
            let page = archive_end(&fin.parse().unwrap(), Vec::new());
            assert_eq!(page.map(|page| (page.last, page.is_complete)), expected);
        }
        let fin = format!("<fin xmlns='{MAM}'><set xmlns='{RSM}'><first>A</first><last>B</last></set></fin>");
        let page = archive_end(&fin.parse().unwrap(), Vec::new());
        assert_eq!(page.and_then(|page| page.last), Some("B".to_owned()));
    }

    #[test]
    fn what_others_send_is_no_notification() {
        let item = "<items node='n'><item id='a'/></items>";
        assert_eq!(check("mallory@example.org", item), []);
        assert_eq!(check("bus.example.org", "<something-new/>"), []);
    }

    #[test]
    fn a_page_names_the_event_ids_of_its_ends() {
        let check = |items: &str, set: &str| {
            let set = format!("<set xmlns='{RSM}'>{set}</set>");
            let pubsub = format!("<pubsub xmlns='{PUBSUB}'><items node='n'>{items}</items>{set}</pubsub>");
            let page = super::items("n", &pubsub.parse().unwrap()).unwrap();
            let ids: Vec<_> = page.items.into_iter().map(|item| item.event_id).collect();
            (ids, page.last)
        };
        let id = |id: &str| Some(id.to_owned());
        let ends = "<first>F</first><last>L</last>";
        assert_eq!(check("<item id='a'/><item id='b'/>", ends), (vec![id("F"), id("L")], id("L")));
        assert_eq!(check("<item/><item/><item/>", ends), (vec![id("F"), None, id("L")], id("L")));
        assert_eq!(check("<item/>", "<first>F</first><last>F</last>"), (vec![id("F")], id("F")));
        assert_eq!(check("", "<count>0</count>"), (vec![], None));
    }
}
