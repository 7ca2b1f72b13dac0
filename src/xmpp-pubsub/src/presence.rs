use bus_domain::{BareJid, Jid};

use crate::caps::Caps;
use crate::xml::Xml;

/// The answer to presence (RFC 6121 §3, §4.3): whoever wants to see the service may, and it is always there.
/// Nothing is kept, so a repeated request is answered again.
/// Where it says that it is there it says by `caps` what it can do.
pub(crate) fn answer(
    kind: Option<&str>,
    from: &Jid,
    asked: &Jid,
    service: &BareJid,
    caps: &Caps,
) -> Option<String> {
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
    if kind.is_none() {
        caps.encode(&mut out);
    }
    Some(out.finish())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Contacts;

    fn check(kind: Option<&str>, asked: &str) -> Option<String> {
        let service = BareJid::new("events.example.org").unwrap();
        let from = Jid::new("a@example.org/phone").unwrap();
        answer(kind, &from, &Jid::new(asked).unwrap(), &service, &caps())
    }

    fn caps() -> Caps {
        Caps::of("stanzabus", &[], &Contacts::default())
    }

    #[test]
    fn the_service_may_be_seen_and_its_imaginary_users_not() {
        let mut c = Xml::default();
        caps().encode(&mut c);
        let c = c.finish();
        let service = "from='events.example.org' to='a@example.org'";
        for (kind, asked, expected) in [
            ("subscribe", "events.example.org", Some(format!("<presence type='subscribed' {service}/>"))),
            ("subscribe", "events.example.org/x", Some(format!("<presence type='subscribed' {service}/>"))),
            ("unsubscribe", "events.example.org", Some(format!("<presence type='unsubscribed' {service}/>"))),
            ("probe", "events.example.org", Some(format!("<presence {service}>{c}</presence>"))),
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
