//! Each verb that changes something: its success and its errors.

use bus_domain::quota::Quotas;
use bus_domain::{AccessModel, Affiliation, Limits};
use bus_engine::Settings;

use super::*;

const FORM: &str = "jabber:x:data";

#[tokio::test]
async fn create_makes_named_and_instant_nodes() {
    let fixture = Fixture::new().await;
    let field = "<field var='pubsub#title'><value>t</value></field>";
    let form_type =
        "<field var='FORM_TYPE'><value>http://jabber.org/protocol/pubsub#node_config</value></field>";
    for (from, content, expected) in [
        (ALICE, "<create node='a'/>".to_owned(), "<pubsub xmlns='pubsub'><create node='a'/></pubsub>"),
        (ALICE, "<create node='a'/>".to_owned(), "cancel/conflict"),
        (BOB, "<create node='b'/>".to_owned(), "auth/forbidden"),
        (
            ALICE,
            "<create node='c'/><configure/>".to_owned(),
            "<pubsub xmlns='pubsub'><create node='c'/></pubsub>",
        ),
        (
            ALICE,
            format!(
                "<create node='d'/><configure><x xmlns='{FORM}' type='submit'>{form_type}</x></configure>"
            ),
            "<pubsub xmlns='pubsub'><create node='d'/></pubsub>",
        ),
        (
            ALICE,
            format!("<create node='g'/><configure><x xmlns='{FORM}' type='submit'>{field}</x></configure>"),
            "<pubsub xmlns='pubsub'><create node='g'/></pubsub>",
        ),
        (
            ALICE,
            format!("<create node='f'/><configure><x xmlns='{FORM}'/></configure>"),
            "modify/bad-request",
        ),
        (
            ALICE,
            format!("<create node='e'/><configure><x xmlns='{FORM}' type='cancel'/></configure>"),
            "modify/bad-request",
        ),
        (ALICE, "<create node='e'/><configure node='e'/>".to_owned(), "modify/bad-request"),
        (ALICE, "<configure/><create node='e'/>".to_owned(), "modify/bad-request"),
        (ALICE, "<create node='e'/><configure/><configure/>".to_owned(), "modify/bad-request"),
        (ALICE, "<create node='e'/><create node='f'/>".to_owned(), "modify/bad-request"),
        (
            ALICE,
            "<create node='h' type='collection'/>".to_owned(),
            "<pubsub xmlns='pubsub'><create node='h'/></pubsub>",
        ),
        (ALICE, format!("<create node='{}'/>", "n".repeat(1_024)), "modify/bad-request"),
    ] {
        fixture.check(from, "set", &pubsub(&content), expected).await;
    }
    let missing = owner("<delete node='e'/>");
    fixture.check(ALICE, "set", &missing, "cancel/item-not-found").await;
    for content in ["<create/>", "<create node=''/>"] {
        let answer = fixture.ask(ALICE, "set", &pubsub(content)).await;
        let name = answer.split('\'').nth(3).expect("a name");
        assert_eq!(name.len(), 32, "{answer}");
        fixture.check(ALICE, "set", &owner(&format!("<delete node='{name}'/>")), "").await;
    }
}

#[tokio::test]
async fn delete_is_for_owners_and_admins() {
    let fixture = Fixture::new().await;
    fixture.create("old", AccessModel::Open).await;
    for (from, content, expected) in [
        (BOB, "<delete node='news'/>", "auth/forbidden"),
        (ALICE, "<delete/>", "modify/bad-request+nodeid-required"),
        (ALICE, "<delete node='news'><redirect/></delete>", "modify/bad-request"),
        (
            ALICE,
            "<delete node='news'><redirect uri='urn:a'/><redirect uri='urn:a'/></delete>",
            "modify/bad-request",
        ),
        (ALICE, "<delete node='news'/>", ""),
        (ALICE, "<delete node='news'/>", "cancel/item-not-found"),
        (ADMIN, "<delete node='old'><redirect uri='xmpp:a'/></delete>", ""),
        (ALICE, "<delete node='old'/>", "modify/gone"),
    ] {
        fixture.check(from, "set", &owner(content), expected).await;
    }
    fixture.check(ALICE, "set", &pubsub("<delete node='news'/>"), "cancel/feature-not-implemented").await;
}

