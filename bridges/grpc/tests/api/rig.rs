//! A server with three principals, its clients, and how errors are looked at.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bridge_grpc::v1::nodes_client::NodesClient;
use bridge_grpc::v1::publisher_client::PublisherClient;
use bridge_grpc::v1::push_client::PushClient;
use bridge_grpc::v1::push_profiles_client::PushProfilesClient;
use bridge_grpc::v1::subscriber_client::SubscriberClient;
use bridge_grpc::v1::subscriptions_client::SubscriptionsClient;
use bridge_grpc::v1::{self, new_event};
use bridge_grpc::{
    AccessToken, Credentials, CredentialsInForce, GrpcSettings, Health, ServeError, serve, token_sha256_hex,
};
use bus_domain::BareJid;
use bus_engine::{Engine, PushProfiles, PushSettings, Pushes, Settings, SystemClock, SystemIds};
use bus_store_sqlite::SqliteStore;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Status};
use tonic_types::StatusExt as _;

/// May administer.
pub(crate) const ADMIN: &str = "admin";
/// May create nodes.
pub(crate) const ALICE: &str = "alice";
/// May create nodes.
pub(crate) const BOB: &str = "bob";

pub(crate) const DOMAIN: &str = "events.example.org";

/// How long a test waits for what must come.
const PATIENCE: Duration = Duration::from_mins(1);

type Authenticated = InterceptedService<Channel, SendToken>;

pub(crate) struct Rig {
    pub(crate) engine: Engine,
    pub(crate) pushes: Pushes,
    pub(crate) address: SocketAddr,
    pub(crate) health: Health,
    pub(crate) shutdown: CancellationToken,
    pub(crate) server: JoinHandle<Result<(), ServeError>>,
    engine_stop: CancellationToken,
    _folder: TempDir,
}

impl Rig {
    pub(crate) async fn start() -> Self {
        Self::start_with(Settings::default()).await
    }

    pub(crate) async fn start_with(settings: Settings) -> Self {
        Self::start_as(settings, grpc_settings()).await
    }

    pub(crate) async fn start_as(settings: Settings, mut grpc: GrpcSettings) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Arc::new(SqliteStore::open(&folder.path().join("bus.db")).await.unwrap());
        let pushes = pushes(&store);
        grpc.pushes = Some(pushes.clone());
        let engine_stop = CancellationToken::new();
        let (clock, ids) = (Arc::new(SystemClock), Arc::new(SystemIds));
        let parts = Engine::start(store.clone(), settings, clock, ids, engine_stop.clone()).await.unwrap();
        let service = BareJid::new(DOMAIN).unwrap();
        grpc.push_profiles = Some(PushProfiles::new(parts.engine.clone(), pushes.clone(), service));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (health, shutdown) = (Health::new().await, CancellationToken::new());
        let serving = serve(parts.engine.clone(), grpc, health.clone(), listener, shutdown.clone());
        let (engine, server) = (parts.engine, tokio::spawn(serving));
        Self { engine, pushes, address, health, shutdown, server, engine_stop, _folder: folder }
    }

    /// Connects when it is first used, so that the server need not be up yet.
    pub(crate) fn channel(&self) -> Channel {
        Endpoint::from_shared(format!("http://{}", self.address)).unwrap().connect_lazy()
    }

    pub(crate) fn publisher(&self, principal: &'static str) -> PublisherClient<Authenticated> {
        PublisherClient::with_interceptor(self.channel(), SendToken(principal))
    }

    pub(crate) fn subscriber(&self, principal: &'static str) -> SubscriberClient<Authenticated> {
        SubscriberClient::with_interceptor(self.channel(), SendToken(principal))
    }

    pub(crate) fn subscriptions(&self, principal: &'static str) -> SubscriptionsClient<Authenticated> {
        SubscriptionsClient::with_interceptor(self.channel(), SendToken(principal))
    }

    pub(crate) fn push(&self, principal: &'static str) -> PushClient<Authenticated> {
        PushClient::with_interceptor(self.channel(), SendToken(principal))
    }

    pub(crate) fn push_profiles(&self, principal: &'static str) -> PushProfilesClient<Authenticated> {
        PushProfilesClient::with_interceptor(self.channel(), SendToken(principal))
    }

    pub(crate) fn nodes(&self, principal: &'static str) -> NodesClient<Authenticated> {
        NodesClient::with_interceptor(self.channel(), SendToken(principal))
    }

    /// Makes a node of alice's with the defaults and names its epoch.
    pub(crate) async fn create(&self, name: &str) -> u64 {
        self.create_with(name, v1::NodeConfig::default()).await
    }

    pub(crate) async fn create_with(&self, name: &str, config: v1::NodeConfig) -> u64 {
        let request = v1::CreateNodeRequest {
            name: name.to_owned(),
            config: Some(config),
            ..v1::CreateNodeRequest::default()
        };
        self.nodes(ALICE).create_node(request).await.unwrap().into_inner().epoch
    }

    /// Publishes to a node as alice and names the positions.
    pub(crate) async fn publish(&self, node: &str, events: Vec<v1::NewEvent>) -> Vec<u64> {
        let request = v1::PublishRequest { node: node.to_owned(), events, ..v1::PublishRequest::default() };
        let response = self.publisher(ALICE).publish(request).await.unwrap().into_inner();
        response.results.iter().map(|result| result.seq).collect()
    }

    /// Gives somebody a standing on a node of alice's.
    pub(crate) async fn affiliate(&self, node: &str, principal: &str, affiliation: v1::Affiliation) {
        let entry = v1::AffiliationEntry { jid: jid_of(principal), affiliation: affiliation.into() };
        let request = v1::SetAffiliationsRequest { node: node.to_owned(), entries: vec![entry] };
        self.nodes(ALICE).set_affiliations(request).await.unwrap();
    }
}

