use bytes::Bytes;
use xmpp_component::{LinkEvent, LinkLimits, LinkState, Notification, NotifyRefused, ReplyRefused};

use crate::fake_server::{FakeServer, soon};

#[tokio::test]
async fn a_shutdown_writes_what_is_queued_waits_for_the_proof_and_closes_the_stream() {
    let server = FakeServer::start().await;
    let mut client = server.connect(FakeServer::limits());
    let mut connection = server.accept_stream().await;
    let generation = client.up().await;
    client
        .link
        .try_notify(generation, 3, Notification::new([Bytes::from_static(b"<message/>")]))
        .expect("an empty lane");
    client.link.reply(Bytes::from_static(b"<iq/>")).await.expect("a living link");
    client.shutdown.cancel();
    let (before, id) = connection.read_barrier().await;
    assert!(before.contains("<iq/>") && before.contains("<message/>"), "{before}");
    connection.answer(&id).await;
    assert_eq!(connection.read_until("</stream:stream>").await, "</stream:stream>");
    connection.write("</stream:stream>").await;
    assert!(connection.read_to_end().await.is_empty());
    assert!(matches!(client.event().await, LinkEvent::HandedOver { through_ticket: 3, .. }));
    assert!(matches!(client.event().await, LinkEvent::Down { .. }));
    assert!(soon(client.events.recv()).await.is_none());
    assert!(matches!(client.link.state(), LinkState::Down { .. }));
    assert_eq!(client.link.reply(Bytes::new()).await, Err(ReplyRefused::Closed));
    let refused = client.link.try_notify(generation, 4, Notification::new([Bytes::new()]));
    assert_eq!(refused, Err(NotifyRefused::Down));
    soon(client.link.notify_ready()).await;
}

#[tokio::test]
async fn a_link_that_shuts_down_takes_no_more_notifications_and_still_waits_for_the_proof() {
    let server = FakeServer::start().await;
    let mut client = server.connect(FakeServer::limits());
    let mut connection = server.accept_stream().await;
    let generation = client.up().await;
    let notification = Notification::new([Bytes::from_static(b"<message/>")]);
    client.link.try_notify(generation, 0, notification.clone()).expect("an empty lane");
    let (_, id) = connection.read_barrier().await;
    client.shutdown.cancel();
    let mut taken = 0;
    while client.link.try_notify(generation, taken + 1, notification.clone()).is_ok() {
        taken += 1;
        tokio::task::yield_now().await;
    }
    connection.answer(&id).await;
    assert!(matches!(client.event().await, LinkEvent::HandedOver { through_ticket: 0, .. }));
    if taken > 0 {
        let (_, id) = connection.read_barrier().await;
        connection.answer(&id).await;
        match client.event().await {
            LinkEvent::HandedOver { through_ticket, .. } => assert_eq!(through_ticket, taken),
            other => panic!("{other:?}"),
        }
    }
    connection.read_until("</stream:stream>").await;
}

#[tokio::test]
async fn a_shutdown_frees_a_reply_that_waits_for_room() {
    let server = FakeServer::start().await;
    let client = server.connect(LinkLimits { reply_lane_bytes_max: 1_000, ..FakeServer::limits() });
    let _mute = server.accept().await;
    let reply = Bytes::from(vec![b' '; 800]);
    client.link.reply(reply.clone()).await.expect("an empty lane");
    let (waiting, ()) = tokio::join!(client.link.reply(reply), async { client.shutdown.cancel() });
    assert_eq!(waiting, Err(ReplyRefused::Closed));
}

#[tokio::test]
async fn a_shutdown_does_not_wait_for_ever_for_a_proof() {
    let server = FakeServer::start().await;
    let mut client = server.connect(FakeServer::limits());
    let mut connection = server.accept_stream().await;
    let generation = client.up().await;
    client
        .link
        .try_notify(generation, 1, Notification::new([Bytes::from_static(b"<message/>")]))
        .expect("an empty lane");
    connection.read_barrier().await;
    client.shutdown.cancel();
    connection.read_until("</stream:stream>").await;
    drop(connection);
    assert!(matches!(client.event().await, LinkEvent::Down { .. }));
    assert!(soon(client.events.recv()).await.is_none());
}

#[tokio::test]
async fn a_shutdown_during_an_outage_ends_at_once() {
    let server = FakeServer::start().await;
    let mut client = server.connect(FakeServer::limits());
    let _mute = server.accept().await;
    client.shutdown.cancel();
    assert!(soon(client.events.recv()).await.is_none());
}

#[tokio::test]
async fn a_dropped_reader_ends_the_link() {
    let server = FakeServer::start().await;
    let mut client = server.connect(FakeServer::limits());
    let mut connection = server.accept_stream().await;
    client.up().await;
    let link = client.link.clone();
    drop(client);
    connection.write("<iq/>").await;
    connection.read_until("</stream:stream>").await;
    drop(connection);
    let mut state = link.watch();
    soon(state.wait_for(|state| matches!(state, LinkState::Down { .. }))).await.expect("a state");
}
