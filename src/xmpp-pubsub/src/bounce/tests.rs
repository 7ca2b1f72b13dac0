use bus_domain::{Epoch, NodeId, SubscriptionId};
use bus_engine::{EventRef, MessageRef};
use bus_xml::{XmlLimits, parse_document};

use super::*;

const MESSAGE: MessageRef = MessageRef {
    event: EventRef { node: NodeId(7), epoch: Epoch(9), seq: 42 },
    subscription: SubscriptionId(3),
    after_seq: 40,
};
const UNAVAILABLE: &str =
    "<error type='cancel'><service-unavailable xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>";

fn id(key: u8) -> String {
    let mut id = String::new();
    EventIds::new([key; 16]).write_message_id(MESSAGE, &mut id);
    id
}

fn read(stanza: &str) -> BounceReading {
    let service = BareJid::new("events.example.org").unwrap();
    let limits = XmlLimits { depth_max: 64, bytes_max: 1024 * 1024 };
    BounceReader::new(service, EventIds::new([1; 16])).read(&parse_document(stanza, limits).unwrap())
}

fn message(kind: &str, id: &str, addresses: &str, content: &str) -> String {
    format!(
        "<message xmlns='jabber:component:accept' type='{kind}' id='{id}' {addresses}>{content}</message>"
    )
}

const FROM_A: &str = "from='a@example.org/phone' to='events.example.org'";

#[test]
fn what_comes_back_names_its_event_its_sender_and_what_it_says() {
    let own = "<event xmlns='http://jabber.org/protocol/pubsub#event'/>";
    for (content, class) in [
        (UNAVAILABLE.to_owned(), BounceClass::Failing),
        (format!("{own}{UNAVAILABLE}"), BounceClass::Failing),
        (UNAVAILABLE.replace("cancel", "wait"), BounceClass::Retry),
        (UNAVAILABLE.replace("service-unavailable", "gone"), BounceClass::Gone),
        (UNAVAILABLE.replace("service-unavailable", "undefined-condition"), BounceClass::Ignored),
        (UNAVAILABLE.replace("cancel", "later"), BounceClass::Ignored),
        (UNAVAILABLE.replace("<service-", "<gone xmlns='urn:x'/><service-"), BounceClass::Failing),
        ("<error type='cancel'/>".to_owned(), BounceClass::Ignored),
        (String::new(), BounceClass::Ignored),
    ] {
        let from = Jid::new("a@example.org/phone").unwrap();
        let expected = BounceReading::Bounced(Box::new(Bounce { message: MESSAGE, from, class }));
        assert_eq!(read(&message("error", &id(1), FROM_A, &content)), expected, "{content}");
    }
}

#[test]
fn an_id_that_we_did_not_make_is_forged() {
    let own = id(1);
    let changed_at = |at: usize| {
        let other = if own[at..].starts_with('A') { 'B' } else { 'A' };
        format!("{}{other}{}", &own[..at], &own[at + 1..])
    };
    let event_id = EventIds::new([1; 16]).event_id(MESSAGE.event);
    for (what, id) in [
        ("another key's", id(2)),
        ("another MAC", changed_at(60)),
        ("another subscription", changed_at(41)),
        ("cut short", own[..60].to_owned()),
        ("an event's", event_id),
        ("anything", "1".to_owned()),
    ] {
        assert_eq!(read(&message("error", &id, FROM_A, UNAVAILABLE)), BounceReading::Forged, "{what}");
    }
    let without_id = message("error", "", FROM_A, UNAVAILABLE).replace("id=''", "");
    assert_eq!(read(&without_id), BounceReading::Forged);
}

#[test]
fn addresses_must_be_there_and_ours() {
    for addresses in [
        "to='events.example.org'",
        "from='@' to='events.example.org'",
        "from='a@example.org'",
        "from='a@example.org' to='other.example.org'",
        "from='a@example.org' to='x@events.example.org'",
    ] {
        let stanza = message("error", &id(1), addresses, UNAVAILABLE);
        assert_eq!(read(&stanza), BounceReading::Forged, "{addresses}");
    }
}

#[test]
fn everything_else_is_none() {
    for stanza in [
        message("chat", &id(1), FROM_A, UNAVAILABLE),
        message("error", &id(1), FROM_A, UNAVAILABLE).replace("message", "iq"),
        message("error", &id(1), FROM_A, UNAVAILABLE).replace("message", "presence"),
    ] {
        assert_eq!(read(&stanza), BounceReading::NotABounce, "{stanza}");
    }
}
