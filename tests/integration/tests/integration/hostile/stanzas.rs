use harness::ServerKind;

use super::route::Route;
use crate::peers::{StanzaKind, behind_each_server, kind_of};

/// What a stanza is answered with.
enum Answer {
    Nothing,
    /// A result with this id.
    Result(String),
    /// An error with this id and condition.
    Error(Option<&'static str>, &'static str),
}

use Answer::{Error, Nothing, Result};

behind_each_server! {
    hostile_stanzas_of_a_user_cost_themselves_only,
}

async fn hostile_stanzas_of_a_user_cost_themselves_only(kind: ServerKind) {
    check_all(Route::through(kind).await, &habits_of(kind)).await;
}

#[tokio::test]
async fn hostile_stanzas_that_a_server_passes_on_as_they_are_cost_themselves_only() {
    check_all(Route::through_anything().await, &Habits::default()).await;
}

/// What a server does by itself with some of the cases.
#[derive(Default)]
struct Habits {
    /// Answered by the server, so that it never comes to us.
    refused: &'static [&'static str],
    /// Robbed of a namespace declaration on the way.
    spoilt: &'static [&'static str],
}

fn habits_of(kind: ServerKind) -> Habits {
    match kind {
        ServerKind::Ejabberd => Habits {
            refused: &["presence of no known show"],
            spoilt: &["an attribute whose prefix is bound outside of the payload"],
        },
        ServerKind::Prosody | ServerKind::Jabberd2 => Habits::default(),
    }
}

async fn check_all(mut route: Route, server: &Habits) {
    let created = route.ask(&pubsub("<create node='n'/>")).await;
    assert_eq!(kind_of(&created[0]), StanzaKind::Result(Some("a".to_owned())));
    for (name, stanza, answer) in
        requests().into_iter().chain(hard_requests()).chain(forms()).chain(no_requests())
    {
        let received = route.ask(&stanza).await;
        if server.refused.contains(&name) {
            assert!(
                matches!(&received[..], [error] if error.attr("type") == Some("error")),
                "{name}: {received:?}"
            );
            continue;
        }
        let received: Vec<_> = received.iter().map(kind_of).collect();
        let answer = match answer {
            Error(id, _) if server.spoilt.contains(&name) => Error(id, "policy-violation"),
            answer => answer,
        };
        let expected = match answer {
            Nothing => Vec::new(),
            Result(id) => vec![StanzaKind::Result(Some(id))],
            Error(id, condition) => vec![StanzaKind::Error(id.map(str::to_owned), condition.to_owned())],
        };
        assert_eq!(received, expected, "{name}");
    }
}

