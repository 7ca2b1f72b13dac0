//! A server with two principals, and how it is asked.

use std::sync::Arc;
use std::time::Duration;

use bridge_http::{HttpSettings, ServeError, WebPushSettings, serve};
use bus_admission::{AccessToken, Credentials, CredentialsInForce, token_sha256_hex};
use bus_domain::{Actor, Affiliation, BareJid, NodeConfig, NodeName, Role};
use bus_engine::{
    Command, Engine, Outcome, PushLimits, PushSettings, Pushes, Settings, SystemClock, SystemIds, Verb,
};
use bus_store_sqlite::SqliteStore;
use harness::{EventStream, HttpRequest, HttpResponse, ServerSentEvent, http_send};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use url::Url;

/// Owns the nodes.
pub(crate) const ALICE: &str = "alice";
/// Somebody else.
pub(crate) const BOB: &str = "bob";
/// What the server is called from outside.
pub(crate) const PUBLIC_URL: &str = "https://bus.example.org/";
pub(crate) const DOMAIN: &str = "events.example.org";
/// How long a test waits for what must come.
const PATIENCE: Duration = Duration::from_mins(1);

pub(crate) struct Rig {
    pub(crate) port: u16,
    pub(crate) engine: Engine,
    pub(crate) credentials: CredentialsInForce,
    pub(crate) shutdown: CancellationToken,
    pub(crate) server: JoinHandle<Result<(), ServeError>>,
    pub(crate) pushes: Pushes,
    engine_stop: CancellationToken,
    _folder: TempDir,
}

impl Rig {
    pub(crate) async fn start() -> Self {
        Self::start_as(Settings::default(), HttpSettings::default()).await
    }

    pub(crate) async fn start_as(settings: Settings, http: HttpSettings) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Arc::new(SqliteStore::open(&folder.path().join("bus.db")).await.unwrap());
        let engine_stop = CancellationToken::new();
        let (clock, ids) = (Arc::new(SystemClock), Arc::new(SystemIds));
        let limits = PushLimits { inlet_burst_ms: 9_000, inlets_per_owner_max: 2, ..PushLimits::default() };
        let push_settings = PushSettings { limits, ..PushSettings::default() };
        let pushes = Pushes::new(store.clone(), push_settings, clock.clone(), ids.clone());
        let public_url = Url::parse(PUBLIC_URL).unwrap();
        let web_push = Some(WebPushSettings { pushes: pushes.clone(), public_url });
        let engine = Engine::start(store, settings, clock, ids, engine_stop.clone()).await.unwrap().engine;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let shutdown = CancellationToken::new();
        let credentials = CredentialsInForce::new(credentials());
        let service = BareJid::new(DOMAIN).unwrap();
        let http = HttpSettings { service, credentials: credentials.clone(), web_push, ..http };
        let server = tokio::spawn(serve(engine.clone(), http, listener, shutdown.clone()));
        Self { port, engine, credentials, shutdown, server, pushes, engine_stop, _folder: folder }
    }

    /// Does something as alice.
    pub(crate) async fn execute(&self, node: &str, verb: Verb) -> Outcome {
        let actor = Actor::new(jid_of(ALICE), Role::Creator);
        let command = Command { actor, node: NodeName::new(node).unwrap(), verb };
        self.engine.execute(command).await.unwrap()
    }

    /// Makes a node of alice's and names its epoch, as positions do.
    pub(crate) async fn create(&self, node: &str) -> String {
        self.create_with(node, NodeConfig::default()).await
    }

    pub(crate) async fn create_with(&self, node: &str, config: NodeConfig) -> String {
        match self.execute(node, Verb::Create(config)).await {
            Outcome::Created(created) => format!("{:016x}", created.epoch.0),
            other => panic!("{other:?}"),
        }
    }

    pub(crate) async fn affiliate(&self, node: &str, principal: &str, affiliation: Affiliation) {
        self.execute(node, Verb::Affiliate(vec![(jid_of(principal), affiliation)].into())).await;
    }

    pub(crate) async fn send(&self, request: HttpRequest) -> HttpResponse {
        http_send(self.port, &request).await.unwrap()
    }

    /// Publishes as alice; what is answered.
    pub(crate) async fn publish(&self, node: &str, event: &Value) -> Value {
        let answer = self.send(publish_request(node, event)).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        serde_json::from_str(&answer.body).unwrap()
    }

    /// Opens a stream.
    pub(crate) async fn open(&self, request: HttpRequest) -> Events {
        match EventStream::open(self.port, &request).await.unwrap() {
            Ok(stream) => Events(stream),
            Err(response) => panic!("{response:?}"),
        }
    }

    /// What is said instead of a stream.
    pub(crate) async fn refused_stream(&self, request: HttpRequest) -> HttpResponse {
        EventStream::open(self.port, &request).await.unwrap().expect_err("no stream is opened")
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        self.shutdown.cancel();
        self.engine_stop.cancel();
    }
}

