use bus_xml::Element;

use crate::peers::{DOMAIN, FROM_ALICE, GrpcCaller, Notification, XmppPeer, metric, on_script};

/// The proof of delivery is the server's own word. If a user's word counted, the broken stream would cost the event.
#[tokio::test]
async fn a_user_who_answers_a_barrier_proves_nothing() {
    let (server, daemon, mut first) = on_script().await;
    let grpc = GrpcCaller::new(&daemon);
    grpc.create_node("n").await.unwrap();
    subscribe(&mut first, "alice@localhost").await;
    grpc.publish("n", "i", "<entry xmlns='urn:example'/>").await.unwrap();
    let received = first.receive_until(|stanzas| stanzas.iter().any(is_barrier)).await;
    assert_eq!(positions(&received), [1]);
    let id = received.iter().rfind(|stanza| is_barrier(stanza)).and_then(|stanza| stanza.attr("id")).unwrap();

    for from in
        ["alice@localhost/a", "alice@localhost", "localhost/a", "events.localhost", "elsewhere.example"]
    {
        for kind in ["result", "error"] {
            first.send(format!("<iq type='{kind}' from='{from}' to='{DOMAIN}' id='{id}'/>")).await;
        }
    }
    first.ask("", FROM_ALICE).await;
    assert_eq!(metric(&daemon, "stanzabus_link_barriers_answered_total").await, 1, "the first of the stream");
    drop(first);

    let mut second = XmppPeer::new(server.accept_daemon().await.unwrap());
    let received = second.receive_until(|stanzas| stanzas.iter().any(is_barrier)).await;
    assert_eq!(positions(&received), [1], "it is delivered again");
    let id = received.iter().rfind(|stanza| is_barrier(stanza)).and_then(|stanza| stanza.attr("id")).unwrap();
    second.send(format!("<iq type='result' from='localhost' to='{DOMAIN}' id='{id}'/>")).await;
    second.ask("", FROM_ALICE).await;
    assert_eq!(
        metric(&daemon, "stanzabus_link_barriers_answered_total").await,
        3,
        "the server's word counts, on each stream"
    );
    drop(second);

    let mut third = XmppPeer::new(server.accept_daemon().await.unwrap());
    grpc.publish("n", "j", "<entry xmlns='urn:example'/>").await.unwrap();
    let received = third.receive_until(|stanzas| stanzas.iter().any(is_barrier)).await;
    assert_eq!(positions(&received), [2], "what is proven is not delivered again");
}

async fn subscribe(server: &mut XmppPeer, jid: &str) {
    let subscribe = format!("<subscribe node='n' jid='{jid}'/>");
    let pubsub = format!("<pubsub xmlns='http://jabber.org/protocol/pubsub'>{subscribe}</pubsub>");
    let answers = server.ask(&format!("<iq type='set' {FROM_ALICE} id='s'>{pubsub}</iq>"), FROM_ALICE).await;
    assert_eq!(answers[0].attr("type"), Some("result"), "{answers:?}");
}

fn is_barrier(stanza: &Element) -> bool {
    (stanza.name(), stanza.attr("type"), stanza.attr("to")) == ("iq", Some("get"), Some("localhost"))
}

fn positions(stanzas: &[Element]) -> Vec<u64> {
    stanzas.iter().filter_map(Notification::of).map(|notification| notification.seq).collect()
}
