use harness::ServerKind;

use crate::peers::{
    GrpcCaller, Notification, XmppPeer, assert_in_order, attached, metric, server, wait_for_log,
    wait_until_proven,
};

/// A server whose limit is below the daemon's: it ends the stream on what is too long, each time that it is sent.
#[tokio::test]
async fn a_stanza_that_the_server_ends_the_stream_on_does_not_hold_up_the_others() {
    let mut server = server(ServerKind::Ejabberd).component_option("max_stanza_size: 65536");
    server.start().await.unwrap();
    let daemon = attached(server.component_port()).await;
    let grpc = GrpcCaller::new(&daemon);
    grpc.create_node("n").await.unwrap();
    let mut bob = XmppPeer::user(&server, "bob").await;
    bob.send("<presence/>").await;
    bob.subscribe("n", "bob@localhost").await;
    let entry = |bytes| format!("<entry xmlns='urn:example'>{}</entry>", "x".repeat(bytes));
    for (number, bytes) in [(1, 100), (2, 50_000), (3, 150_000), (4, 50_000), (5, 100)] {
        assert_eq!(grpc.publish("n", &format!("i{number}"), &entry(bytes)).await.unwrap(), number);
    }
    let is_last = |it: Notification| it.seq == 5;
    let received = bob.receive_until(|stanzas| stanzas.iter().filter_map(Notification::of).any(is_last));
    let notifications: Vec<_> = received.await.iter().filter_map(Notification::of).collect();
    assert_eq!(assert_in_order(&notifications, 1), 5, "the long one too, without its payload");
    let payload_bytes = |seq| {
        let with_seq = notifications.iter().filter(|it| it.seq == seq);
        with_seq.filter_map(|it| it.payload.as_ref().map(String::len)).max()
    };
    assert!(payload_bytes(2) > Some(50_000) && payload_bytes(4) > Some(50_000));
    assert_eq!(payload_bytes(3), None);

    wait_until_proven(&daemon).await;
    wait_for_log(&daemon, "max_stanza_size", 1).await;
    // A reset that comes in front of the stream's error says nothing of a limit, so there may be more ends than two.
    assert!(metric(&daemon, "stanzabus_link_reconnects_total").await >= 2, "the limit was learned");
    assert_eq!(metric(&daemon, "stanzabus_link_put_aside_total").await, 1);
    let items = "<pubsub xmlns='http://jabber.org/protocol/pubsub'><items node='n'/></pubsub>";
    let answer = bob.request("get", items).await;
    assert_eq!(answer.attr("type"), Some("result"), "as many as the server takes at once: {answer:?}");
}
