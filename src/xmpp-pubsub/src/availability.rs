//! The presence of others: what is heard of it, and how it is asked for (RFC 6121 §3, §4). For presence-based delivery
//! (XEP-0060 §12.6).

use bus_domain::{BareJid, Jid, Show};
use bus_engine::{Engine, HeardPresence, PresenceTable, WantedPresence};
use bus_xml::Element;

use crate::namespaces::DELAY;
use crate::requests::ReplySender;
use crate::xml::Xml;

/// Takes note of presence that is for the service: what users send us, what the server tells us by privilege (XEP-0356
/// §7), and answers to probes. What wants an answer of ours is left to [`crate::Service`].
pub fn hear(table: &PresenceTable, service: &BareJid, stanza: &Element) {
    if stanza.name() != "presence" {
        return;
    }
    let address = |name| stanza.attr(name).and_then(|text| Jid::new(text).ok());
    let (Some(from), Some(to)) = (address("from"), address("to")) else { return };
    // A server that tells of all that its users get tells us of ourselves, too.
    if to.to_bare() != *service || from.domain() == service.domain() {
        return;
    }
    if let Some(heard) = read(stanza, &from) {
        table.hear(&from, heard);
    }
}

/// Asks for presence for as long as it is polled: how it is now, and once to be told from now on.
pub async fn seek(engine: &Engine, service: &BareJid, replies: &impl ReplySender) {
    loop {
        let WantedPresence { account, subscribe } = engine.presence().next_wanted().await;
        // Whose address is ours has no presence.
        if account.domain() == service.domain() {
            continue;
        }
        // In this order: an answer that nobody is told anything must not come before who is there.
        replies.send(vec![encode("probe", service, &account)]).await;
        if subscribe {
            replies.send(vec![encode("subscribe", service, &account)]).await;
        }
    }
}

fn read(stanza: &Element, from: &Jid) -> Option<HeardPresence> {
    let child = |name: &str| stanza.children().find(|child| child.name() == name).map(Element::text);
    Some(match stanza.attr("type") {
        None => {
            let show = child("show").and_then(|text| Show::parse(text.trim())).unwrap_or(Show::Online);
            let priority = child("priority").and_then(|text| text.trim().parse().ok()).unwrap_or(0);
            // An answer to a probe says since when it is so (XEP-0203); who has just come needs not.
            let is_old = stanza.get_child("delay", DELAY).is_some();
            HeardPresence::Available { show, priority, is_old }
        }
        Some("unavailable") => HeardPresence::Unavailable,
        Some("subscribed") => HeardPresence::Subscribed,
        // Whoever cannot be reached is not there.
        Some("error") if from.resource().is_some() => HeardPresence::Unavailable,
        Some("unsubscribed" | "error") => HeardPresence::Unsubscribed,
        Some(_) => return None,
    })
}

fn encode(kind: &str, service: &BareJid, account: &BareJid) -> String {
    let mut out = Xml::default();
    out.start("presence").attribute("type", kind);
    out.attribute("from", service.as_str()).attribute("to", account.as_str());
    out.finish()
}

#[cfg(test)]
mod tests {
    use bus_engine::Availability;
    use bus_xml::{XmlLimits, parse_document};

    use super::*;

    /// What is known of carol's phone after this was heard.
    fn known(stanzas: &[&str]) -> Option<(Show, i8)> {
        let table = PresenceTable::default();
        table.link_up();
        let service = BareJid::new("events.example.org").unwrap();
        for stanza in stanzas {
            let stanza = format!("<presence from='c@example.org/phone' to='events.example.org' {stanza}");
            let limits = XmlLimits { depth_max: 8, bytes_max: 1_000 };
            hear(&table, &service, &parse_document(&stanza, limits).unwrap());
        }
        let phone = Jid::new("c@example.org/phone").unwrap();
        let resources = table.resources(&phone.to_bare());
        assert_eq!(table.availability(&phone) == Availability::Online, !resources.is_empty());
        resources.first().map(|resource| (resource.show, resource.priority))
    }

    #[test]
    fn presence_is_read_with_what_it_shows() {
        for (text, expected) in [
            ("/>", (Show::Online, 0)),
            ("><show>dnd</show><priority>-5</priority></presence>", (Show::DoNotDisturb, -5)),
            ("><show>xa</show><priority>900</priority></presence>", (Show::ExtendedAway, 0)),
            ("><show>elsewhere</show><status>away</status></presence>", (Show::Online, 0)),
        ] {
            assert_eq!(known(&[text]), Some(expected), "{text}");
        }
    }

    #[tokio::test]
    async fn who_is_asked_is_asked_at_the_address_of_its_account() {
        let table = PresenceTable::default();
        table.link_up();
        table.look(&Jid::new("c@example.org/phone").unwrap());
        let account = table.next_wanted().await.account;
        let subscribe = encode("subscribe", &BareJid::new("events.example.org").unwrap(), &account);
        let expected = "<presence type='subscribe' from='events.example.org' to='c@example.org'/>";
        assert_eq!(subscribe, expected);
    }

    #[test]
    fn whoever_goes_or_cannot_be_reached_is_gone() {
        for gone in ["type='unavailable'/>", "type='error'/>", "type='unsubscribed'/>"] {
            assert_eq!(known(&["/>", gone]), None, "{gone}");
        }
        for other in ["type='probe'/>", "type='subscribe'/>", "type='subscribed'/>", "type='odd'/>"] {
            assert_eq!(known(&["/>", other]), Some((Show::Online, 0)), "{other}");
        }
    }

    /// An error of a resource is about that one, an error of an account about all that it lets us know.
    #[test]
    fn an_error_is_about_the_address_that_it_comes_from() {
        let read = |from: &str, kind: &str| {
            let stanza = format!("<presence from='{from}' type='{kind}'/>");
            let stanza = parse_document(&stanza, XmlLimits { depth_max: 8, bytes_max: 1_000 }).unwrap();
            read(&stanza, &Jid::new(from).unwrap())
        };
        for (from, kind, heard) in [
            ("c@example.org/phone", "error", HeardPresence::Unavailable),
            ("c@example.org", "error", HeardPresence::Unsubscribed),
            ("c@example.org", "unsubscribed", HeardPresence::Unsubscribed),
            ("c@example.org", "unavailable", HeardPresence::Unavailable),
        ] {
            assert_eq!(read(from, kind), Some(heard), "{from} {kind}");
        }
    }

    #[test]
    fn presence_of_ours_and_for_others_says_nothing() {
        let table = PresenceTable::default();
        table.link_up();
        let service = BareJid::new("events.example.org").unwrap();
        for addresses in [
            "from='events.example.org/x' to='events.example.org'",
            "from='c@example.org/phone' to='x@events.example.org'",
            "from='c@example.org/phone'",
        ] {
            let stanza = format!("<presence {addresses}/>");
            hear(
                &table,
                &service,
                &parse_document(&stanza, XmlLimits { depth_max: 8, bytes_max: 1_000 }).unwrap(),
            );
        }
        assert_eq!(table.resources(&BareJid::new("c@example.org").unwrap()), []);
        assert_eq!(table.resources(&service), []);
    }
}
