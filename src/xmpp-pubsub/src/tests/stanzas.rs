//! The rules of RFC 6120 for whatever comes in.

use std::fmt::Write as _;

use bus_xml::RejectReason;

use super::*;

async fn answer(fixture: &Fixture, stanza: &str) -> Option<String> {
    let answer = fixture.service.handle(&parse(stanza)).await.pop()?;
    let element = parse(&answer);
    Some(match element.name() {
        "iq" => outcome(&element),
        _ => answer,
    })
}

#[tokio::test]
async fn requests_that_are_no_requests_are_answered_as_such() {
    let fixture = Fixture::new().await;
    for (kind, content, expected) in [
        ("get", "", "modify/bad-request"),
        ("get", "text", "modify/bad-request"),
        ("get", "<ping xmlns='urn:xmpp:ping'/><ping xmlns='urn:xmpp:ping'/>", "modify/bad-request"),
        ("take", "<ping xmlns='urn:xmpp:ping'/>", "modify/bad-request"),
        ("set", "<ping xmlns='urn:xmpp:ping'/>", "modify/bad-request"),
        ("get", "<pong xmlns='urn:xmpp:ping'/>", "cancel/feature-not-implemented"),
        ("get", "<ping xmlns='urn:example:ping'/>", "cancel/service-unavailable"),
        ("set", "<command xmlns='urn:commands'/>", "cancel/service-unavailable"),
        ("get", "<pubsub xmlns='http://jabber.org/protocol/pubsub#event'/>", "cancel/service-unavailable"),
        ("get", "<query/>", "cancel/service-unavailable"),
    ] {
        fixture.check(BOB, kind, content, expected).await;
    }
    for (kind, content, expected) in [
        ("set", pubsub(""), "modify/bad-request"),
        ("set", pubsub("<x xmlns='urn:x'/>"), "modify/bad-request"),
        ("get", pubsub("<create node='a'/>"), "modify/bad-request"),
        ("set", pubsub("<items node='a'/>"), "modify/bad-request"),
        ("set", pubsub("<destroy node='a'/>"), "cancel/feature-not-implemented"),
        (
            "set",
            pubsub("<x xmlns='urn:x'/><create node='a'/>"),
            "<pubsub xmlns='pubsub'><create node='a'/></pubsub>",
        ),
        (
            "set",
            "<create xmlns='http://jabber.org/protocol/pubsub' node='a'/>".to_owned(),
            "modify/bad-request",
        ),
    ] {
        fixture.check(ALICE, kind, &content, expected).await;
    }
}

#[tokio::test]
async fn the_answer_repeats_what_it_can_of_the_id() {
    let fixture = Fixture::new().await;
    let head = format!("<iq type='get' from='{BOB}' to='{DOMAIN}'");
    let ping = "<ping xmlns='urn:xmpp:ping'/>";
    let handle =
        async |stanza: String| fixture.service.handle(&parse(&stanza)).await.pop().expect("an answer");
    let without = handle(format!("{head}>{ping}</iq>")).await;
    assert!(without.starts_with(&format!("<iq type='error' from='{DOMAIN}' to='{BOB}'><error")), "{without}");
    assert_eq!(outcome(&parse(&without)), "modify/bad-request");
    let empty = handle(format!("{head} id=''>{ping}</iq>")).await;
    assert_eq!((parse(&empty).attr("type"), parse(&empty).attr("id")), (Some("result"), Some("")));
    let id = "'".repeat(9_000);
    let long = handle(format!("{head} id=\"{id}\">{ping}</iq>")).await;
    assert_eq!((parse(&long).attr("type"), parse(&long).attr("id")), (Some("result"), Some(id.as_str())));
    let longer = handle(format!("{head} id='{}'>{ping}</iq>", "x".repeat(10_001))).await;
    assert_eq!((outcome(&parse(&longer)).as_str(), parse(&longer).attr("id")), ("modify/bad-request", None));
}

#[tokio::test]
async fn only_the_bare_domain_is_served_and_answers_come_from_the_address_asked() {
    let fixture = Fixture::new().await;
    for (to, from, expected) in [
        ("EVENTS.example.org", "events.example.org", ""),
        ("user@events.example.org", "user@events.example.org", "cancel/item-not-found"),
        ("events.example.org/news", "events.example.org/news", "cancel/item-not-found"),
        ("other.example.org", "other.example.org", "cancel/item-not-found"),
    ] {
        let stanza = iq(BOB, to, "get", "<ping xmlns='urn:xmpp:ping'/>");
        let answer = parse(&fixture.service.handle(&stanza).await.pop().expect("an answer"));
        assert_eq!((answer.attr("from"), outcome(&answer).as_str()), (Some(from), expected), "{to}");
    }
}

#[tokio::test]
async fn senders_are_told_when_their_address_is_no_address_and_dropped_when_it_is_ours() {
    let fixture = Fixture::new().await;
    let ping = |from: &str| iq(from, DOMAIN, "get", "<ping xmlns='urn:xmpp:ping'/>");
    let malformed = fixture.service.handle(&ping("a@b@c d")).await.pop().expect("an answer");
    assert_eq!(outcome(&parse(&malformed)), "modify/jid-malformed");
    assert_eq!(parse(&malformed).attr("to"), Some("a@b@c d"));
    for from in [DOMAIN, "x@EVENTS.example.org/y"] {
        assert_eq!(fixture.service.handle(&ping(from)).await.pop(), None, "{from}");
        assert_eq!(fixture.service.reject(&ping(from), RejectReason::TooLong), None, "{from}");
    }
    assert_eq!(answer(&fixture, "<iq type='get' id='1'><ping xmlns='urn:xmpp:ping'/></iq>").await, None);
}

