//! The client against servers on loopback, some of which know how to behave.
//!
//! `cfg(test)` tells clippy that whole modules are tests.

#[cfg(test)]
mod raw_http2;
#[cfg(test)]
mod server;

use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use hyper::{Method, StatusCode};
use outbound_http::{Client, ConnectError, Guard, Refused, Request, SendError, Settings};

use crate::raw_http2::Moves;
use crate::server::{Authority, Server};

#[tokio::test]
async fn both_versions_of_http_are_spoken() {
    let authority = Authority::new();
    for alpn in ["h2", "http/1.1"] {
        let server = Server::start(&authority, &[alpn]).await;
        let client = client(&authority, |_| ());
        for _ in 0..2 {
            let answer = client.send(&server.request("/echo?of=this", "body")).await.unwrap();
            assert_eq!(
                (answer.status, &answer.body[..]),
                (StatusCode::OK, &b"/echo?of=this body"[..]),
                "{alpn}"
            );
        }
        let expected = if alpn == "h2" { 1 } else { 2 };
        assert_eq!(client.connections_opened(), expected, "{alpn}");
    }
}

#[tokio::test]
async fn requests_share_connections_and_one_more_is_opened_when_they_are_full() {
    let authority = Authority::new();
    let server = Server::start(&authority, &["h2"]).await;
    let client = client(&authority, |settings| {
        settings.connections_per_origin_max = 3;
        settings.requests_per_connection = 17;
    });
    let request = server.request("/when-all-are-there?50", "");
    let answers = join_all((0..50).map(|_| client.send(&request))).await;
    assert!(answers.iter().all(|answer| answer.as_ref().unwrap().status == StatusCode::OK));
    assert_eq!(client.connections_opened(), 3);
}

#[tokio::test]
async fn a_connection_without_requests_is_closed_and_one_with_a_long_request_is_not() {
    let authority = Authority::new();
    let server = Server::start(&authority, &["h2"]).await;
    let client = client(&authority, |settings| {
        settings.requests_per_connection = 1;
        settings.idle_max = Duration::from_millis(100);
    });
    let both = server.request("/when-all-are-there?2", "");
    let (one, asked) = (client.clone(), both.clone());
    let long = tokio::spawn(async move { one.send(&asked).await });
    while server.connections_taken() == 0 {
        tokio::task::yield_now().await;
    }
    client.send(&server.request("/", "")).await.unwrap();
    server.connection_ended().await;
    client.send(&both).await.unwrap();
    assert_eq!(long.await.unwrap().unwrap().status, StatusCode::OK, "its connection was there all the time");
    assert_eq!(client.connections_opened(), 3, "the second one was closed");
    server.connection_ended().await;
    server.connection_ended().await;
}

/// Apple's service takes one request of a connection at a time until it knows the sender.
#[tokio::test]
async fn requests_wait_for_a_server_that_takes_few_at_a_time() {
    let authority = Authority::new();
    let server = Server::start_taking(&authority, &["h2"], 1).await;
    let client = client(&authority, |settings| settings.connections_per_origin_max = 1);
    let request = server.request("/", "");
    client.send(&request).await.unwrap();
    let answers = join_all((0..50).map(|_| client.send(&request))).await;
    assert!(answers.iter().all(|answer| answer.as_ref().unwrap().status == StatusCode::OK));
    assert_eq!((client.connections_opened(), client.requests_moved()), (1, 0));
}

#[tokio::test]
async fn a_private_address_is_never_connected_to() {
    let authority = Authority::new();
    let server = Server::start(&authority, &["h2"]).await;
    let client = client(&authority, |settings| settings.guard = Guard::default());
    // By its name: an address would not get past the check of the URL.
    let target = client.guard().check_url(&format!("https://localhost:{}/", server.port())).unwrap();
    let request = Request { target, ..server.request("/", "") };
    let error = client.send(&request).await.unwrap_err();
    assert!(matches!(error.refused(), Some(Refused::Address { host, .. }) if host == "localhost"), "{error}");
    assert!(error.is_certainly_undone());
    assert_eq!((client.connections_opened(), server.connections_taken()), (0, 0));
}

#[tokio::test]
async fn a_certificate_that_nobody_trusts_is_refused() {
    let server = Server::start(&Authority::new(), &["h2"]).await;
    let error = client(&Authority::new(), |_| ()).send(&server.request("/", "")).await.unwrap_err();
    assert!(
        matches!(&error, SendError::Connect(error) if matches!(**error, ConnectError::Tls { .. })),
        "{error}"
    );
}

