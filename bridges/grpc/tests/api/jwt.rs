//! Callers whom an issuer vouches for.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bridge_grpc::v1::nodes_client::NodesClient;
use bridge_grpc::v1::subscriber_client::SubscriberClient;
use bridge_grpc::{Credentials, CredentialsInForce, GrpcSettings, JwtIssuer, JwtRule, v1};
use bus_domain::BareJid;
use bus_engine::{Clock as _, Settings, SystemClock};
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use serde_json::json;
use tonic::{Code, Request, Status};

use crate::rig::{DOMAIN, Rig, credentials, expect_refusal, grpc_settings, soon};

const ISSUER: &str = "https://login.example.org";

/// An issuer's key.
struct Signer(Ed25519KeyPair);

impl Signer {
    fn new(seed: u8) -> Self {
        Self(Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap())
    }

    /// With this issuer beside the listed tokens.
    fn credentials(&self) -> Credentials {
        let rule = JwtRule {
            issuer: ISSUER.to_owned(),
            audience: "stanzabus".to_owned(),
            claim: "sub".to_owned(),
            prefix: "login-".to_owned(),
            domain: BareJid::new(DOMAIN).unwrap(),
            may_create: true,
            may_administer: false,
        };
        let key = json!({ "kty": "OKP", "crv": "Ed25519", "x": URL_SAFE_NO_PAD.encode(self.0.public_key()) });
        let issuer = JwtIssuer::new(rule, &json!({ "keys": [key] }).to_string()).unwrap();
        Credentials { issuers: vec![issuer], ..credentials() }
    }

    /// Carol's token, which counts for so many seconds, or one less.
    fn token(&self, seconds: i64) -> String {
        let exp = SystemClock.now_ms() / 1_000 + seconds;
        let claims = json!({ "iss": ISSUER, "aud": "stanzabus", "sub": "Carol", "exp": exp });
        let encode = |part: serde_json::Value| URL_SAFE_NO_PAD.encode(part.to_string());
        let signed = format!("{}.{}", encode(json!({ "alg": "EdDSA" })), encode(claims));
        let signature = URL_SAFE_NO_PAD.encode(self.0.sign(signed.as_bytes()));
        format!("{signed}.{signature}")
    }
}

async fn start(credentials: Credentials) -> (Rig, CredentialsInForce) {
    let credentials = CredentialsInForce::new(credentials);
    let grpc = GrpcSettings { credentials: credentials.clone(), ..grpc_settings() };
    (Rig::start_as(Settings::default(), grpc).await, credentials)
}

fn with_token<Message>(message: Message, token: &str) -> Request<Message> {
    let mut request = Request::new(message);
    request.metadata_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
    request
}

async fn create(rig: &Rig, node: &str, token: &str) -> Result<(), Status> {
    let request =
        v1::CreateNodeRequest { name: node.to_owned(), config: None, ..v1::CreateNodeRequest::default() };
    NodesClient::new(rig.channel()).create_node(with_token(request, token)).await.map(drop)
}

#[tokio::test]
async fn a_signed_token_makes_its_holder_the_principal_of_the_rule() {
    let signer = Signer::new(1);
    let (rig, _) = start(signer.credentials()).await;
    let token = signer.token(60);
    create(&rig, "news", &token).await.unwrap();
    let request = v1::GetNodeRequest { name: "news".into() };
    let node = NodesClient::new(rig.channel()).get_node(with_token(request, &token)).await.unwrap();
    assert_eq!(node.into_inner().node.unwrap().creator, format!("login-carol@{DOMAIN}"));
    rig.create("of-alice").await;
    assert!(create(&rig, "of-alice", &token).await.is_err(), "listed tokens count beside it");
}

#[tokio::test]
async fn tokens_that_are_not_good_are_refused_with_their_reason() {
    let signer = Signer::new(1);
    let (rig, _) = start(signer.credentials()).await;
    let expired = create(&rig, "news", &signer.token(-1)).await;
    expect_refusal(expired, Code::Unauthenticated, "TOKEN_EXPIRED", None);
    let forged = create(&rig, "news", &Signer::new(2).token(60)).await;
    assert!(forged.as_ref().unwrap_err().message().contains("signature is not its issuer's"), "{forged:?}");
    expect_refusal(forged, Code::Unauthenticated, "TOKEN_INVALID", None);
    let (rig, _) = start(credentials()).await;
    let unknown = create(&rig, "news", &signer.token(60)).await;
    assert!(unknown.as_ref().unwrap_err().message().contains("issuer is not listed"), "{unknown:?}");
    expect_refusal(unknown, Code::Unauthenticated, "TOKEN_INVALID", None);
}

#[tokio::test]
async fn a_stream_ends_when_its_token_expires_and_when_its_key_is_withdrawn() {
    let signer = Signer::new(1);
    let (rig, in_force) = start(signer.credentials()).await;
    create(&rig, "news", &signer.token(60)).await.unwrap();
    let tail = async |token: &str| {
        let request = v1::TailRequest { node: "news".into(), ..v1::TailRequest::default() };
        let frames = SubscriberClient::new(rig.channel()).tail(with_token(request, token)).await;
        let mut frames = frames.unwrap().into_inner();
        soon(frames.message()).await.unwrap();
        frames
    };
    let mut short = tail(&signer.token(8)).await;
    let mut long = tail(&signer.token(3_600)).await;
    expect_refusal(soon(short.message()).await, Code::Unauthenticated, "TOKEN_EXPIRED", None);
    in_force.replace(signer.credentials());
    let mut longer = tail(&signer.token(3_600)).await;
    in_force.replace(Signer::new(2).credentials());
    for frames in [&mut long, &mut longer] {
        expect_refusal(soon(frames.message()).await, Code::Unauthenticated, "TOKEN_INVALID", None);
    }
}
