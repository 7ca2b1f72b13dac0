use bytes::Bytes;
use xmpp_component::{DownReason, LinkEvent, LinkLimits, Notification, NotifyRefused, ReplyRefused};

use crate::fake_server::{FakeServer, soon};

fn notification(bytes: usize) -> Notification {
    let body = Bytes::from(vec![b'x'; bytes]);
    Notification::new([
        Bytes::from_static(b"<message><body>"),
        body,
        Bytes::from_static(b"</body></message>"),
    ])
}

#[tokio::test]
async fn a_server_that_does_not_read_costs_the_lane_and_no_more() {
    let server = FakeServer::start().await;
    let limits = LinkLimits { idle_ping_ms: 200, dead_after_ms: 4_000, ..FakeServer::limits() };
    let mut client = server.connect(limits.clone());
    let connection = server.accept_stream().await;
    let generation = client.up().await;
    let body = notification(10_000);
    let mut ticket = 0;
    let mut full = 0;
    // The sockets take some megabytes; wait until they take no more.
    while full < 1_000 {
        match client.link.try_notify(generation, ticket, body.clone()) {
            Ok(()) => ticket += 1,
            Err(NotifyRefused::Full) => {
                full += 1;
                tokio::task::yield_now().await;
            }
            Err(other) => panic!("{other}"),
        }
    }
    let statistics = client.link.statistics();
    assert!(statistics.notification_lane_bytes <= limits.notification_lane_bytes_max);
    assert!(statistics.notification_lane_bytes > limits.notification_lane_bytes_max / 2);

    // Nothing is read for `dead_after_ms`: the link lets go of it all.
    soon(client.link.notify_ready()).await;
    match client.event().await {
        LinkEvent::Down { reason, .. } => assert!(matches!(*reason, DownReason::Silent), "{reason:?}"),
        other => panic!("{other:?}"),
    }
    assert_eq!(client.link.statistics().notification_lane_bytes, 0);
    assert_eq!(client.link.try_notify(generation, ticket, body), Err(NotifyRefused::Down));
    drop(connection);
}

#[tokio::test]
async fn a_full_lane_is_ready_again_when_the_server_reads() {
    let server = FakeServer::start().await;
    let mut client = server.connect(FakeServer::limits());
    let mut connection = server.accept_stream().await;
    let generation = client.up().await;
    let total = 3_000;
    let sender = async {
        let mut waits = 0;
        for ticket in 1..=total {
            while client.link.try_notify(generation, ticket, notification(10_000)) == Err(NotifyRefused::Full)
            {
                waits += 1;
                soon(client.link.notify_ready()).await;
            }
        }
        waits
    };
    let server = async {
        let mut messages = 0;
        while messages < total {
            let (before, id) = connection.read_barrier().await;
            messages += before.matches("<message>").count() as u64;
            connection.answer(&id).await;
        }
    };
    let (waits, ()) = tokio::join!(sender, server);
    assert!(waits > 0, "30 MB do not fit into an 8 MB lane");
    let statistics = client.link.statistics();
    assert_eq!(statistics.stanzas_out, total);
    assert!(statistics.writes < total, "{} writes", statistics.writes);
}

#[tokio::test]
async fn replies_overtake_notifications_that_wait() {
    let server = FakeServer::start().await;
    let mut client = server.connect(FakeServer::limits());
    let mut connection = server.accept_stream().await;
    let generation = client.up().await;
    let mut ticket = 0;
    while client.link.try_notify(generation, ticket, notification(10_000)).is_ok() {
        ticket += 1;
        tokio::task::yield_now().await;
    }
    let queued = client.link.statistics().notification_lane_stanzas;
    soon(client.link.reply(Bytes::from_static(b"<iq id='reply'/>"))).await.expect("a living link");
    let before = connection.read_until("<iq id='reply'/>").await.matches("<message>").count();
    let overtaken = usize::try_from(ticket).expect("few") - before;
    assert!(overtaken > queued / 2, "{overtaken} of {queued} were overtaken");
}