impl Drop for Rig {
    fn drop(&mut self) {
        self.shutdown.cancel();
        self.engine_stop.cancel();
    }
}

/// One account of FCM, through which alice may send.
fn pushes(store: &Arc<SqliteStore>) -> Pushes {
    let accounts = vec![crate::push::account()];
    let senders = [BareJid::new(&jid_of(ALICE)).unwrap()].into();
    let settings = PushSettings { accounts, senders, ..PushSettings::default() };
    Pushes::new(Arc::clone(store) as _, settings, Arc::new(SystemClock), Arc::new(SystemIds))
}

/// What must come, comes.
pub(crate) async fn soon<Output>(awaited: impl Future<Output = Output>) -> Output {
    tokio::time::timeout(PATIENCE, awaited).await.expect("it comes within seconds")
}

/// An event with an id.
pub(crate) fn event(item_id: &str, xml: &str) -> v1::NewEvent {
    v1::NewEvent { item_id: Some(item_id.to_owned()), ..anonymous_event(xml) }
}

/// An event whose id the bus makes.
pub(crate) fn anonymous_event(xml: &str) -> v1::NewEvent {
    v1::NewEvent { item_id: None, payload: Some(new_event::Payload::Xml(xml.to_owned())) }
}

pub(crate) fn jid_of(principal: &str) -> String {
    format!("{principal}@{DOMAIN}")
}

/// What a client sees of an error: its code, its reason, and the field at fault.
pub(crate) fn refusal<Answer>(result: Result<Answer, Status>) -> (Code, String, Option<String>) {
    let Err(status) = result else { panic!("the call was answered") };
    let details = status.get_error_details();
    let info = details.error_info().expect("each error has an ErrorInfo");
    assert_eq!(info.domain, "stanzabus");
    let field = details.bad_request().map(|bad| bad.field_violations[0].field.clone());
    (status.code(), info.reason.clone(), field)
}

pub(crate) fn expect_refusal<Answer>(
    result: Result<Answer, Status>,
    code: Code,
    reason: &str,
    field: Option<&str>,
) {
    assert_eq!(refusal(result), (code, reason.to_owned(), field.map(str::to_owned)));
}

/// Sends the token of a principal, which is made of its name.
#[derive(Clone)]
pub(crate) struct SendToken(pub(crate) &'static str);

impl Interceptor for SendToken {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        let header = format!("Bearer {}", token_of(self.0)).parse().expect("plain characters");
        request.metadata_mut().insert("authorization", header);
        Ok(request)
    }
}

pub(crate) fn token_of(principal: &str) -> String {
    format!("token-of-{principal}")
}

/// The principals' tokens.
pub(crate) fn credentials() -> Credentials {
    let token =
        |principal| AccessToken::new(principal, DOMAIN, &token_sha256_hex(&token_of(principal))).unwrap();
    Credentials {
        tokens: [ADMIN, ALICE, BOB].map(token).into(),
        certificates: Vec::new(),
        issuers: Vec::new(),
        admins: vec![BareJid::new(&jid_of(ADMIN)).unwrap()],
    }
}

/// With patience with streams that are slow to end.
pub(crate) fn grpc_settings() -> GrpcSettings {
    GrpcSettings {
        service: BareJid::new(DOMAIN).unwrap(),
        credentials: CredentialsInForce::new(credentials()),
        shutdown_grace: Duration::from_mins(1),
        ..GrpcSettings::default()
    }
}
