use harness::ServerKind;

use super::route::Route;
use crate::peers::{
    FROM_ALICE, PASSWORD, PATIENCE, TO_US, XmppPeer, behind_each_server, metric, on_script, on_server,
};

behind_each_server! {
    what_is_no_xml_ends_the_stream_of_its_user_and_no_other,
}

/// What XML 1.0 or RFC 6120 §11 forbids on a stream.
const MALFORMED: &[(&str, &[u8])] = &[
    ("a reference to U+0000", b"<message ADDRESSES><body>&#0;</body></message>"),
    ("a reference to U+000B", b"<message ADDRESSES><body>&#xB;</body></message>"),
    ("a reference to U+FFFE", b"<message ADDRESSES><body>&#xFFFE;</body></message>"),
    ("a reference to a surrogate", b"<message ADDRESSES><body>&#xD800;</body></message>"),
    ("U+0000 itself", b"<message ADDRESSES><body>\0</body></message>"),
    ("U+000B in an attribute", b"<message ADDRESSES a='\x0b'/>"),
    ("U+FFFE itself", b"<message ADDRESSES><body>\xef\xbf\xbe</body></message>"),
    ("a surrogate in UTF-8", b"<message ADDRESSES><body>\xed\xa0\x80</body></message>"),
    ("an overlong slash", b"<message ADDRESSES><body>\xc0\xaf</body></message>"),
    ("an entity", b"<message ADDRESSES><body>&nbsp;</body></message>"),
    ("a DTD", b"<!DOCTYPE a [<!ENTITY b 'c'>]><message ADDRESSES/>"),
    (
        "a billion laughs",
        b"<!DOCTYPE a [<!ENTITY b 'ha'><!ENTITY c '&b;&b;'>]><message ADDRESSES>&c;</message>",
    ),
    ("a processing instruction", b"<message ADDRESSES><?php ?></message>"),
    ("an attribute without quotes", b"<message ADDRESSES a=b/>"),
    ("a tag that closes another", b"<message ADDRESSES><body></message></body>"),
    ("a tag that closes nothing", b"</message>"),
    ("a tag that never ends", b"<message ADDRESSES <body>"),
];

async fn what_is_no_xml_ends_the_stream_of_its_user_and_no_other(kind: ServerKind) {
    let (server, daemon) = on_server(kind).await;
    let mut alice = XmppPeer::user(&server, "alice").await;
    let passed_over: &[&str] = match kind {
        ServerKind::Ejabberd => &["a processing instruction"],
        ServerKind::Prosody | ServerKind::Jabberd2 => &[],
    };
    for (name, bytes) in MALFORMED.iter().filter(|(name, _)| !passed_over.contains(name)) {
        let login = harness::RawStream::login(server.client_port(), "localhost", "mallory", PASSWORD, "here");
        let mut mallory = login.await.unwrap();
        mallory.send(with_addresses(bytes, TO_US.as_bytes())).await.unwrap();
        mallory.read_to_close(PATIENCE).await.unwrap_or_else(|error| panic!("{name}: {error:#}"));
        assert_eq!(alice.ask("", TO_US).await, [], "{name}");
    }
    assert_eq!(metric(&daemon, "stanzabus_link_reconnects_total").await, 0);
}

/// Behind what is no XML nothing can be understood, so the stream cannot go on: there is the next one.
#[tokio::test]
async fn a_server_that_passes_on_what_is_no_xml_gets_a_new_stream() {
    let (server, daemon, mut peer) = on_script().await;
    for (name, bytes) in MALFORMED {
        peer.send(with_addresses(bytes, FROM_ALICE.as_bytes())).await;
        let closed = peer.into_stream().read_to_close(PATIENCE).await;
        closed.unwrap_or_else(|error| panic!("{name}: {error:#}"));
        peer = XmppPeer::new(server.accept_daemon().await.unwrap());
        assert_eq!(peer.ask("", FROM_ALICE).await, [], "{name}");
    }
    let reconnects = metric(&daemon, "stanzabus_link_reconnects_total").await;
    assert_eq!(reconnects, MALFORMED.len() as u64);
}

#[tokio::test]
async fn what_is_no_stanza_is_passed_over() {
    let mut route = Route::through_anything().await;
    let long = "x".repeat(2_000_000);
    for text in [
        "<bogus ADDRESSES/>",
        "<iq ADDRESSES type='result'/>",
        "<stream:features/>",
        "<handshake/>",
        "<iq xmlns='' ADDRESSES type='get' id='a'><ping xmlns='urn:xmpp:ping'/></iq>",
        "text between stanzas",
        " \n\t ",
        &format!("<{long}/>"),
        &format!("<message a='{long}' ADDRESSES/>"),
        "<message ADDRESSES x:a=''/>",
        "<message ADDRESSES a='' a=''/>",
        "<message ADDRESSES><x:body/></message>",
    ] {
        assert_eq!(route.ask(text).await, [], "{}", &text[..text.len().min(100)]);
    }
}

fn with_addresses(bytes: &[u8], addresses: &[u8]) -> Vec<u8> {
    const PLACE: &[u8] = b"ADDRESSES";
    match bytes.windows(PLACE.len()).position(|window| window == PLACE) {
        Some(at) => [&bytes[..at], addresses, &bytes[at + PLACE.len()..]].concat(),
        None => bytes.to_vec(),
    }
}
