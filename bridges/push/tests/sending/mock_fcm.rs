//! That the mock refuses what Google refuses.

use bus_domain::push::PushVerdict;
use hyper::Method;
use hyper::header::{HeaderMap, HeaderValue};
use outbound_http::{Request, Response};
use serde_json::{Value, json};

use crate::fixture::{Fixture, alert, android_device};

#[tokio::test]
async fn messages_that_google_refuses_are_refused() {
    let fixture = Fixture::with_fcm().await;
    let outcome = fixture.send(&fixture.fcm(), &android_device(), &alert()).await;
    assert_eq!(outcome.verdict, PushVerdict::Delivered);
    let authorization = fixture.mock.received()[0].headers["authorization"].clone();
    let send = async |project: &str, authorization: &str, message: Value| {
        let headers = [("authorization", authorization)];
        let path = format!("/v1/projects/{project}/messages:send");
        post(&fixture, &path, &headers, json!({ "message": message }).to_string()).await
    };
    let good = json!({ "token": "t" });
    assert_eq!(send("mock-project", &authorization, good.clone()).await.status, 200);
    assert_eq!(send("mock-project", "Bearer x", good.clone()).await.status, 401);
    assert_eq!(send("other-project", &authorization, good.clone()).await.status, 403);
    for (message, field) in [
        (json!({}), "message"),
        (json!({ "token": "t", "data": [] }), "message.data"),
        (json!({ "token": "t", "data": { "from": "x" } }), "message.data[from]"),
        (json!({ "token": "t", "data": { "x": 1 } }), "message.data[x]"),
        (json!({ "token": "t", "android": { "priority": "high" } }), "message.android.priority"),
        (json!({ "token": "t", "android": { "ttl": "2419201s" } }), "message.android.ttl"),
        (json!({ "token": "t", "data": { "x": "y".repeat(4_100) } }), "message"),
    ] {
        let answer = send("mock-project", &authorization, message.clone()).await;
        let body: Value = serde_json::from_slice(&answer.body).unwrap();
        assert_eq!(answer.status, 400, "{message}");
        assert_eq!(body["error"]["details"][0]["fieldViolations"][0]["field"], field, "{message}");
    }
    fixture.clock.advance_ms(3_600_000);
    assert_eq!(send("mock-project", &authorization, good).await.status, 401, "an hour later");
}

#[tokio::test]
async fn assertions_that_google_refuses_are_refused() {
    let fixture = Fixture::with_fcm().await;
    let other_type = "grant_type=client_credentials".to_owned();
    let no_jwt = "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion=x".to_owned();
    let unsigned = format!("{no_jwt}.e30.e30");
    for (form, error) in
        [(other_type, "unsupported_grant_type"), (no_jwt, "invalid_grant"), (unsigned, "invalid_grant")]
    {
        let answer = post(&fixture, "/token", &[], form.clone()).await;
        let body: Value = serde_json::from_slice(&answer.body).unwrap();
        assert_eq!((answer.status.as_u16(), body["error"].as_str()), (400, Some(error)), "{form}");
    }
}

async fn post(fixture: &Fixture, path: &str, headers: &[(&'static str, &str)], body: String) -> Response {
    let target = fixture.http.guard().check_url(fixture.mock.url()).unwrap().with_path(path);
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.insert(*name, HeaderValue::try_from(*value).unwrap());
    }
    let request = Request { method: Method::POST, target, headers: map, body: body.into() };
    fixture.http.send(&request).await.unwrap()
}