#[tokio::test]
async fn the_reply_lane_is_bounded_and_waits() {
    let server = FakeServer::start().await;
    let mut client = server.connect(LinkLimits { reply_lane_bytes_max: 10_000, ..FakeServer::limits() });
    drop(server.accept_stream().await);
    client.up().await;
    assert!(matches!(client.event().await, LinkEvent::Down { .. }));
    let reply = Bytes::from(vec![b' '; 4_000]);
    for _ in 0..2 {
        soon(client.link.reply(reply.clone())).await.expect("a living link");
    }
    let third = client.link.reply(reply.clone());
    let mut third = std::pin::pin!(third);
    tokio::select! {
        biased;
        _ = &mut third => panic!("the lane holds two"),
        () = tokio::task::yield_now() => {}
    }
    assert_eq!(client.link.statistics().reply_lane_stanzas, 2);
    let _connection = server.accept_stream().await;
    soon(third).await.expect("room");
}

#[tokio::test]
async fn a_stanza_that_the_server_would_not_take_is_refused() {
    let server = FakeServer::start().await;
    let mut client = server.connect(LinkLimits { outbound_stanza_bytes_max: 1_000, ..FakeServer::limits() });
    let _connection = server.accept_stream().await;
    let generation = client.up().await;
    let long = Bytes::from(vec![b'x'; 1_001]);
    let refused = client.link.reply(long.clone()).await;
    assert_eq!(refused, Err(ReplyRefused::TooLarge { bytes: 1_001, bytes_max: 1_000 }));
    let refused = client.link.try_notify(generation, 1, Notification::new([long]));
    assert_eq!(refused, Err(NotifyRefused::TooLarge { bytes: 1_001, bytes_max: 1_000 }));
}

#[tokio::test]
async fn a_reader_that_does_not_read_stops_the_server_and_not_the_link() {
    let server = FakeServer::start().await;
    let limits = LinkLimits {
        inbound_stanzas_max: 4,
        idle_ping_ms: 200,
        dead_after_ms: 1_000,
        ..FakeServer::limits()
    };
    let mut client = server.connect(limits);
    let mut connection = server.accept_stream().await;
    client.up().await;
    let stanza = format!("<message id='m'><body>{}</body></message>", "x".repeat(10_000));
    let flood = stanza.repeat(2_000);
    // Far longer than the link would wait for a sign of life, if it were reading.
    let flooded = tokio::time::timeout(std::time::Duration::from_millis(2_500), async {
        tokio::io::AsyncWriteExt::write_all(&mut connection.socket, flood.as_bytes()).await
    });
    assert!(flooded.await.is_err(), "20 MB were read although nobody takes the stanzas");
    for _ in 0..100 {
        assert_eq!(client.stanza_id().await, "m");
    }
}

#[tokio::test]
async fn waiting_stanzas_are_bounded_in_bytes_too() {
    let server = FakeServer::start().await;
    let mut client = server.connect(LinkLimits { inbound_bytes_max: 50_000, ..FakeServer::limits() });
    let mut connection = server.accept_stream().await;
    client.up().await;
    let stanza = format!("<message id='m'><body>{}</body></message>", "x".repeat(20_000));
    connection.write(stanza.repeat(20)).await;
    connection.write("<iq id='last'/>").await;
    let (mut stanzas, mut most) = (0, 0);
    while client.stanza_id().await == "m" {
        stanzas += 1;
        let read = client.link.statistics().stanzas_in;
        assert!(read <= stanzas + 4, "{read} read, {stanzas} taken");
        most = most.max(client.link.statistics().inbound_bytes);
    }
    assert_eq!(stanzas, 20);
    assert!((20_000..=50_000).contains(&most), "{most} bytes waited");
}

#[tokio::test]
async fn either_lane_wakes_a_link_that_has_nothing_to_do() {
    let server = FakeServer::start().await;
    let mut client = server.connect(FakeServer::limits());
    let mut connection = server.accept_stream().await;
    let generation = client.up().await;
    for ticket in 1..=3 {
        client.link.try_notify(generation, ticket, notification(1)).expect("an empty lane");
        let (_, id) = connection.read_barrier().await;
        connection.answer(&id).await;
        assert!(matches!(client.event().await, LinkEvent::HandedOver { .. }));
        client.link.reply(Bytes::from_static(b"<iq id='reply'/>")).await.expect("a living link");
        connection.read_until("<iq id='reply'/>").await;
    }
}