/// The server answers stream 1 and says that it has taken no other, while three are under way.
#[tokio::test]
async fn what_goaway_leaves_out_goes_to_another_connection_and_nothing_goes_twice() {
    let authority = Authority::new();
    let server = raw_http2::start(&authority, vec![Moves::GoAwayAfterFirstOf(3), Moves::AnswerAll]).await;
    let client = client(&authority, |_| ());
    let request = server.request("/");
    let answers = join_all((0..3).map(|_| client.send(&request))).await;
    assert!(answers.iter().all(|answer| answer.as_ref().unwrap().status == StatusCode::OK), "{answers:?}");
    assert_eq!((client.connections_opened(), client.requests_moved()), (2, 2));
    assert_eq!(server.answered(), 3);
}

#[tokio::test]
async fn a_server_that_turns_everything_away_is_asked_three_times() {
    let authority = Authority::new();
    let server = raw_http2::start(&authority, vec![Moves::RefuseAll; 3]).await;
    let error = client(&authority, |_| ()).send(&server.request("/")).await.unwrap_err();
    assert!(matches!(error, SendError::NotBegun { attempts: 3 }), "{error}");
    assert!(error.is_certainly_undone());
}

#[tokio::test]
async fn what_is_cut_off_may_have_been_done() {
    let authority = Authority::new();
    let server = raw_http2::start(&authority, vec![Moves::CutAfter(1)]).await;
    let client = client(&authority, |_| ());
    let error = client.send(&server.request("/")).await.unwrap_err();
    assert!(matches!(error, SendError::CutOff(_)) && !error.is_certainly_undone(), "{error}");
    assert_eq!(client.requests_moved(), 0);
}

#[tokio::test]
async fn a_server_that_says_nothing_is_given_up() {
    let authority = Authority::new();
    let server = raw_http2::start(&authority, vec![Moves::SayNothing]).await;
    let client = client(&authority, |settings| settings.request_timeout = Duration::from_millis(50));
    let error = client.send(&server.request("/")).await.unwrap_err();
    assert!(matches!(error, SendError::Timeout { .. }) && !error.is_certainly_undone(), "{error}");
}

#[tokio::test]
async fn a_connection_on_which_nobody_answers_is_left() {
    let authority = Authority::new();
    let server = raw_http2::start(&authority, vec![Moves::SayNothing, Moves::AnswerAll]).await;
    let client = client(&authority, |settings| settings.request_timeout = Duration::from_secs(3));
    assert!(client.send(&server.request("/")).await.is_err());
    assert!(client.send(&server.request("/")).await.unwrap().status.is_success());
    assert_eq!(client.connections_opened(), 2);
}

#[tokio::test]
async fn an_answer_counts_though_its_body_does_not_end() {
    let authority = Authority::new();
    let server = raw_http2::start(&authority, vec![Moves::AnswerWithoutEnd]).await;
    let client = client(&authority, |settings| settings.request_timeout = Duration::from_secs(3));
    let answer = client.send(&server.request("/")).await.unwrap();
    assert_eq!((answer.status, answer.body.len()), (StatusCode::OK, 0));
}

#[tokio::test]
async fn who_waits_for_a_connection_that_fails_shares_the_failure() {
    let authority = Authority::new();
    let server = Server::start(&Authority::new(), &["h2"]).await;
    let client = client(&authority, |_| ());
    let request = server.request("/", "");
    let errors = join_all((0..20).map(|_| client.send(&request))).await;
    assert!(errors.iter().all(Result::is_err));
    assert_eq!(server.connections_taken(), 1);
    assert!(client.send(&request).await.is_err());
    assert_eq!(server.connections_taken(), 2, "a later request tries again");
}

#[tokio::test]
async fn a_long_answer_is_cut_and_counts() {
    let authority = Authority::new();
    let server = Server::start(&authority, &["h2"]).await;
    let client = client(&authority, |settings| settings.response_bytes_max = 1_000);
    let answer = client.send(&server.request("/long", "")).await.unwrap();
    assert_eq!((answer.status, answer.body.len()), (StatusCode::OK, 1_000));
}

#[cfg(test)]
fn client(authority: &Arc<Authority>, change: impl FnOnce(&mut Settings)) -> Client {
    let mut settings = Settings {
        guard: loopback_guard(),
        authorities_pem: Some(authority.pem().into_bytes()),
        ..Settings::default()
    };
    change(&mut settings);
    Client::new(settings).unwrap()
}

#[cfg(test)]
fn loopback_guard() -> Guard {
    Guard::allowing(vec!["127.0.0.0/8".parse().unwrap(), "::1".parse().unwrap()])
}

#[cfg(test)]
fn request_to(port: u16, path: &str, body: &'static str) -> Request {
    let target = loopback_guard().check_url(&format!("https://127.0.0.1:{port}{path}")).unwrap();
    Request { method: Method::POST, target, headers: hyper::HeaderMap::new(), body: body.into() }
}
