use bus_xml::RejectReason;
use xmpp_component::LinkEvent;

use crate::fake_server::FakeServer;

#[tokio::test]
async fn a_stanza_in_many_small_reads_is_one_stanza() {
    let server = FakeServer::start().await;
    let mut client = server.connect(FakeServer::limits());
    let mut connection = server.accept_stream().await;
    client.up().await;
    connection.socket.set_nodelay(true).expect("a socket");
    for byte in "<message id='é'><body>&lt;ü</body></message>".bytes() {
        connection.write([byte]).await;
        tokio::task::yield_now().await;
    }
    match client.event().await {
        LinkEvent::Stanza(element) => {
            assert_eq!(element.attr("id"), Some("é"));
            assert_eq!(element.get_child("body", "jabber:component:accept").expect("a body").text(), "<ü");
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn hostile_stanzas_cost_themselves_only() {
    let long = "x".repeat(2_000_000);
    let nested = |levels: usize| format!("<iq id='i'>{}{}</iq>", "<a>".repeat(levels), "</a>".repeat(levels));
    let cases = [
        (nested(3_000), Some(RejectReason::TooDeep)),
        (nested(20_000), Some(RejectReason::TooDeep)),
        (nested(100_000), Some(RejectReason::TooDeep)),
        (format!("<iq id='i' a='{}'/>", "x".repeat(9_000)), None),
        (format!("<iq id='i'>{long}</iq>"), Some(RejectReason::TooLong)),
        (format!("<iq id='i'><a b='{long}{long}'/></iq>"), Some(RejectReason::TooLong)),
        (format!("<iq id='i'><{long}/></iq>"), Some(RejectReason::TooLong)),
        ("<iq id='i' type='bogus'><a/><b/></iq>".to_owned(), None),
        ("<presence id='i'><priority>999</priority><show>zzz</show></presence>".to_owned(), None),
    ];
    let server = FakeServer::start().await;
    let mut client = server.connect(FakeServer::limits());
    let mut connection = server.accept_stream().await;
    client.up().await;
    for (stanza, expected) in cases {
        connection.write(&stanza).await;
        connection.write("<iq id='next'/>").await;
        match (client.event().await, expected) {
            (LinkEvent::Rejected { head, reason }, Some(expected)) => {
                assert_eq!((head.name(), head.attr("id"), reason), ("iq", Some("i"), expected));
            }
            (LinkEvent::Stanza(element), None) => assert_eq!(element.attr("id"), Some("i")),
            (other, _) => panic!("{other:?}"),
        }
        assert_eq!(client.stanza_id().await, "next");
    }
    assert_eq!(client.link.statistics().rejected, 6);
}

#[tokio::test]
async fn what_is_no_stanza_is_passed_over() {
    let server = FakeServer::start().await;
    let mut client = server.connect(FakeServer::limits());
    let mut connection = server.accept_stream().await;
    client.up().await;
    connection.write("<handshake/><iq xmlns='urn:other' id='c'/> text <stream:features/>").await;
    connection.write(format!("<{}/><iq id='next'/>", "x".repeat(2_000_000))).await;
    assert_eq!(client.stanza_id().await, "next");
}
