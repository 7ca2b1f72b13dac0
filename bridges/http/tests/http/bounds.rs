//! What one client can take.

use std::net::Ipv4Addr;
use std::time::Duration;

use bridge_http::HttpSettings;
use bus_engine::Settings;
use harness::http_send;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::rig::{BOB, Rig, bearer, expect_problem, order, publish_request, request, soon, stream};

async fn rig(http: HttpSettings) -> Rig {
    let rig = Rig::start_as(Settings::default(), http).await;
    rig.create("orders").await;
    rig
}

#[tokio::test]
async fn a_body_may_be_so_long_and_not_a_byte_longer() {
    let body = order("o");
    let bytes = body.to_string().len();
    let rig = rig(HttpSettings { body_bytes_max: bytes, ..HttpSettings::default() }).await;
    rig.publish("orders", &body).await;
    let longer = publish_request("orders", &order("o2"));
    expect_problem(&rig.send(longer).await, 413, "BODY_TOO_LARGE", None);
}

#[tokio::test]
async fn a_body_that_does_not_come_costs_its_sender_only() {
    let patience = Duration::from_millis(100);
    let rig = rig(HttpSettings { request_patience: patience, ..HttpSettings::default() }).await;
    let mut socket = TcpStream::connect((Ipv4Addr::LOCALHOST, rig.port)).await.unwrap();
    let head = format!(
        "POST /v1/nodes/orders/events HTTP/1.1\r\nHost: x\r\nAuthorization: {}\r\nContent-Length: 100\r\n\
         Content-Type: application/cloudevents+json\r\n\r\n{{",
        bearer(BOB)
    );
    socket.write_all(head.as_bytes()).await.unwrap();
    let mut answer = vec![0; 12];
    soon(socket.read_exact(&mut answer)).await.unwrap();
    assert_eq!(answer, b"HTTP/1.1 408");
}

#[tokio::test]
async fn connections_are_few_and_a_head_that_does_not_end_gives_its_place_back() {
    let patience = Duration::from_millis(100);
    let http = HttpSettings { connections_max: 1, request_patience: patience, ..HttpSettings::default() };
    let rig = rig(http).await;
    let mut slow = TcpStream::connect((Ipv4Addr::LOCALHOST, rig.port)).await.unwrap();
    slow.write_all(b"GET / HTTP/1.1\r\nHost:").await.unwrap();
    let waiting = request("GET", "/v1/nodes/orders/items/x", BOB);
    let answer = soon(http_send(rig.port, &waiting)).await.unwrap();
    assert_eq!(answer.status, 404, "it is answered once the place is free");
    let mut rest = Vec::new();
    soon(slow.read_to_end(&mut rest)).await.unwrap();
}

#[tokio::test]
async fn strangers_make_room_for_those_who_say_who_they_are() {
    let rig = rig(HttpSettings { connections_max: 1, ..HttpSettings::default() }).await;
    let mut stranger = TcpStream::connect((Ipv4Addr::LOCALHOST, rig.port)).await.unwrap();
    stranger.write_all(b"GET /v1/nodes/orders/items/x HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    let mut head = vec![0; 12];
    soon(stranger.read_exact(&mut head)).await.unwrap();
    assert_eq!(head, b"HTTP/1.1 401", "it is answered, and its connection stays");
    let waiting = request("GET", "/v1/nodes/orders/items/x", BOB);
    assert_eq!(soon(http_send(rig.port, &waiting)).await.unwrap().status, 404);
    soon(stranger.read_to_end(&mut Vec::new())).await.unwrap();
}

#[tokio::test]
async fn what_is_no_http_costs_its_connection_only() {
    let rig = rig(HttpSettings::default()).await;
    for garbage in [
        &b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03"[..],
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"POST /v1/nodes/orders/events HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"POST /v1/nodes/orders/events HTTP/1.1\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabc",
        b"GET /\xff HTTP/1.1\r\n\r\n",
        &vec![b'a'; 1_000_000],
    ] {
        let mut socket = TcpStream::connect((Ipv4Addr::LOCALHOST, rig.port)).await.unwrap();
        // The server may close before all is written.
        let _ = socket.write_all(garbage).await;
        let mut answer = Vec::new();
        let _ = soon(socket.read_to_end(&mut answer)).await;
        assert!(!answer.starts_with(b"HTTP/1.1 2"), "{:?}", String::from_utf8_lossy(&answer));
    }
    rig.publish("orders", &order("o")).await;
}

#[tokio::test]
async fn who_does_not_read_a_stream_loses_it_and_holds_nobody_up() {
    const EVENTS: usize = 150;
    let patience = Duration::from_millis(200);
    let rig = rig(HttpSettings { reading_patience: patience, ..HttpSettings::default() }).await;
    let mut events = rig.open(stream("orders", "")).await;
    events.next().await;
    let mut large = order("o");
    large["data"] = "x".repeat(100_000).into();
    for _ in 0..EVENTS {
        soon(rig.publish("orders", &large)).await;
    }
    // What the sockets hold still comes; then the connection is gone, and not the rest.
    let mut read = 0;
    while let Ok(Some(_)) = soon(events.0.next()).await {
        read += 1;
    }
    assert!(read < EVENTS, "{read} events fit into the sockets");
}