#[tokio::test]
async fn publish_takes_items_and_names_them() {
    let fixture = Fixture::new().await;
    for (from, content, expected) in [
        (
            ALICE,
            "<publish node='news'><item id='a&amp;1' publisher='x@y'> <b xmlns='urn:b'/> </item></publish>",
            "<pubsub xmlns='pubsub'><publish node='news'><item id='a&amp;1'/></publish></pubsub>",
        ),
        (
            ALICE,
            "<publish node='news'><item id='1'><b xmlns='urn:b'/></item><item id='2'><c/></item></publish>",
            "<pubsub xmlns='pubsub'><publish node='news'><item id='1'/><item id='2'/></publish></pubsub>",
        ),
        (BOB, "<publish node='news'><item><b xmlns='urn:b'/></item></publish>", "auth/forbidden"),
        (BOB, "<publish node='none'><item><b xmlns='urn:b'/></item></publish>", "auth/forbidden"),
        (ALICE, "<publish><item><b/></item></publish>", "modify/bad-request+nodeid-required"),
        (ALICE, "<publish node='news'/>", "modify/bad-request+item-required"),
        (ALICE, "<publish node='news'><item/></publish>", "modify/bad-request+payload-required"),
        (
            ALICE,
            "<publish node='news'><item><b xmlns='urn:b'/><b xmlns='urn:b'/></item></publish>",
            "modify/bad-request+invalid-payload",
        ),
        (ALICE, "<publish node='news'><item>text<b/></item></publish>", "modify/bad-request+invalid-payload"),
        (ALICE, "<publish node='news'><b xmlns='urn:b'/></publish>", "modify/bad-request"),
        (ALICE, "<publish node='news'>text<item><b/></item></publish>", "modify/bad-request"),
        (
            ALICE,
            "<publish node='news'><item id='3'><b/></item></publish><publish-options/>",
            "<pubsub xmlns='pubsub'><publish node='news'><item id='3'/></publish></pubsub>",
        ),
        (ALICE, "<publish node='news'><item><b/></item></publish><options/>", "modify/bad-request"),
    ] {
        fixture.check(from, "set", &pubsub(content), expected).await;
    }
    let long = format!("<publish node='news'><item id='{}'><b/></item></publish>", "i".repeat(1_024));
    fixture.check(ALICE, "set", &pubsub(&long), "modify/bad-request").await;
    let generated = "<publish node='news'><item><b/></item><item id=''><b/></item></publish>";
    let answer = parse(&fixture.ask(ALICE, "set", &pubsub(generated)).await);
    let items: Vec<_> = answer.children().flat_map(Element::children).collect();
    assert_eq!(items.len(), 2);
    assert!(items.iter().all(|item| item.attr("id").is_some_and(|id| !id.is_empty())), "{answer:?}");
}

#[tokio::test]
async fn publish_is_bounded_and_a_batch_stands_or_falls_as_one() {
    let limits =
        Limits { payload_bytes_max: 100, payload_depth_max: 3, request_items_max: 2, ..Limits::default() };
    let fixture = Fixture::with(Settings { limits, ..Settings::default() }, 480 * 1024).await;
    let item = |payload: &str| format!("<item><a xmlns='urn:a'>{payload}</a></item>");
    for (items, expected) in [
        (item(&"x".repeat(200)), "modify/not-acceptable+payload-too-big"),
        (item("<b><c><d/></c></b>"), "modify/bad-request+invalid-payload"),
        (item("") + &item("") + &item(""), "cancel/not-allowed+max-items-exceeded"),
        (item("") + &item(&"x".repeat(200)), "modify/not-acceptable+payload-too-big"),
        (item("") + "<item/>", "modify/bad-request+payload-required"),
    ] {
        let content = pubsub(&format!("<publish node='news'>{items}</publish>"));
        fixture.check(ALICE, "set", &content, expected).await;
    }
    let empty = "<pubsub xmlns='pubsub'><items node='news'/></pubsub>";
    fixture.check(ALICE, "get", &pubsub("<items node='news'/>"), empty).await;
}

#[tokio::test]
async fn a_result_that_would_be_too_long_is_a_bare_one() {
    let fixture = Fixture::with(Settings::default(), 300).await;
    let id = "i".repeat(500);
    let content = pubsub(&format!("<publish node='news'><item id='{id}'><b/></item></publish>"));
    fixture.check(ALICE, "set", &content, "").await;
    fixture.check(ALICE, "get", &pubsub("<items node='news'/>"), "modify/not-acceptable").await;
}

