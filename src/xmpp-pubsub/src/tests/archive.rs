//! Queries of archives, and in which order their answers leave.

use bus_domain::{AccessModel, Limits};
use bus_engine::Settings;

use super::*;

const FORM: &str = "<x xmlns='jabber:x:data' type='submit'>";

/// What a query is answered with, in short: the item of each message, then the answer.
async fn query(fixture: &Fixture, attributes: &str, inside: &str) -> Vec<String> {
    let content = format!("<query xmlns='urn:xmpp:mam:2' {attributes}>{inside}</query>");
    let stanzas = fixture.service.handle(&iq(BOB, DOMAIN, "set", &content)).await;
    stanzas.iter().map(|stanza| shortened(&parse(stanza))).collect()
}

fn shortened(stanza: &Element) -> String {
    if stanza.name() == "iq" {
        return outcome(stanza);
    }
    assert_eq!((stanza.attr("from"), stanza.attr("to")), (Some(DOMAIN), Some(BOB)));
    let forwarded = stanza.get_child("result", "urn:xmpp:mam:2").expect("a result");
    let forwarded = forwarded.get_child("forwarded", "urn:xmpp:forward:0").expect("what is forwarded");
    let message = forwarded.get_child("message", "jabber:client").expect("a message of a client's stream");
    let mut content = message.attr("type").unwrap_or_default().to_owned();
    message
        .children()
        .filter(|child| child.name() != "stanza-id")
        .for_each(|child| serialise_into(child, "", &mut content));
    content.replace("http://jabber.org/protocol/", "")
}

#[tokio::test]
async fn the_end_of_a_page_leaves_behind_its_messages() {
    let fixture = Fixture::new().await;
    for id in ["a", "b"] {
        fixture.publish("news", &format!("<item id='{id}'><n xmlns='urn:n'/></item>")).await;
    }
    let names = |stanzas: &[String]| -> Vec<&str> {
        let name = |stanza: &String| {
            ["id='a'", "id='b'", "<fin"].into_iter().find(|name| stanza.contains(name)).expect("a name")
        };
        stanzas.iter().map(name).collect()
    };
    let order = "<order xmlns='urn:xmpp:order-by:1' by='modification' desc='true'/>";
    for (inside, expected) in [
        ("", ["id='a'", "id='b'", "<fin"]),
        ("<flip-page/>", ["id='b'", "id='a'", "<fin"]),
        (order, ["id='b'", "id='a'", "<fin"]),
        (&*format!("{order}<flip-page/>"), ["id='a'", "id='b'", "<fin"]),
    ] {
        let stanzas = query(&fixture, "node='news'", inside).await;
        assert_eq!(names(&stanzas), expected, "{inside}");
    }
}

#[tokio::test]
async fn entries_look_like_notifications() {
    let fixture = Fixture::new().await;
    fixture.publish("news", "<item id='&lt;'><n xmlns='urn:n'>&amp;</n></item>").await;
    let headlines = NodeConfig { durability: bus_domain::Durability::Memory, ..NodeConfig::default() };
    fixture.execute("fast", Verb::Create(headlines)).await;
    fixture.publish("fast", "<item id='1'><n xmlns='urn:n'/></item>").await;
    let entry = &query(&fixture, "node='news' queryid='&quot;'", "").await[0];
    let item = "<item id='&lt;'><n xmlns='urn:n'>&amp;</n></item>";
    assert!(
        entry.starts_with(&format!("<event xmlns='pubsub#event'><items node='news'>{item}</items></event>")),
        "{entry}"
    );
    assert!(entry.contains("after='0'") && entry.contains("seq='1'"), "{entry}");
    let entry = &query(&fixture, "node='fast'", "").await[0];
    assert!(entry.starts_with("headline<event"), "{entry}");
}

#[tokio::test]
async fn a_changed_configuration_is_told_without_what_it_was() {
    let fixture = Fixture::new().await;
    let title = "<field var='pubsub#title'><value>T</value></field>";
    let form = format!("<configure node='news'>{FORM}{title}</x></configure>");
    fixture.check(ALICE, "set", &owner(&form), "").await;
    let entry = &query(&fixture, "node='news'", "").await[0];
    assert!(entry.starts_with("<event xmlns='pubsub#event'><configuration node='news'/></event>"), "{entry}");
}

#[tokio::test]
async fn an_entry_that_would_be_too_long_comes_without_its_payload() {
    let settings =
        Settings { limits: Limits { page_bytes_max: 1_000_000, ..Limits::default() }, ..Settings::default() };
    let fixture = Fixture::with(settings, 20_000).await;
    for (id, bytes) in [("long", 30_000), ("short", 10)] {
        fixture
            .publish("news", &format!("<item id='{id}'><n xmlns='urn:n'>{}</n></item>", "x".repeat(bytes)))
            .await;
    }
    let stanzas = query(&fixture, "node='news'", "").await;
    assert!(stanzas[0].contains("<item id='long'/>"), "{}", stanzas[0]);
    assert!(stanzas[1].contains("xxxxxxxxxx"), "{}", stanzas[1]);
    assert_eq!(stanzas.len(), 3);
}

#[tokio::test]
async fn queries_that_say_too_much_are_refused() {
    let fixture = Fixture::new().await;
    fixture.create("closed", AccessModel::Whitelist).await;
    let long = "x".repeat(1_001);
    let ids: String = (0..1_001).map(|_| "<value>x</value>").collect();
    for (attributes, inside, expected) in [
        (&*format!("node='news' queryid='{long}'"), String::new(), "modify/bad-request"),
        ("node='news'", format!("{FORM}<field var='ids'>{ids}</field></x>"), "cancel/item-not-found"),
        ("node='news'", "<x xmlns='jabber:x:data' type='cancel'/>".to_owned(), "modify/bad-request"),
        (
            "node='news'",
            format!("{FORM}<field var='with'><value>a@b@c d</value></field></x>"),
            "modify/bad-request",
        ),
        (
            "node='news'",
            format!("{FORM}<field var='start'><value>1</value><value>2</value></field></x>"),
            "modify/bad-request",
        ),
        ("node='closed'", String::new(), "auth/forbidden"),
        (
            "node='closed'",
            format!("{FORM}<field var='after-id'><value>x</value></field></x>"),
            "auth/forbidden",
        ),
    ] {
        assert_eq!(query(&fixture, attributes, &inside).await, [expected], "{attributes} {inside:.200}");
    }
    let empty = format!("{FORM}<field var='start'/><field var='with'><value/></field><field var='ids'/></x>");
    let stanzas = query(&fixture, "node='news'", &empty).await;
    assert!(stanzas[0].contains("complete='true'"), "fields without values exclude nothing: {stanzas:?}");
}
