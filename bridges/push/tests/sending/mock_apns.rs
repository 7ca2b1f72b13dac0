//! That the mock refuses what Apple refuses.

use hyper::Method;
use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use outbound_http::{Request, Response};

use crate::fixture::{Fixture, alert, apple_device};

#[tokio::test]
async fn requests_that_apple_refuses_are_refused() {
    let fixture = Fixture::new().await;
    fixture.send(&fixture.apns(), &apple_device(), &alert()).await;
    let received = fixture.mock.received().remove(0);
    let send = async |change: &dyn Fn(&mut Request)| {
        let url = format!("{}/3/device/{}", fixture.mock.url(), received.target);
        let target = fixture.http.guard().check_url(&url).unwrap();
        let mut headers = HeaderMap::new();
        for (name, value) in received.headers.iter().filter(|(name, _)| *name != "content-length") {
            headers.insert(HeaderName::try_from(name).unwrap(), HeaderValue::try_from(value).unwrap());
        }
        let mut request = Request { method: Method::POST, target, headers, body: received.body.clone() };
        change(&mut request);
        fixture.http.send(&request).await.unwrap()
    };
    assert_eq!(send(&|_| ()).await.status, 200, "as it is");
    for (header, value, status, reason) in [
        ("authorization", None, 403, "MissingProviderToken"),
        ("authorization", Some("bearer x.y.z"), 403, "InvalidProviderToken"),
        ("apns-id", Some("7"), 400, "BadMessageId"),
        ("apns-push-type", Some("shout"), 400, "InvalidPushType"),
        ("apns-topic", None, 400, "MissingTopic"),
        ("apns-topic", Some("org.example.app.voip"), 400, "TopicDisallowed"),
        ("apns-push-type", Some("voip"), 400, "TopicDisallowed"),
        ("apns-priority", Some("7"), 400, "BadPriority"),
        ("apns-push-type", Some("background"), 400, "BadPriority"),
        ("apns-expiration", Some("soon"), 400, "BadExpirationDate"),
        (
            "apns-collapse-id",
            Some("a1234567890123456789012345678901234567890123456789012345678901234"),
            400,
            "BadCollapseId",
        ),
    ] {
        let answer = send(&|request| match value {
            Some(value) => drop(request.headers.insert(header, HeaderValue::from_static(value))),
            None => drop(request.headers.remove(header)),
        })
        .await;
        check(&answer, status, reason);
    }
    let append = |request: &mut Request| {
        request.headers.append("apns-topic", HeaderValue::from_static("x"));
    };
    let twice = send(&append).await;
    check(&twice, 400, "DuplicateHeaders");
    check(&send(&|request| request.method = Method::GET).await, 405, "MethodNotAllowed");
    check(&send(&|request| request.body = "".into()).await, 400, "PayloadEmpty");
    check(&send(&|request| request.body = "{}".into()).await, 400, "PayloadEmpty");
    check(&send(&|request| request.body = vec![b'x'; 4_097].into()).await, 413, "PayloadTooLarge");
    let odd = |request: &mut Request| request.target = request.target.with_path("/3/device/0g");
    check(&send(&odd).await, 400, "BadDeviceToken");
    fixture.clock.advance_ms(3_601_000);
    check(&send(&|_| ()).await, 403, "ExpiredProviderToken");
    assert_eq!(fixture.mock.received().len(), 2);
}

#[tokio::test]
async fn senders_that_make_a_token_for_each_push_are_refused() {
    let fixture = Fixture::new().await;
    let mut reasons = Vec::new();
    for _ in 0..2 {
        reasons.push(fixture.send(&fixture.apns(), &apple_device(), &alert()).await.reason);
        fixture.clock.advance_ms(1_000);
    }
    assert_eq!(reasons, ["accepted", "TooManyProviderTokenUpdates"]);
}

#[track_caller]
fn check(answer: &Response, status: u16, reason: &str) {
    let body = String::from_utf8_lossy(&answer.body);
    assert_eq!((answer.status.as_u16(), &*body), (status, &*format!(r#"{{"reason":"{reason}"}}"#)));
}