type Case = (&'static str, String, Answer);

/// One answer each, whatever is wrong with them.
fn requests() -> Vec<Case> {
    let ping = "<ping xmlns='urn:xmpp:ping'/>";
    let cases = [
        ("an IQ of no known type", iq("type='bogus' id='a'", ping), Error(Some("a"), "bad-request")),
        ("an IQ whose type is in capitals", iq("type='GET' id='a'", ping), Error(Some("a"), "bad-request")),
        ("an IQ without type", iq("id='a'", ping), Error(Some("a"), "bad-request")),
        ("a request without id", iq("type='get'", ping), Error(None, "bad-request")),
        ("a request without payload", iq("type='get' id='a'", ""), Error(Some("a"), "bad-request")),
        ("a request with text only", iq("type='set' id='a'", "text"), Error(Some("a"), "bad-request")),
        (
            "a request with two payloads",
            iq("type='get' id='a'", &format!("{ping}{ping}")),
            Error(Some("a"), "bad-request"),
        ),
        (
            "an id that is markup",
            iq("type='get' id='&lt;/iq&gt;&apos;&quot;'", ping),
            Result("</iq>'\"".to_owned()),
        ),
        (
            "an unknown namespace",
            iq("type='set' id='a'", "<x xmlns='urn:unknown'/>"),
            Error(Some("a"), "service-unavailable"),
        ),
        (
            "a stanza as payload",
            iq("type='set' id='a'", "<message><body/></message>"),
            Error(Some("a"), "service-unavailable"),
        ),
        (
            "a stream error as payload",
            iq("type='set' id='a'", "<error xmlns='http://etherx.jabber.org/streams'><conflict/></error>"),
            Error(Some("a"), "service-unavailable"),
        ),
        (
            "a handshake as payload",
            iq("type='set' id='a'", "<handshake/>"),
            Error(Some("a"), "service-unavailable"),
        ),
        ("an unknown verb", pubsub("<destroy node='n'/>"), Error(Some("a"), "feature-not-implemented")),
        ("no verb", pubsub(""), Error(Some("a"), "bad-request")),
        ("two verbs", pubsub("<create node='n'/><create node='m'/>"), Error(Some("a"), "bad-request")),
        ("a verb of the wrong type", pubsub("<items node='n'/>"), Error(Some("a"), "bad-request")),
        (
            "a publish that names no node",
            pubsub("<publish><item/></publish>"),
            Error(Some("a"), "bad-request"),
        ),
        (
            "an item with two payloads",
            pubsub("<publish node='n'><item><a xmlns='urn:a'/><b xmlns='urn:b'/></item></publish>"),
            Error(Some("a"), "bad-request"),
        ),
        (
            "an item with text beside its payload",
            pubsub("<publish node='n'><item>text<a xmlns='urn:a'/></item></publish>"),
            Error(Some("a"), "bad-request"),
        ),
        (
            "a stranger's subscription",
            pubsub("<subscribe node='n' jid='alice@localhost'/>"),
            Error(Some("a"), "bad-request"),
        ),
        (
            "a subscription of what is no address",
            pubsub("<subscribe node='n' jid='@/@'/>"),
            Error(Some("a"), "bad-request"),
        ),
    ];
    cases.into()
}

/// Hard on other parsers, or far over what they bear.
fn hard_requests() -> Vec<Case> {
    let long = "x".repeat(9_000);
    let nested = |levels: usize| {
        format!("<a xmlns='urn:a'>{}{}</a>", "<a>".repeat(levels - 1), "</a>".repeat(levels - 1))
    };
    let text = "0123456789".repeat(20_000);
    vec![
        (
            "an attribute whose prefix is bound outside of the payload",
            "<iq xmlns:p='urn:p' ADDRESSES type='set' id='a'><x xmlns='urn:unknown' p:b='1'/></iq>"
                .to_owned(),
            Error(Some("a"), "service-unavailable"),
        ),
        (
            "an attribute of 9,000 bytes",
            iq("type='get' id='a'", &format!("<ping xmlns='urn:xmpp:ping' a='{long}'/>")),
            Result("a".to_owned()),
        ),
        (
            "an id of 9,000 bytes",
            iq(&format!("type='get' id='{long}'"), "<ping xmlns='urn:xmpp:ping'/>"),
            Result(long.clone()),
        ),
        (
            "an element name of 9,000 bytes",
            iq("type='get' id='a'", &format!("<{long} xmlns='urn:a'/>")),
            Error(Some("a"), "service-unavailable"),
        ),
        (
            "a namespace of 9,000 bytes",
            iq("type='get' id='a'", &format!("<a xmlns='urn:{long}'/>")),
            Error(Some("a"), "service-unavailable"),
        ),
        (
            "a node name of 9,000 bytes",
            pubsub(&format!("<create node='{long}'/>")),
            Error(Some("a"), "bad-request"),
        ),
        (
            "an item id of 9,000 bytes",
            pubsub(&format!("<publish node='n'><item id='{long}'/></publish>")),
            Error(Some("a"), "bad-request"),
        ),
        ("60 levels", iq("type='set' id='a'", &nested(60)), Error(Some("a"), "service-unavailable")),
        ("3,000 levels", iq("type='set' id='a'", &nested(3_000)), Error(Some("a"), "policy-violation")),
        (
            "1,000 children",
            iq("type='get' id='a'", &format!("<ping xmlns='urn:xmpp:ping'>{}</ping>", "<a/>".repeat(1_000))),
            Result("a".to_owned()),
        ),
        (
            "200 kB of text",
            iq("type='set' id='a'", &format!("<x xmlns='urn:unknown'>{text}</x>")),
            Error(Some("a"), "service-unavailable"),
        ),
        (
            "2,000 items",
            pubsub(&format!("<publish node='n'>{}</publish>", "<item/>".repeat(2_000))),
            Error(Some("a"), "not-allowed"),
        ),
    ]
}

/// Forms and lists of owners, who may be hostile too.
fn forms() -> Vec<Case> {
    let many = |entry: &str, count: usize| entry.repeat(count);
    let numbered: Vec<_> = (0..10_000).map(|number| format!("<field var='{number}'/>")).collect();
    let numbered = numbered.concat();
    let title = |text: &str| format!("<field var='pubsub#title'><value>{text}</value></field>");
    let max_items = |text: &str| format!("<field var='pubsub#max_items'><value>{text}</value></field>");
    let stranger = "<affiliation jid='a@b' affiliation='outcast'/>";
    let refused = |condition| Error(Some("a"), condition);
    vec![
        ("a form of 10,000 fields", configure(&numbered), refused("bad-request")),
        ("a field that is there 10,000 times", configure(&many(&title("a"), 2_000)), refused("bad-request")),
        (
            "a field of 10,000 values",
            configure(&format!("<field var='pubsub#title'>{}</field>", many("<value>a</value>", 10_000))),
            refused("not-acceptable"),
        ),
        ("a title of 9,000 bytes", configure(&title(&many("x", 9_000))), refused("not-acceptable")),
        ("a number of 9,000 digits", configure(&max_items(&many("9", 9_000))), refused("not-acceptable")),
        ("a number below nothing", configure(&max_items("-1")), refused("not-acceptable")),
        ("a number that is text", configure(&max_items("&lt;max/&gt;")), refused("not-acceptable")),
        (
            "contacts that are no addresses",
            configure("<field var='pubsub#contact'><value>@/@</value></field>"),
            refused("not-acceptable"),
        ),
        (
            "a form inside of a form",
            configure("<field var='pubsub#title'><x xmlns='jabber:x:data' type='submit'/></field>"),
            Result("a".to_owned()),
        ),
        (
            "somebody on a list 2,000 times",
            owner(&format!("<affiliations node='n'>{}</affiliations>", many(stranger, 2_000))),
            refused("bad-request"),
        ),
        (
            "a list of what is no address",
            owner("<subscriptions node='n'><subscription jid='@' subscription='none'/></subscriptions>"),
            refused("bad-request"),
        ),
        (
            "a page behind nothing that there is",
            iq(
                "type='get' id='a'",
                "<pubsub xmlns='http://jabber.org/protocol/pubsub'><items node='n'/>\
                 <set xmlns='http://jabber.org/protocol/rsm'><after>&apos; OR 1=1 --</after></set></pubsub>",
            ),
            refused("item-not-found"),
        ),
        (
            "a page of more than anybody can count",
            iq(
                "type='get' id='a'",
                "<pubsub xmlns='http://jabber.org/protocol/pubsub'><items node='n'/>\
                 <set xmlns='http://jabber.org/protocol/rsm'><max>99999999999999999999999</max></set></pubsub>",
            ),
            Result("a".to_owned()),
        ),
    ]
}

fn configure(fields: &str) -> String {
    let form = format!("<x xmlns='jabber:x:data' type='submit'>{fields}</x>");
    owner(&format!("<configure node='n'>{form}</configure>"))
}

fn owner(verb: &str) -> String {
    let wrapped = format!("<pubsub xmlns='http://jabber.org/protocol/pubsub#owner'>{verb}</pubsub>");
    iq("type='set' id='a'", &wrapped)
}

/// Answered by nothing at all.
fn no_requests() -> Vec<Case> {
    let long = "x".repeat(9_000);
    let deep = format!("{}{}", "<a xmlns='urn:a'>".repeat(3_000), "</a>".repeat(3_000));
    let body = "<body>hi</body>";
    let stanzas = [
        ("a result that nobody asked for", iq("type='result' id='a'", "")),
        ("a result with a payload", iq("type='result' id='a'", "<ping xmlns='urn:xmpp:ping'/>")),
        ("a result that is deep", iq("type='result' id='a'", &deep)),
        ("an error that nobody asked for", iq("type='error' id='a'", "<error type='cancel'><gone/></error>")),
        ("an error with an empty error", iq("type='error' id='a'", "<error/>")),
        ("an answer to a barrier, forged", iq("type='result' id='b0-0'", "")),
        ("a message of no known type", message("type='bogus'", body)),
        (
            "a message that is an error",
            message("type='error' id='a'", "<error type='cancel'><gone/></error>"),
        ),
        ("a message with two threads", message("", "<thread>1</thread><thread>2</thread>")),
        ("a message with unknown content", message("", "<x xmlns='urn:unknown'><y/></x>")),
        ("a message that closes its stream in its text", message("", "<body>&lt;/stream:stream&gt;</body>")),
        ("a message with an attribute of 9,000 bytes", message(&format!("a='{long}'"), body)),
        ("a message with an id of 9,000 bytes", message(&format!("id='{long}'"), body)),
        ("a message that is deep", message("", &deep)),
        (
            "a message that claims to be an event",
            message("", "<event xmlns='http://jabber.org/protocol/pubsub#event'/>"),
        ),
        (
            "an approval of what nobody asked for",
            message("", &approval("<field var='pubsub#allow'><value>1</value></field>")),
        ),
        ("an approval of 10,000 fields", message("", &approval(&"<field var='a'/>".repeat(10_000)))),
        ("presence of no known show", presence("", "<show>zzz</show>")),
        ("presence of no possible priority", presence("", "<priority>999</priority>")),
        ("presence with two of each", presence("", "<show>away</show><show>dnd</show><status/><status/>")),
        ("presence that is an error", presence("type='error'", "<error type='cancel'><gone/></error>")),
        ("presence that is deep", presence("", &deep)),
    ];
    stanzas.into_iter().map(|(name, stanza)| (name, stanza, Nothing)).collect()
}

fn approval(fields: &str) -> String {
    let field = |var: &str, value: &str| format!("<field var='{var}'><value>{value}</value></field>");
    let about = [
        field("FORM_TYPE", "http://jabber.org/protocol/pubsub#subscribe_authorization"),
        field("pubsub#node", "n"),
        field("pubsub#subscriber_jid", "alice@localhost"),
    ];
    format!("<x xmlns='jabber:x:data' type='submit'>{}{fields}</x>", about.concat())
}

fn iq(attributes: &str, content: &str) -> String {
    format!("<iq ADDRESSES {attributes}>{content}</iq>")
}

fn pubsub(verb: &str) -> String {
    iq("type='set' id='a'", &format!("<pubsub xmlns='http://jabber.org/protocol/pubsub'>{verb}</pubsub>"))
}

fn message(attributes: &str, content: &str) -> String {
    format!("<message ADDRESSES {attributes}>{content}</message>")
}

fn presence(attributes: &str, content: &str) -> String {
    format!("<presence ADDRESSES {attributes}>{content}</presence>")
}
