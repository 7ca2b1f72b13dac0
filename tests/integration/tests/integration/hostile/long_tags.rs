use bus_xml::Element;
use harness::{ServerKind, wait_until};

use crate::peers::{GrpcCaller, Notification, PATIENCE, XmppPeer, behind_each_server, metric, on_server};

behind_each_server! {
    an_item_with_a_long_tag_is_delivered_and_proven_before_anything_follows,
}

/// A server may put a tag that it has read in pieces off until much more has come behind it. Nothing comes behind it:
/// the next event waits for the proof of this one.
async fn an_item_with_a_long_tag_is_delivered_and_proven_before_anything_follows(kind: ServerKind) {
    let (server, daemon) = on_server(kind).await;
    let mut alice = XmppPeer::user(&server, "alice").await;
    alice.send("<presence/>").await;
    let grpc = GrpcCaller::new(&daemon);
    grpc.create_node("n").await.unwrap();
    alice.subscribe("n", "alice@localhost").await;
    for attribute_bytes in [9_000, 20_000, 150_000, 1] {
        let long = "x".repeat(attribute_bytes);
        for entry in [
            format!("<entry xmlns='urn:example' a='{long}'/>"),
            "<entry xmlns='urn:example'>short</entry>".to_owned(),
            format!("<entry xmlns='urn:{long}'><a/></entry>"),
        ] {
            let seq = grpc.publish("n", "i", &entry).await.unwrap();
            let is_it = |stanza: &Element| Notification::of(stanza).is_some_and(|it| it.seq == seq);
            alice.receive_until(|stanzas| stanzas.iter().any(is_it)).await;
            let proven = wait_until("the proof", PATIENCE, async || {
                (metric(&daemon, "stanzabus_nodes_undelivered").await == 0).then_some(())
            });
            proven.await.unwrap_or_else(|error| panic!("{error:#} of event {seq}, {attribute_bytes} bytes"));
        }
    }
    assert_eq!(metric(&daemon, "stanzabus_link_reconnects_total").await, 0);
}
