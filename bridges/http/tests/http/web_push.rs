//! Pushes of application servers, which know nothing but an address.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use bus_domain::push::{Inlet, InletTarget};
use bus_domain::retrieve::{Page, PageAt, Selection};
use bus_domain::{Actor, BareJid, NodeConfig, NodeName, PublishModel, Role};
use bus_engine::{Command, PushError, Verb};
use harness::{HttpRequest, HttpResponse};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use serde_json::{Value, json};

use crate::rig::{ALICE, PUBLIC_URL, Rig, expect_problem, jid_of, request};

impl Rig {
    async fn open_inlet(&self, sender_key: Option<Vec<u8>>) -> Result<Inlet, PushError> {
        self.pushes.open_web_inlet(&self.engine, &alice(), "Toots", sender_key).await
    }

    /// Ids and payloads of the items that pushes have become, newest first.
    async fn items(&self, inlet: &Inlet) -> Vec<(String, String)> {
        let page = Selection::Page(Page { at: PageAt::First, items_max: 9 });
        let found = self.engine.items(&alice(), &node_of(inlet), page).await.unwrap().items;
        let item = |event: &bus_domain::Event| {
            let payload = event.kind.payload().unwrap().as_str().to_owned();
            (event.kind.item_id().unwrap().to_string(), payload)
        };
        found.iter().map(item).collect()
    }
}

fn alice() -> Actor {
    Actor::new(jid_of(ALICE), Role::User)
}

fn node_of(inlet: &Inlet) -> NodeName {
    let InletTarget::Node { node, .. } = &inlet.target else { panic!("it leads to a node") };
    node.clone()
}

fn path(inlet: &Inlet) -> String {
    format!("/v1/push/{}{}", inlet.id, inlet.secret)
}

/// A push that lives for a minute.
fn push(inlet: &Inlet, body: impl Into<Vec<u8>>) -> HttpRequest {
    let request =
        HttpRequest { method: "POST", path: path(inlet), body: body.into(), ..HttpRequest::default() };
    request.header("TTL", "60")
}

#[tokio::test]
async fn a_push_becomes_an_item_with_its_body_as_it_came() {
    let rig = Rig::start().await;
    let inlet = rig.open_inlet(None).await.unwrap();
    let body: Vec<u8> = (0..=255).collect();
    let encrypted =
        push(&inlet, body.clone()).header("Content-Encoding", "aes128gcm").header("Urgency", "high");
    let answer = rig.send(encrypted).await;
    assert_eq!((answer.status, answer.header("ttl")), (201, Some("60")), "{answer:?}");
    let items = rig.items(&inlet).await;
    let location = format!("{PUBLIC_URL}{}/{}", &path(&inlet)[1..], items[0].0);
    assert_eq!(answer.header("location"), Some(location.as_str()));
    let payload = &items[0].1;
    for part in ["urgency='high'", "content-encoding='aes128gcm'", &STANDARD.encode(&body)] {
        assert!(payload.contains(part), "{payload}");
    }
    // Some distributors' servers push in the clear.
    assert_eq!(rig.send(push(&inlet, "hello")).await.status, 201);
    assert_eq!(rig.items(&inlet).await.len(), 2);
}

#[tokio::test]
async fn a_later_push_of_a_topic_takes_the_place_of_the_one_before() {
    let rig = Rig::start().await;
    let inlet = rig.open_inlet(None).await.unwrap();
    for body in ["one", "two"] {
        assert_eq!(rig.send(push(&inlet, body).header("Topic", "news")).await.status, 201);
    }
    let items = rig.items(&inlet).await;
    assert_eq!((items.len(), items[0].0.as_str()), (1, "topic-news"));
    assert!(items[0].1.contains(&STANDARD.encode("two")) && items[0].1.contains("topic='news'"), "{items:?}");
}

#[tokio::test]
async fn what_is_wrong_with_a_push_is_told_as_push_services_tell_it() {
    let rig = Rig::start().await;
    let inlet = rig.open_inlet(None).await.unwrap();
    let invalid =
        |answer: HttpResponse, header| expect_problem(&answer, 400, "REQUEST_INVALID", Some(header));
    let bare = HttpRequest { method: "POST", path: path(&inlet), ..HttpRequest::default() };
    invalid(rig.send(bare.clone()).await, "TTL");
    invalid(rig.send(bare.header("TTL", "soon")).await, "TTL");
    invalid(rig.send(push(&inlet, "").header("Topic", "a b")).await, "Topic");
    invalid(rig.send(push(&inlet, "").header("Urgency", "now")).await, "Urgency");
    invalid(rig.send(push(&inlet, "").header("Content-Encoding", "a'b")).await, "Content-Encoding");
    assert_eq!(rig.send(push(&inlet, vec![0; 4_096])).await.status, 201);
    expect_problem(&rig.send(push(&inlet, vec![0; 4_097])).await, 413, "BODY_TOO_LARGE", None);

    let other = Inlet { secret: bus_domain::push::InletSecret([0; 16]), ..inlet.clone() };
    expect_problem(&rig.send(push(&other, "")).await, 404, "PUSH_ADDRESS_NOT_FOUND", None);
    let path = "/v1/push/x".to_owned();
    expect_problem(
        &rig.send(HttpRequest { path, ..push(&inlet, "") }).await,
        404,
        "PUSH_ADDRESS_NOT_FOUND",
        None,
    );

    // One more every second is let in, so the last of many need not be one that is refused.
    let mut refused = rig.send(push(&inlet, "")).await;
    while refused.status == 201 {
        refused = rig.send(push(&inlet, "")).await;
    }
    expect_problem(&refused, 429, "LIMIT_REACHED", None);
    assert_eq!(refused.header("retry-after"), Some("1"));
}