#[tokio::test]
async fn purge_takes_all_items_back() {
    let fixture = Fixture::new().await;
    fixture
        .publish("news", "<item id='1'><b xmlns='urn:b'/></item><item id='2'><b xmlns='urn:b'/></item>")
        .await;
    for (from, content, expected) in [
        (BOB, "<purge node='news'/>", "auth/forbidden"),
        (ALICE, "<purge node='none'/>", "cancel/item-not-found"),
        (ALICE, "<purge/>", "modify/bad-request+nodeid-required"),
        (ALICE, "<purge node='news'/>", ""),
        (ALICE, "<purge node='news'/>", ""),
    ] {
        fixture.check(from, "set", &owner(content), expected).await;
    }
    let none = "<pubsub xmlns='pubsub'><items node='news'/></pubsub>";
    fixture.check(ALICE, "get", &pubsub("<items node='news'/>"), none).await;
    fixture.check(ALICE, "get", &owner("<purge node='news'/>"), "modify/bad-request").await;
}

#[tokio::test]
async fn retract_takes_items_back() {
    let fixture = Fixture::new().await;
    fixture.affiliate("news", "bob@example.net", Affiliation::PublishOnly).await;
    for id in ["1", "2", "3", "4"] {
        fixture.publish("news", &format!("<item id='{id}'><b xmlns='urn:b'/></item>")).await;
    }
    for (from, content, expected) in [
        (ALICE, "<retract node='news'><item id='1'/></retract>", ""),
        (ALICE, "<retract node='news'><item id='1'/></retract>", "cancel/item-not-found"),
        (ALICE, "<retract node='news' notify='true'><item id='2'/><item id='3'/></retract>", ""),
        (
            ALICE,
            "<retract node='news' notify='1'><item id='4'/><item id='x'/></retract>",
            "cancel/item-not-found",
        ),
        (BOB, "<retract node='news'><item id='4'/></retract>", "auth/forbidden"),
        ("eve@example.net/x", "<retract node='news'><item id='4'/></retract>", "auth/forbidden"),
        (ALICE, "<retract node='none'><item id='4'/></retract>", "cancel/item-not-found"),
        (ALICE, "<retract><item id='4'/></retract>", "modify/bad-request+nodeid-required"),
        (ALICE, "<retract node='news'/>", "modify/bad-request+item-required"),
        (ALICE, "<retract node='news'><item/></retract>", "modify/bad-request+item-required"),
        (ALICE, "<retract node='news'><item id=''/></retract>", "modify/bad-request+item-required"),
        (ALICE, "<retract node='news' notify='maybe'><item id='4'/></retract>", "modify/bad-request"),
        (ALICE, "<retract node='news' notify='false'><item id='4'/></retract>", ""),
    ] {
        fixture.check(from, "set", &pubsub(content), expected).await;
    }
}

