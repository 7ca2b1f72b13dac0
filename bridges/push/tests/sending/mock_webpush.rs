//! That the mock refuses what push services refuse.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bus_domain::push::{PushProvider, PushVerdict};
use hyper::Method;
use hyper::header::{HeaderMap, HeaderName, HeaderValue};
use outbound_http::{Request, Response};
use p256::ecdsa::signature::Signer as _;
use p256::ecdsa::{Signature, SigningKey};
use serde_json::{Value, json};

use crate::fixture::{Fixture, START_MS, address_of, alert};

/// A message that the mock takes, whose parts a test changes.
struct Recorded {
    fixture: Fixture,
    url: String,
    headers: HeaderMap,
    body: Vec<u8>,
}

#[tokio::test]
async fn requests_that_a_service_refuses_are_refused() {
    let recorded = Recorded::new().await;
    assert_eq!(recorded.send(|_| ()).await.status, 201, "as it is");
    let none = "";
    for (header, value, status, message) in [
        ("ttl", none, 400, "TTL is missing"),
        ("ttl", "-1", 400, "not a number"),
        ("ttl", "1.5", 400, "not a number"),
        ("urgency", "urgent", 400, "Urgency"),
        ("topic", "a b", 400, "Topic"),
        ("topic", "a123456789a123456789a123456789abc", 400, "Topic"),
        ("content-encoding", none, 400, "aes128gcm"),
        ("content-encoding", "aesgcm", 400, "aes128gcm"),
        ("authorization", none, 401, "Authorization"),
        ("authorization", "bearer x", 403, "vapid"),
        ("authorization", "vapid k=x", 403, "no t"),
        ("authorization", "vapid t=x", 403, "no k"),
        ("authorization", "vapid t=x, k=x", 403, "base64url"),
        ("authorization", "vapid t=x, k=AAAA", 403, "JWT"),
    ] {
        let answer = recorded
            .send(|request| {
                let name = HeaderName::from_static(header);
                if value.is_empty() {
                    request.headers.remove(name);
                } else {
                    request.headers.insert(name, HeaderValue::from_static(value));
                }
            })
            .await;
        assert_eq!(answer.status, status, "{header}: {value}");
        assert!(text(&answer).contains(message), "{header}: {value}: {}", text(&answer));
    }
    let answer = recorded.send(|request| request.method = Method::PUT).await;
    assert_eq!(answer.status, 405);
    let missing = recorded.fixture.http.guard().check_url(&format!("{}x", recorded.url)).unwrap();
    let answer = recorded.send(|request| request.target = missing).await;
    assert_eq!(answer.status, 404);
    assert_eq!(recorded.fixture.mock.counts(PushProvider::WebPush).taken, 2);
}

#[tokio::test]
async fn bodies_that_cannot_be_decrypted_are_refused() {
    let recorded = Recorded::new().await;
    let length = recorded.body.len();
    for (name, body, status, message) in [
        ("empty", Vec::new(), 400, "cut off"),
        ("no key", recorded.body[..21].to_vec(), 400, "cut off"),
        ("compressed key", with_byte(&recorded.body, 21, 2), 400, "uncompressed"),
        ("another point", with_byte(&recorded.body, 40, recorded.body[40] ^ 1), 400, "curve"),
        ("another salt", with_byte(&recorded.body, 0, recorded.body[0] ^ 1), 400, "decrypted"),
        (
            "another tag",
            with_byte(&recorded.body, length - 1, recorded.body[length - 1] ^ 1),
            400,
            "decrypted",
        ),
        ("a small record", with_byte(&recorded.body, 18, 0), 400, "one record"),
        ("cut", recorded.body[..length - 1].to_vec(), 400, "decrypted"),
        ("long", vec![0; 4_097], 413, "4096"),
    ] {
        let answer = recorded.send(|request| request.body = body.into()).await;
        assert_eq!(answer.status, status, "{name}");
        assert!(text(&answer).contains(message), "{name}: {}", text(&answer));
    }
}

#[tokio::test]
async fn tokens_that_are_not_for_this_service_and_this_time_are_refused() {
    let recorded = Recorded::new().await;
    let now_s = START_MS / 1_000;
    let aud = recorded.fixture.mock.url().to_owned();
    let good = json!({ "aud": aud, "exp": now_s + 60, "sub": "mailto:a@example.org" });
    let with = |name: &str, value: Value| {
        let mut claims = good.clone();
        claims[name] = value;
        claims
    };
    for (claims, status, message) in [
        (good.clone(), 201, ""),
        (with("aud", json!("https://push.example.net")), 403, "aud"),
        (with("exp", json!(now_s - 1)), 403, "exp"),
        (with("exp", json!(now_s + 86_401)), 403, "exp"),
        (with("exp", json!("soon")), 403, "exp"),
        (with("sub", json!("a@example.org")), 403, "sub"),
    ] {
        let answer = recorded.send(|request| sign(request, "ES256", &claims)).await;
        assert_eq!(answer.status, status, "{claims}: {}", text(&answer));
        assert!(text(&answer).contains(message), "{claims}: {}", text(&answer));
    }
    let answer = recorded.send(|request| sign(request, "none", &good)).await;
    assert_eq!((answer.status.as_u16(), text(&answer).contains("ES256")), (403, true));
}