#[tokio::test]
async fn an_address_ends_with_its_registration_and_with_its_node() {
    let rig = Rig::start().await;
    let [first, second] = [rig.open_inlet(None).await.unwrap(), rig.open_inlet(None).await.unwrap()];
    assert!(matches!(rig.open_inlet(None).await, Err(PushError::TooManyInlets { inlets_max: 2 })));
    rig.execute(node_of(&first).as_str(), Verb::Delete(None)).await;
    // The name is free: whoever takes it gets none of what is pushed to alice.
    let mallory = Actor::new(BareJid::new("mallory@example.org").unwrap(), Role::Creator);
    let config = NodeConfig { publish_model: PublishModel::Open, ..NodeConfig::default() };
    let command = Command { actor: mallory, node: node_of(&first), verb: Verb::Create(config) };
    rig.engine.execute(command).await.unwrap();
    expect_problem(&rig.send(push(&first, "")).await, 410, "PUSH_ADDRESS_GONE", None);
    let again = rig.open_inlet(None).await.expect("what has ended does not count");
    rig.pushes.close_inlet(&rig.engine, &alice(), again.id).await.unwrap();
    rig.pushes.close_inlet(&rig.engine, &alice(), second.id).await.unwrap();
    for gone in [&first, &second] {
        expect_problem(&rig.send(push(gone, "")).await, 404, "PUSH_ADDRESS_NOT_FOUND", None);
    }
    let counts: Vec<_> = rig.pushes.counts_in().iter().map(|it| (it.leg, it.result, it.count)).collect();
    assert_eq!(counts, [("web", "unknown", 3)]);
}

#[tokio::test]
async fn an_app_finds_out_that_an_address_takes_pushes() {
    let rig = Rig::start().await;
    let answer = rig
        .send(HttpRequest { method: "GET", path: "/v1/push/x".to_owned(), ..HttpRequest::default() })
        .await;
    assert_eq!(answer.status, 200);
    let document: Value = serde_json::from_str(&answer.body).unwrap();
    assert_eq!(document, json!({ "unifiedpush": { "version": 1 } }));
    let with_put = request("PUT", "/v1/push/x", ALICE);
    expect_problem(&rig.send(with_put).await, 405, "METHOD_NOT_ALLOWED", None);
}

/// Who signs, and with what.
struct Sender(EcdsaKeyPair);

impl Sender {
    fn new() -> Self {
        let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
        let key = EcdsaKeyPair::generate_pkcs8(algorithm, &SystemRandom::new()).unwrap();
        Self(EcdsaKeyPair::from_pkcs8(algorithm, key.as_ref(), &SystemRandom::new()).unwrap())
    }

    fn key(&self) -> Vec<u8> {
        self.0.public_key().as_ref().to_vec()
    }

    fn authorization(&self, algorithm: &str, audience: &str, expires_at_s: i64) -> String {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let head = part(&json!({ "typ": "JWT", "alg": algorithm }));
        let signed =
            format!("{head}.{}", part(&json!({ "aud": audience, "exp": expires_at_s, "sub": "mailto:a@b" })));
        let signature = self.0.sign(&SystemRandom::new(), signed.as_bytes()).unwrap();
        let signature = URL_SAFE_NO_PAD.encode(signature);
        format!("vapid t={signed}.{signature}, k={}", URL_SAFE_NO_PAD.encode(self.key()))
    }
}

#[tokio::test]
async fn an_address_that_was_made_for_a_key_takes_pushes_of_its_holder_only() {
    let rig = Rig::start().await;
    let (sender, other) = (Sender::new(), Sender::new());
    let inlet = rig.open_inlet(Some(sender.key())).await.unwrap();
    let (origin, now_s) = ("https://bus.example.org", rig.engine.now_ms() / 1_000);
    let send =
        async |authorization: String| rig.send(push(&inlet, "").header("Authorization", authorization)).await;
    let good = sender.authorization("ES256", origin, now_s + 3_600);
    assert_eq!(send(good.clone()).await.status, 201);
    let missing = rig.send(push(&inlet, "")).await;
    expect_problem(&missing, 401, "VAPID_REQUIRED", None);
    assert_eq!(missing.header("www-authenticate"), Some("vapid"));
    expect_problem(&send("Bearer x".to_owned()).await, 401, "VAPID_REQUIRED", None);
    // Its key, with a signature of another one.
    let (signed, _) = other
        .authorization("ES256", origin, now_s + 3_600)
        .split_once(", k=")
        .map(|(t, k)| (t.to_owned(), k.to_owned()))
        .unwrap();
    let forged = format!("{signed}, k={}", URL_SAFE_NO_PAD.encode(sender.key()));
    for wrong in [
        other.authorization("ES256", origin, now_s + 3_600),
        forged,
        sender.authorization("none", origin, now_s + 3_600),
        sender.authorization("ES256", "https://other.example.org", now_s + 3_600),
        sender.authorization("ES256", origin, now_s - 3_600),
        sender.authorization("ES256", origin, now_s + 48 * 3_600),
        good.replace(", k=", ", x="),
        "vapid".to_owned(),
    ] {
        expect_problem(&send(wrong).await, 403, "VAPID_INVALID", None);
    }
    let counts: Vec<_> = rig.pushes.counts_in().iter().map(|it| (it.result, it.count)).collect();
    assert_eq!(counts, [("accepted", 1), ("foreign", 10)]);
    assert!(matches!(rig.open_inlet(Some(vec![4; 64])).await, Err(PushError::SenderKey)));
}