#[tokio::test]
async fn what_is_no_request_is_taken_silently() {
    let fixture = Fixture::new().await;
    let from = format!("from='{BOB}' to='{DOMAIN}'");
    for stanza in [
        format!("<iq type='result' id='1' {from}/>"),
        format!("<iq type='error' id='1' {from}><error type='cancel'/></iq>"),
        format!("<message {from}><body>hello</body></message>"),
        format!("<message type='error' {from}><error type='cancel'/></message>"),
        format!("<presence {from}/>"),
        format!("<presence type='unavailable' {from}/>"),
        format!("<other {from}/>"),
    ] {
        assert_eq!(answer(&fixture, &stanza).await, None, "{stanza}");
    }
    let subscribe = format!("<presence type='subscribe' {from}/>");
    let subscribed = "<presence type='subscribed' from='events.example.org' to='bob@example.net'/>";
    let welcome = fixture.service.handle(&parse(&subscribe)).await;
    assert_eq!((welcome.len(), welcome[0].as_str()), (2, subscribed), "and that it is there: {welcome:?}");
}

#[tokio::test]
async fn a_stanza_over_a_cap_is_answered_from_its_head() {
    let fixture = Fixture::new().await;
    let from = format!("from='{BOB}' to='{DOMAIN}' id='1'");
    for (stanza, expected) in [
        (format!("<iq type='set' {from}/>"), Some("modify/policy-violation")),
        (format!("<iq type='get' {from}/>"), Some("modify/policy-violation")),
        (format!("<iq type='result' {from}/>"), None),
        (format!("<message {from}/>"), None),
    ] {
        for reason in [RejectReason::TooDeep, RejectReason::TooLong, RejectReason::Misnamed] {
            let answer =
                fixture.service.reject(&parse(&stanza), reason).map(|answer| outcome(&parse(&answer)));
            assert_eq!(answer.as_deref(), expected, "{stanza}");
        }
    }
    for (reason, words) in [
        (RejectReason::TooDeep, "nested too deeply"),
        (RejectReason::TooLong, "too long"),
        (RejectReason::Misnamed, "prefix is not bound"),
    ] {
        let answer = fixture.service.reject(&parse(&format!("<iq type='get' {from}/>")), reason);
        let answer = answer.expect("a request is answered");
        assert!(answer.contains(words), "{answer}");
    }
}

/// Trees of known and unknown names and values, from a seed.
struct Garbage(u64);

impl Garbage {
    /// splitmix64
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % bound as u64).unwrap()
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.below(from.len())]
    }

    fn element(&mut self, depth: usize, out: &mut String) {
        const NAMES: &[&str] = &[
            "pubsub",
            "query",
            "ping",
            "create",
            "configure",
            "publish",
            "item",
            "retract",
            "items",
            "subscribe",
            "unsubscribe",
            "options",
            "delete",
            "purge",
            "set",
            "max",
            "after",
            "x",
            "field",
            "redirect",
        ];
        const NAMESPACES: &[&str] = &[
            "http://jabber.org/protocol/pubsub",
            "http://jabber.org/protocol/pubsub#owner",
            "http://jabber.org/protocol/disco#info",
            "http://jabber.org/protocol/disco#items",
            "http://jabber.org/protocol/rsm",
            "jabber:x:data",
            "urn:xmpp:ping",
            "urn:example:other",
        ];
        const ATTRIBUTES: &[&str] = &["node", "id", "jid", "max_items", "notify", "type", "var", "subid"];
        const VALUES: &[&str] = &[
            "news",
            "",
            "1",
            "-1",
            "bob@example.net",
            "@",
            "true",
            "&lt;&amp;&#xA;",
            "collection",
            "\u{1f4a9}",
        ];
        let name = self.pick(NAMES);
        write!(out, "<{name}").unwrap();
        if self.below(3) == 0 || depth == 0 {
            write!(out, " xmlns='{}'", self.pick(NAMESPACES)).unwrap();
        }
        let start = self.below(ATTRIBUTES.len());
        for attribute in ATTRIBUTES.iter().skip(start).take(self.below(4)) {
            write!(out, " {attribute}='{}'", self.pick(VALUES)).unwrap();
        }
        out.push('>');
        for _ in 0..self.below(4 - depth.min(3)) {
            match self.below(5) {
                0 => out.push_str(self.pick(VALUES)),
                _ => self.element(depth + 1, out),
            }
        }
        write!(out, "</{name}>").unwrap();
    }
}

#[tokio::test]
async fn every_iq_request_gets_exactly_one_answer_whatever_it_holds() {
    let fixture = Fixture::new().await;
    let mut results = 0;
    for seed in 0..3_000 {
        let mut garbage = Garbage(seed);
        let mut content = String::new();
        for _ in 0..=usize::from(garbage.below(8) == 0) {
            garbage.element(0, &mut content);
        }
        let kind = garbage.pick(&["get", "set"]);
        let answer = fixture.ask(ALICE, kind, &content).await;
        results += u32::from(answer.is_empty() || answer.starts_with('<'));
    }
    assert!(results > 0, "some of it makes sense");
    fixture.check(BOB, "get", "<ping xmlns='urn:xmpp:ping'/>", "").await;
}
