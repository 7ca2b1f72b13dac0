use bus_domain::{BareJid, Jid};

use crate::xml::Xml;

/// The answer to presence (RFC 6121 §3, §4.3): whoever wants to see the service may, and it is always there.
/// Nothing is kept, so a repeated request is answered again.
pub(crate) fn answer(kind: Option<&str>, from: &Jid, asked: &Jid, service: &BareJid) -> Option<String> {
    let serves = asked.to_bare() == *service;
    let kind = match kind? {
        "subscribe" if serves => Some("subscribed"),
        "probe" if serves => None,
        "subscribe" | "unsubscribe" | "probe" => Some("unsubscribed"),
        _ => return None,
    };
    let mut out = Xml::default();
    out.start("presence");
    if let Some(kind) = kind {
        out.attribute("type", kind);
    }
    out.attribute("from", asked.to_bare().as_str()).attribute("to", from.to_bare().as_str());
    Some(out.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(kind: Option<&str>, asked: &str) -> Option<String> {
        let service = BareJid::new("events.example.org").unwrap();
        let from = Jid::new("a@example.org/phone").unwrap();
        answer(kind, &from, &Jid::new(asked).unwrap(), &service)
    }

    #[test]
    fn the_service_may_be_seen_and_its_imaginary_users_not() {
        let service = "from='events.example.org' to='a@example.org'";
        for (kind, asked, expected) in [
            ("subscribe", "events.example.org", Some(format!("<presence type='subscribed' {service}/>"))),
            ("subscribe", "events.example.org/x", Some(format!("<presence type='subscribed' {service}/>"))),
            ("unsubscribe", "events.example.org", Some(format!("<presence type='unsubscribed' {service}/>"))),
            ("probe", "events.example.org", Some(format!("<presence {service}/>"))),
            ("unavailable", "events.example.org", None),
            ("error", "events.example.org", None),
            ("subscribed", "events.example.org", None),
        ] {
            assert_eq!(check(Some(kind), asked), expected, "{kind} {asked}");
        }
        assert_eq!(check(None, "events.example.org"), None);
        let stranger = "<presence type='unsubscribed' from='x@events.example.org' to='a@example.org'/>";
        assert_eq!(check(Some("subscribe"), "x@events.example.org").as_deref(), Some(stranger));
        assert_eq!(check(Some("probe"), "x@events.example.org").as_deref(), Some(stranger));
    }
}
