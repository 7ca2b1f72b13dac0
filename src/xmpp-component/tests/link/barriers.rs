use bytes::Bytes;
use xmpp_component::{LinkEvent, LinkLimits, Notification};

use crate::fake_server::{Client, FakeServer};

const STANZA: &str = "<message to='a@localhost' from='events.localhost'/>";

fn notify(client: &Client, generation: u64, ticket: u64) {
    let notification = Notification::new([Bytes::from_static(STANZA.as_bytes())]);
    client.link.try_notify(generation, ticket, notification).expect("room");
}

async fn handed_over(client: &mut Client) -> (u64, u64) {
    match client.event().await {
        LinkEvent::HandedOver { generation, through_ticket } => (generation, through_ticket),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn only_the_answer_from_the_host_proves_a_hand_over() {
    let server = FakeServer::start().await;
    let mut client = server.connect(FakeServer::limits());
    let mut connection = server.accept_stream().await;
    let generation = client.up().await;
    notify(&client, generation, 5);
    let (before, id) = connection.read_barrier().await;
    assert_eq!(before, STANZA);

    let forged = [
        format!("<iq type='result' from='mallory@localhost' to='events.localhost' id='{id}'/>"),
        format!("<iq type='result' from='events.localhost' to='events.localhost' id='{id}'/>"),
        format!("<iq type='result' from='localhost' to='events.localhost' id='x{id}'/>"),
        "<iq type='result' from='localhost' to='events.localhost' id='b0-0'/>".to_owned(),
        format!("<iq type='get' from='localhost' to='events.localhost' id='{id}'/>"),
        format!("<message from='localhost' to='events.localhost' id='{id}'/>"),
    ];
    for stanza in forged {
        connection.write(&stanza).await;
        assert!(matches!(client.event().await, LinkEvent::Stanza(_)), "{stanza}");
    }
    connection.answer(&id).await;
    assert_eq!(handed_over(&mut client).await, (generation, 5));
}

#[tokio::test]
async fn an_error_is_an_answer_too() {
    let server = FakeServer::start().await;
    let mut client = server.connect(FakeServer::limits());
    let mut connection = server.accept_stream().await;
    let generation = client.up().await;
    notify(&client, generation, 5);
    let (_, id) = connection.read_barrier().await;
    connection
        .write(format!("<iq type='error' from='localhost' id='{id}'><error type='cancel'/></iq>"))
        .await;
    assert_eq!(handed_over(&mut client).await, (generation, 5));
}

#[tokio::test]
async fn an_answer_proves_only_what_stood_before_its_barrier() {
    let server = FakeServer::start().await;
    let mut client = server.connect(LinkLimits { barrier_every_stanzas: 3, ..FakeServer::limits() });
    let mut connection = server.accept_stream().await;
    let generation = client.up().await;
    for ticket in 1..=7 {
        notify(&client, generation, ticket);
    }
    let (before, first) = connection.read_barrier().await;
    let first_ticket = before.matches("<message").count() as u64;
    let (before, second) = connection.read_barrier().await;
    let second_ticket = first_ticket + before.matches("<message").count() as u64;
    assert!((1..=3).contains(&first_ticket), "{first_ticket}");
    connection.answer(&first).await;
    assert_eq!(handed_over(&mut client).await, (generation, first_ticket));
    connection.answer(&second).await;
    assert_eq!(handed_over(&mut client).await, (generation, second_ticket));
}

#[tokio::test]
async fn an_answer_from_the_stream_before_proves_nothing() {
    let server = FakeServer::start().await;
    let mut client = server.connect(FakeServer::limits());
    let mut connection = server.accept_stream().await;
    let generation = client.up().await;
    notify(&client, generation, 1);
    let (_, old_id) = connection.read_barrier().await;
    drop(connection);
    let mut connection = server.accept_stream().await;
    let generation = client.up().await;
    notify(&client, generation, 2);
    let (_, id) = connection.read_barrier().await;
    assert_ne!(id, old_id);
    connection.answer(&old_id).await;
    assert_eq!(client.stanza_id().await, old_id);
    connection.answer(&id).await;
    assert_eq!(handed_over(&mut client).await, (generation, 2));
}

#[tokio::test]
async fn somebody_else_at_our_domain_is_noticed_and_proves_nothing_and_may_leave() {
    let server = FakeServer::start().await;
    let mut client = server.connect(LinkLimits { reprobe_ms: 40, ..FakeServer::limits() });
    let mut connection = server.accept_stream().await;
    let generation = client.up().await;
    notify(&client, generation, 1);
    let (_, id) = connection.read_barrier().await;
    let foreign = format!("b{:032x}-{}", 7, id.rsplit('-').next().expect("a number"));
    connection.answer(&foreign).await;
    connection.answer(&foreign).await;
    connection.write("<iq id='next'/>").await;
    assert_eq!(client.stanza_id().await, "next", "nothing is proven before");
    assert!(client.link.is_contested());
    assert_eq!(client.link.statistics().foreign_answers, 2);

    connection.answer(&id).await;
    assert_eq!(handed_over(&mut client).await, (generation, 1));
    // Nothing is sent any more: the pings come by themselves.
    while client.link.is_contested() {
        let (_, id) = connection.read_barrier().await;
        connection.answer(&id).await;
    }
    assert_eq!(client.link.statistics().skipped_answers, 0);
}
