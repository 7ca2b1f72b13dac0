use bus_xml::{Element, XmlLimits, parse_document, serialise};
use harness::ServerKind;

use super::route::{MALLORY, Route};
use crate::peers::{GrpcCaller, Notification, StanzaKind, behind_each_server, kind_of};

behind_each_server! {
    payloads_that_would_break_out_come_back_as_they_are,
}

const PUBSUB: &str = "http://jabber.org/protocol/pubsub";

async fn payloads_that_would_break_out_come_back_as_they_are(kind: ServerKind) {
    let mut route = Route::through(kind).await;
    route.mallory.send("<presence/>").await;
    let spoilt: &[&str] = match kind {
        // It drops the declaration on the IQ, and then nobody can tell what `p` is.
        ServerKind::Ejabberd => &["<entry xmlns='urn:example' p:a='1'/>"],
        ServerKind::Prosody | ServerKind::Jabberd2 => &[],
    };
    check_all(route, spoilt).await;
}

#[tokio::test]
async fn payloads_that_would_break_out_come_back_as_they_are_through_anything() {
    check_all(Route::through_anything().await, &[]).await;
}

/// What an item holds: legal, but hard to put into other XML. `p` is bound outside, on the IQ.
const PAYLOADS: &[&str] = &[
    "<p:entry/>",
    "<entry xmlns='urn:example' p:a='1'/>",
    "<a:x xmlns:a='urn:1'><a:x xmlns:a='urn:2'><a:x/></a:x><a:x/></a:x>",
    "<x xmlns='urn:1'><y xmlns='urn:2'><x xmlns='urn:1'/></y></x>",
    "<x xmlns='urn:1' xmlns:a='urn:2' xmlns:b='urn:3' c='1' a:c='2' b:c='3' xml:lang='en'/>",
    "<x xmlns='urn:1'><![CDATA[</x></item></items></event></message></stream:stream>]]></x>",
    "<x xmlns='urn:1'>&lt;/x&gt;&lt;/item&gt;&#60;!-- ]]&gt; &amp;lt;</x>",
    "<x xmlns='urn:1' a=\"'/&gt;&lt;/item>\" b='\"/&gt;'/>",
    "<x xmlns='urn:&apos;/&gt;&lt;/item&gt;'/>",
    "<message xmlns='jabber:client' to='alice@localhost'><body>hi</body></message>",
    "<iq xmlns='jabber:component:accept' type='get' id='a'><ping xmlns='urn:xmpp:ping'/></iq>",
    "<error xmlns='http://etherx.jabber.org/streams'><conflict/></error>",
    "<item xmlns='http://jabber.org/protocol/pubsub#event' id='other'/>",
    "<position xmlns='urn:stanzabus:position:1' epoch='0' seq='99' after='0'/>",
];

/// A payload is published, comes as a notification, and is read over both legs.
async fn check_all(mut route: Route, spoilt: &[&str]) {
    let grpc = GrpcCaller::new(&route.daemon);
    let refusal = StanzaKind::Error(Some("a".to_owned()), "policy-violation".to_owned());
    route.ask(&pubsub("set", "<create node='n'/>")).await;
    let subscribe = format!("<subscribe node='n' jid='{MALLORY}'/>");
    route.ask(&pubsub("set", &subscribe)).await;
    for payload in PAYLOADS {
        let item = format!("<publish node='n'><item id='i'>{payload}</item></publish>");
        let is_notification = |stanza: &Element| Notification::of(stanza).is_some();
        let mut received = route.ask(&pubsub("set", &item)).await;
        if spoilt.contains(payload) {
            assert_eq!(received.iter().map(kind_of).collect::<Vec<_>>(), std::slice::from_ref(&refusal));
            continue;
        }
        if !received.iter().any(is_notification) {
            received.extend(route.mallory.receive_until(|stanzas| stanzas.iter().any(is_notification)).await);
        }
        let expected = canonical(payload);
        let notified: Vec<_> = received.iter().filter_map(Notification::of).collect();
        assert_eq!(notified.len(), 1, "{payload}: {received:?}");
        assert_eq!(notified[0].payload.as_ref(), Some(&expected), "the notification of {payload}");

        let answers = route.ask(&pubsub("get", "<items node='n'/>")).await;
        assert_eq!(payload_of_answer(&answers), Some(expected.clone()), "the answer with {payload}");

        let items = grpc.items("n").await.expect("the node is there");
        let Some(bridge_grpc::v1::event::Payload::Xml(xml)) = &items[0].payload else { panic!("no payload") };
        assert_eq!(
            serialise(&parse_document(xml, LIMITS).expect("one element")),
            expected,
            "gRPC: {payload}"
        );
    }
}

const LIMITS: XmlLimits = XmlLimits { depth_max: 100, bytes_max: 1 << 20 };

/// The infoset of a payload that stood in an item of the IQ, in the serialisation of the bus.
fn canonical(payload: &str) -> String {
    let item = parse_document(&format!("<item xmlns='{PUBSUB}' xmlns:p='urn:p'>{payload}</item>"), LIMITS);
    serialise(item.expect("a legal payload").children().next().expect("a payload"))
}

fn pubsub(kind: &str, request: &str) -> String {
    format!(
        "<iq xmlns:p='urn:p' ADDRESSES type='{kind}' id='a'><pubsub xmlns='{PUBSUB}'>{request}</pubsub></iq>"
    )
}

fn payload_of_answer(stanzas: &[Element]) -> Option<String> {
    let answer = stanzas.iter().find(|stanza| stanza.attr("id") == Some("a"))?;
    let items = answer.get_child("pubsub", PUBSUB)?.get_child("items", PUBSUB)?;
    items.get_child("item", PUBSUB)?.children().next().map(serialise)
}