#[tokio::test]
async fn subscribe_and_unsubscribe_name_the_subscribed_address() {
    let fixture = Fixture::new().await;
    fixture.create("closed", AccessModel::Whitelist).await;
    fixture.affiliate("news", "eve@example.net", Affiliation::Outcast).await;
    let state = |jid: &str, state: &str| {
        let subscription = format!("<subscription jid='{jid}' node='news' subscription='{state}'/>");
        format!("<pubsub xmlns='pubsub'>{subscription}</pubsub>")
    };
    let options = |inside: &str| format!("<subscribe node='news' jid='{BOB}'/><options{inside}");
    let form = format!("><x xmlns='{FORM}' type='submit'><field var='pubsub#deliver'/></x></options>");
    let subscribed = state("bob@example.net", "subscribed");
    let verb = |verb: &str, rest: &str| format!("<{verb} {rest}/>");
    let error = str::to_owned;
    for (from, content, expected) in [
        (BOB, verb("subscribe", "node='news' jid='Bob@example.net'"), subscribed.clone()),
        (BOB, verb("subscribe", "node='news' jid='bob@example.net'"), subscribed),
        (
            BOB,
            verb("subscribe", "node='news' jid='bob@example.net/x'"),
            state("bob@example.net/x", "subscribed"),
        ),
        (BOB, verb("subscribe", "node='news' jid='a@example.net'"), error("modify/bad-request+invalid-jid")),
        (
            ADMIN,
            verb("subscribe", "node='news' jid='a@example.net'"),
            error("modify/bad-request+invalid-jid"),
        ),
        (BOB, verb("subscribe", "node='news'"), error("modify/bad-request+jid-required")),
        (BOB, verb("subscribe", "node='news' jid=''"), error("modify/bad-request+jid-required")),
        (BOB, verb("subscribe", "node='news' jid='@@'"), error("modify/bad-request+invalid-jid")),
        (BOB, verb("subscribe", "jid='bob@example.net'"), error("modify/bad-request+nodeid-required")),
        (BOB, verb("subscribe", "node='none' jid='bob@example.net'"), error("cancel/item-not-found")),
        (
            BOB,
            verb("subscribe", "node='closed' jid='bob@example.net'"),
            error("cancel/not-allowed+closed-node"),
        ),
        (
            "eve@example.net/x",
            verb("subscribe", "node='news' jid='eve@example.net'"),
            error("auth/forbidden"),
        ),
        (BOB, options("/>"), state(BOB, "subscribed")),
        (BOB, options(&form), error("modify/bad-request+invalid-options")),
        (BOB, options(" node='news'/>"), error("modify/bad-request")),
        (
            BOB,
            verb("unsubscribe", "node='news' jid='bob@example.net' subid='x'"),
            state("bob@example.net", "none"),
        ),
        (
            BOB,
            verb("unsubscribe", "node='news' jid='bob@example.net'"),
            error("cancel/unexpected-request+not-subscribed"),
        ),
        (BOB, verb("unsubscribe", "node='news' jid='a@example.net'"), error("auth/forbidden")),
        (BOB, verb("unsubscribe", "node='news'"), error("modify/bad-request+jid-required")),
        (BOB, verb("unsubscribe", "jid='bob@example.net'"), error("modify/bad-request+nodeid-required")),
        (BOB, verb("unsubscribe", "node='none' jid='bob@example.net'"), error("cancel/item-not-found")),
        (
            ADMIN,
            verb("unsubscribe", "node='news' jid='bob@example.net/x'"),
            state("bob@example.net/x", "none"),
        ),
    ] {
        fixture.check(from, "set", &pubsub(&content), &expected).await;
    }
}

#[tokio::test]
async fn subscriptions_of_one_address_are_bounded() {
    let limits = Limits { node_subscriptions_per_jid_max: 1, ..Limits::default() };
    let fixture = Fixture::with(Settings { limits, ..Settings::default() }, 480 * 1024).await;
    let subscribe = |jid: &str| pubsub(&format!("<subscribe node='news' jid='{jid}'/>"));
    fixture.ask(BOB, "set", &subscribe("bob@example.net")).await;
    let expected = "wait/policy-violation+too-many-subscriptions";
    fixture.check(BOB, "set", &subscribe(BOB), expected).await;
}

#[tokio::test]
async fn quotas_say_what_is_too_much_and_a_rate_how_long_to_wait() {
    let quotas = Quotas {
        nodes_per_jid_max: 1,
        subscriptions_per_jid_max: 1,
        publishes_per_second_per_jid_max: 1,
        publish_burst_ms: 1_000,
        ..Quotas::default()
    };
    let fixture = Fixture::with(Settings { quotas, ..Settings::default() }, 480 * 1024).await;
    let subscribe = |jid: &str| pubsub(&format!("<subscribe node='news' jid='{jid}'/>"));
    fixture.ask(BOB, "set", &subscribe("bob@example.net")).await;
    let item = "<item><a xmlns='urn:a'/></item>";
    let publish = pubsub(&format!("<publish node='news'>{}</publish>", item.repeat(1_000)));
    fixture.ask(ALICE, "set", &publish).await;
    for (from, content, expected) in [
        (ALICE, pubsub("<create node='another'/>"), "wait/policy-violation"),
        (BOB, subscribe(BOB), "wait/policy-violation+too-many-subscriptions"),
        (ALICE, publish.clone(), "wait/policy-violation"),
    ] {
        fixture.check(from, "set", &content, expected).await;
    }
    let answer = fixture.service.handle(&iq(ALICE, DOMAIN, "set", &publish)).await.pop().expect("an answer");
    let (_, wait) = answer.split_once("is reached; try again in ").expect(&answer);
    let wait_ms: u64 = wait.split(' ').next().unwrap_or_default().parse().expect("milliseconds");
    assert!((1..=1_000_000).contains(&wait_ms), "{answer}");
}
