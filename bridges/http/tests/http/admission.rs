//! Who is let in, and for how long.

use bridge_http::{HttpSettings, ServeError, serve};
use bus_admission::{Credentials, JwtIssuer, JwtRule};
use bus_domain::BareJid;
use bus_engine::{Engine, Settings, SystemClock, SystemIds};
use bus_store_sqlite::SqliteStore;
use harness::HttpRequest;
use serde_json::json;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::rig::{
    ALICE, BOB, DOMAIN, Rig, access_token, credentials, expect_problem, order, publish_request, request,
    stream,
};

#[tokio::test]
async fn nobody_gets_in_without_a_token_that_counts() {
    let rig = Rig::start().await;
    rig.create("orders").await;
    rig.credentials.replace(Credentials {
        tokens: vec![access_token(ALICE), access_token(BOB).expiring(1)],
        ..credentials()
    });
    for (authorization, reason) in [
        (None, "TOKEN_MISSING"),
        (Some("Basic YTpi"), "TOKEN_MISSING"),
        (Some("Bearer "), "TOKEN_MISSING"),
        (Some("Bearer nonsense"), "TOKEN_INVALID"),
        (Some("Bearer token-of-bob"), "TOKEN_EXPIRED"),
    ] {
        for (method, path) in [
            ("GET", "/v1/nodes/orders/events"),
            ("POST", "/v1/nodes/orders/events"),
            ("GET", "/v1/nodes/no-such-node/items/x"),
        ] {
            let request = HttpRequest { method, path: path.into(), ..HttpRequest::default() };
            let request =
                authorization.into_iter().fold(request, |it, value| it.header("authorization", value));
            let answer = rig.send(request).await;
            expect_problem(&answer, 401, reason, None);
            assert!(
                answer.header("www-authenticate").is_some_and(|it| it.starts_with("Bearer")),
                "{answer:?}"
            );
        }
    }
    let lower = request("POST", "/v1/nodes/orders/events", "x");
    let lower = HttpRequest { headers: publish_request("orders", &order("o")).headers, ..lower };
    let headers = lower.headers.into_iter().map(|(name, value)| (name, value.replace("Bearer", "bearer")));
    let body = order("o").to_string().into_bytes();
    let answer =
        rig.send(HttpRequest { method: "POST", path: lower.path, headers: headers.collect(), body }).await;
    assert_eq!(answer.status, 200, "the scheme's case does not matter: {answer:?}");
}

#[tokio::test]
async fn a_stream_ends_with_its_credential() {
    let rig = Rig::start().await;
    rig.create("orders").await;
    let mut events = rig.open(stream("orders", "")).await;
    events.next().await;
    rig.credentials.replace(Credentials { tokens: vec![access_token(ALICE)], ..credentials() });
    let ended = events.expect(None, Some("ended")).await;
    assert_eq!((&ended["reason"], &ended["status"]), (&json!("TOKEN_INVALID"), &json!(401)));
    events.expect_end().await;
}

#[tokio::test]
async fn a_token_that_an_issuer_has_signed_counts_as_long_as_its_keys_do() {
    let rig = Rig::start().await;
    rig.create("orders").await;
    let rule = JwtRule {
        issuer: "https://login.example.org".to_owned(),
        audience: "stanzabus".to_owned(),
        claim: "sub".to_owned(),
        prefix: "login-".to_owned(),
        domain: BareJid::new(DOMAIN).unwrap(),
        may_create: false,
        may_administer: false,
    };
    let keys = include_str!("../../../../src/bus-admission/src/jwt/fixtures/rsa.jwks.json");
    let token = include_str!("../../../../src/bus-admission/src/jwt/fixtures/rs256.jwt").trim();
    let replace = |keys: &str| {
        let issuers = vec![JwtIssuer::new(rule.clone(), keys).unwrap()];
        rig.credentials.replace(Credentials { issuers, ..credentials() });
    };
    let shown = |path: &str| {
        let request = HttpRequest { method: "GET", path: path.into(), ..HttpRequest::default() };
        request.header("Authorization", format!("Bearer {token}"))
    };
    replace(keys);
    expect_problem(&rig.send(shown("/v1/nodes/orders/items/none")).await, 404, "ITEM_NOT_FOUND", None);
    let mut events = rig.open(shown("/v1/nodes/orders/events")).await;
    events.next().await;
    replace(&keys.replace("\"rsa\"", "\"another\""));
    assert_eq!(events.expect(None, Some("ended")).await["reason"], "TOKEN_INVALID");
    let refused = rig.send(shown("/v1/nodes/orders/items/none")).await;
    expect_problem(&refused, 401, "TOKEN_INVALID", None);
    assert!(refused.body.contains("no key of its kid and algorithm"), "{refused:?}");
}

#[tokio::test]
async fn an_address_beyond_loopback_wants_tls_or_leave() {
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(SqliteStore::open(&folder.path().join("bus.db")).await.unwrap());
    let stop = CancellationToken::new();
    let (clock, ids) = (Arc::new(SystemClock), Arc::new(SystemIds));
    let engine = Engine::start(store, Settings::default(), clock, ids, stop.clone()).await.unwrap().engine;
    let listener = TcpListener::bind("0.0.0.0:0").await.unwrap();
    let result = serve(engine, HttpSettings::default(), listener, stop).await;
    let Err(ServeError::Settings(error)) = result else { panic!("{result:?}") };
    assert!(error.to_string().contains("[http.tls]"), "{error}");
}