/// A stream that must go on.
pub(crate) struct Events(pub(crate) EventStream);

impl Events {
    pub(crate) async fn next(&mut self) -> ServerSentEvent {
        soon(self.0.next()).await.unwrap().expect("the stream goes on")
    }

    /// The data of the next event, which has this id and this name.
    pub(crate) async fn expect(&mut self, id: Option<String>, name: Option<&str>) -> Value {
        let event = self.next().await;
        assert_eq!((&event.id, event.name.as_deref()), (&id, name), "{event:?}");
        serde_json::from_str(&event.data).unwrap()
    }

    pub(crate) async fn expect_end(&mut self) {
        assert_eq!(soon(self.0.next()).await.unwrap(), None);
    }
}

/// What must come, comes.
pub(crate) async fn soon<Output>(awaited: impl Future<Output = Output>) -> Output {
    tokio::time::timeout(PATIENCE, awaited).await.expect("it comes within seconds")
}

pub(crate) fn jid_of(principal: &str) -> BareJid {
    BareJid::new(&format!("{principal}@{DOMAIN}")).unwrap()
}

pub(crate) fn bearer(principal: &str) -> String {
    format!("Bearer token-of-{principal}")
}

pub(crate) fn access_token(principal: &str) -> AccessToken {
    AccessToken::new(principal, DOMAIN, &token_sha256_hex(&format!("token-of-{principal}"))).unwrap()
}

pub(crate) fn credentials() -> Credentials {
    Credentials { tokens: [ALICE, BOB].map(access_token).into(), ..Credentials::default() }
}

/// A request of a principal's.
pub(crate) fn request(method: &'static str, path: impl Into<String>, principal: &str) -> HttpRequest {
    let request = HttpRequest { method, path: path.into(), ..HttpRequest::default() };
    request.header("Authorization", bearer(principal))
}

/// A stream of bob's, with the query.
pub(crate) fn stream(node: &str, query: &str) -> HttpRequest {
    request("GET", format!("/v1/nodes/{node}/events{query}"), BOB)
}

/// A request of alice's with a body of this type.
pub(crate) fn post(node: &str, content_type: &str, body: impl Into<Vec<u8>>) -> HttpRequest {
    let request = request("POST", format!("/v1/nodes/{node}/events"), ALICE);
    HttpRequest { body: body.into(), ..request.header("Content-Type", content_type) }
}

pub(crate) fn publish_request(node: &str, event: &Value) -> HttpRequest {
    post(node, "application/cloudevents+json; charset=utf-8", event.to_string())
}

/// An event as its publisher makes it.
pub(crate) fn order(id: &str) -> Value {
    json!({
        "specversion": "1.0",
        "id": id,
        "source": "/shop",
        "type": "com.example.order",
        "datacontenttype": "application/json",
        "urgent": true,
        "data": { "total": 12.5 },
    })
}

/// A problem document with this status and reason, about this field.
#[track_caller]
pub(crate) fn expect_problem(answer: &HttpResponse, status: u16, reason: &str, field: Option<&str>) {
    assert_eq!(answer.header("content-type"), Some("application/problem+json"), "{answer:?}");
    let problem: Value = serde_json::from_str(&answer.body).unwrap();
    let said = (answer.status, problem["reason"].as_str(), problem["field"].as_str());
    assert_eq!(said, (status, Some(reason), field), "{answer:?}");
    assert_eq!(problem["status"], status);
    assert!(problem["detail"].as_str().is_some_and(|detail| !detail.is_empty()), "{problem}");
}
