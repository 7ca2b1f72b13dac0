use bus_domain::{BareJid, Jid};

use crate::caps::Caps;
use crate::xml::Xml;

/// The answer to presence (RFC 6121 §3, §4.3): whoever wants to see the service may, and is told that it is there, as it
/// always is. Nothing is kept, so a repeated request is answered again.
/// Where it says that it is there it says by `caps` what it can do.
pub(crate) fn answer(
    kind: Option<&str>,
    from: &Jid,
    asked: &Jid,
    service: &BareJid,
    caps: &Caps,
) -> Vec<String> {
    let serves = asked.to_bare() == *service;
    let kinds: &[Option<&str>] = match kind {
        Some("subscribe") if serves => &[Some("subscribed"), None],
        Some("probe") if serves => &[None],
        Some("subscribe" | "unsubscribe" | "probe") => &[Some("unsubscribed")],
        _ => &[],
    };
    kinds.iter().map(|kind| encode(*kind, from, asked, caps)).collect()
}

/// Presence of this type; without one, that somebody is there. It is between accounts, whatever resources were named.
fn encode(kind: Option<&str>, from: &Jid, asked: &Jid, caps: &Caps) -> String {
    let mut out = Xml::default();
    out.start("presence");
    if let Some(kind) = kind {
        out.attribute("type", kind);
    }
    out.attribute("from", asked.to_bare().as_str()).attribute("to", from.to_bare().as_str());
    if kind.is_none() {
        caps.encode(&mut out);
    }
    out.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Contacts;

    fn check(kind: Option<&str>, asked: &str) -> String {
        let service = BareJid::new("events.example.org").unwrap();
        let from = Jid::new("a@example.org/phone").unwrap();
        answer(kind, &from, &Jid::new(asked).unwrap(), &service, &caps()).concat()
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
        let there = format!("<presence {service}>{c}</presence>");
        let welcome = format!("<presence type='subscribed' {service}/>{there}");
        let bye = format!("<presence type='unsubscribed' {service}/>");
        for (kind, asked, expected) in [
            ("subscribe", "events.example.org", &*welcome),
            ("subscribe", "events.example.org/x", &welcome),
            ("unsubscribe", "events.example.org", &bye),
            ("unsubscribe", "events.example.org/x", &bye),
            ("probe", "events.example.org", &there),
            ("unavailable", "events.example.org", ""),
            ("error", "events.example.org", ""),
            ("subscribed", "events.example.org", ""),
        ] {
            assert_eq!(check(Some(kind), asked), expected, "{kind} {asked}");
        }
        assert_eq!(check(None, "events.example.org"), "");
        let stranger = "<presence type='unsubscribed' from='x@events.example.org' to='a@example.org'/>";
        assert_eq!(check(Some("subscribe"), "x@events.example.org"), stranger);
        assert_eq!(check(Some("probe"), "x@events.example.org"), stranger);
    }
}