#[tokio::test]
async fn the_mock_is_reached_over_http_too() {
    let recorded = Recorded::new().await;
    let control = async |method: Method, path: &str, body: &str| {
        let url = format!("{}/mock/{path}", recorded.fixture.mock.url());
        let target = recorded.fixture.http.guard().check_url(&url).unwrap();
        let request = Request { method, target, headers: HeaderMap::new(), body: body.to_owned().into() };
        recorded.fixture.http.send(&request).await.unwrap()
    };
    let made = control(Method::POST, "subscriptions", "{}").await;
    assert_eq!(made.status, 201);
    assert!(text(&made).contains("p256dh"));
    let fault = r#"[{"provider":"webpush","times":1,"fault":{"answer":{"status":410}}}]"#;
    assert_eq!(control(Method::POST, "faults", fault).await.status, 204);
    assert_eq!(recorded.send(|_| ()).await.status, 410);
    assert_eq!(control(Method::POST, "faults", fault).await.status, 204);
    assert_eq!(control(Method::DELETE, "faults", "").await.status, 204);
    assert_eq!(recorded.send(|_| ()).await.status, 201);
    assert_eq!(control(Method::POST, "faults", "[{}]").await.status, 400);
    let received: Value = serde_json::from_slice(&control(Method::GET, "received", "").await.body).unwrap();
    assert_eq!(
        (received[0]["number"].as_u64(), received[0]["provider"].as_str()),
        (Some(1), Some("webpush"))
    );
    let none: Value =
        serde_json::from_slice(&control(Method::GET, "received?after=2", "").await.body).unwrap();
    assert_eq!(none, json!([]));
    let counts: Value = serde_json::from_slice(&control(Method::GET, "counts", "").await.body).unwrap();
    assert_eq!(counts["webpush"], json!({ "taken": 2, "refused": 0, "failed": 1 }));
    assert_eq!(control(Method::GET, "nonsense", "").await.status, 404);
}

impl Recorded {
    /// What our sender has sent once.
    async fn new() -> Self {
        let fixture = Fixture::new().await;
        let sink = fixture.webpush();
        let subscription = fixture.mock.subscribe(None);
        let outcome = fixture.send(&sink, &address_of(&subscription), &alert()).await;
        assert_eq!(outcome.verdict, PushVerdict::Delivered, "{outcome:?}");
        let received = fixture.mock.received().remove(0);
        let mut headers = HeaderMap::new();
        for name in ["authorization", "content-encoding", "ttl", "urgency"] {
            headers.insert(name, HeaderValue::try_from(&received.headers[name]).unwrap());
        }
        let body = received.body.to_vec();
        Self { url: subscription.endpoint, headers, body, fixture }
    }

    async fn send(&self, change: impl FnOnce(&mut Request)) -> Response {
        let target = self.fixture.http.guard().check_url(&self.url).unwrap();
        let mut request = Request {
            method: Method::POST,
            target,
            headers: self.headers.clone(),
            body: self.body.clone().into(),
        };
        change(&mut request);
        self.fixture.http.send(&request).await.unwrap()
    }
}

fn sign(request: &mut Request, algorithm: &str, claims: &Value) {
    let key = SigningKey::from_slice(&[7; 32]).unwrap();
    let encode = |part: &Value| URL_SAFE_NO_PAD.encode(part.to_string());
    let signed = format!("{}.{}", encode(&json!({ "alg": algorithm })), encode(claims));
    let signature: Signature = key.sign(signed.as_bytes());
    let public_key = URL_SAFE_NO_PAD.encode(key.verifying_key().to_sec1_point(false).as_bytes());
    let token = format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature.to_bytes()));
    let header = HeaderValue::try_from(format!("vapid t={token}, k={public_key}")).unwrap();
    request.headers.insert("authorization", header);
}

fn with_byte(body: &[u8], at: usize, byte: u8) -> Vec<u8> {
    let mut body = body.to_vec();
    body[at] = byte;
    body
}

fn text(response: &Response) -> String {
    String::from_utf8_lossy(&response.body).into_owned()
}
