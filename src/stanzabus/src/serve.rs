//! `stanzabus serve`: the only place that names concrete bridges.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use bridge_grpc::{GrpcSettings, GrpcStatistics, ServerInfo};
use bridge_http::{HttpSettings, WebPushSettings};
use bus_admission::{CredentialsInForce, Departure};
use bus_engine::{
    AdvisoryAbout, Clock as _, Engine, EngineParts, PushProfiles, Pushes, Settings, SystemClock, SystemIds,
};
use bus_store::Store;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use xmpp_pubsub::ServiceSettings;

use crate::config::{self, Loaded};
use crate::failure::Failure;
use crate::http::{self, Health};
use crate::issuer_keys::IssuerKeys;
use crate::leg_xmpp::XmppLeg;
use crate::metrics::{Metrics, Sources};
use crate::push::{self, PushParts};
use crate::reload::{Reloading, Replaceable};
use crate::service_manager::ServiceManager;
use crate::signals::StopSignals;
use crate::store::{self, OpenStore};
use crate::{outbound, telemetry};

/// Runs until SIGTERM or SIGINT; then finishes what was accepted, unless a second signal comes. An XMPP server that is
/// away ends nothing.
pub(crate) async fn run(path: &Path) -> Result<(), Failure> {
    let loaded = config::load(path)?;
    loaded.check()?;
    telemetry::start(&loaded.config.log)?;
    let mut signals = StopSignals::listen()?;
    let manager = ServiceManager::of_this_process();
    let reloading = Reloading::prepare(path)?;
    let mut daemon = Daemon::start(&loaded).await?;
    let replaceable = daemon.replaceable.clone();
    let issuer_keys = IssuerKeys::new(&loaded)?;
    manager.tell("READY=1");
    let engine = daemon.engine.clone();
    let ended = tokio::select! {
        () = signals.next() => Ok(()),
        ended = daemon.ended_unexpectedly() => Err(ended),
        never = issuer_keys.run(&replaceable) => match never {},
        never = reloading.run(replaceable.clone(), &engine) => match never {},
        never = manager.keep_watchdog(&engine) => match never {},
    };
    tracing::info!("stopping");
    manager.tell("STOPPING=1");
    let is_finished = tokio::select! {
        drained = timeout(loaded.config.limits.drain(), daemon.drain()) => drained.is_ok(),
        () = signals.next() => false,
    };
    if is_finished { ended } else { ended.and(Err(Failure::Unfinished)) }
}

/// The parts that run.
struct Daemon {
    store: Arc<dyn Store>,
    engine: Engine,
    committer: JoinHandle<()>,
    retention: JoinHandle<()>,
    grpc: JoinHandle<Result<(), bridge_grpc::ServeError>>,
    api: JoinHandle<Result<(), bridge_http::ServeError>>,
    outbound: JoinHandle<()>,
    http: JoinHandle<std::io::Result<()>>,
    push: JoinHandle<()>,
    leg: XmppLeg,
    replaceable: Replaceable,
    tokens: Tokens,
}

/// What ends the parts, in the order in which they go.
#[derive(Default)]
struct Tokens {
    retention: CancellationToken,
    /// The callers of gRPC and of the HTTP API.
    bridges: CancellationToken,
    push: CancellationToken,
    committer: CancellationToken,
    link: CancellationToken,
    http: CancellationToken,
}

impl Daemon {
    async fn start(loaded: &Loaded) -> Result<Self, Failure> {
        let config = &loaded.config;
        // First, because a second daemon is told best by the file.
        let OpenStore { store, push: push_store } = store::open(loaded).await?;
        let grpc_listener = listen("gRPC", "grpc.listen", config.grpc.listen()?).await?;
        let http_listener = listen("HTTP", "http.listen", config.http.listen()?).await?;
        let api_listener = match config.http.api_listen()? {
            Some(address) => Some(listen("the HTTP API", "http.api_listen", address).await?),
            None => None,
        };

        let tokens = Tokens::default();
        let EngineParts { engine, committer } = start_engine(loaded, &store, &tokens).await?;

        let retention = {
            let (engine, stop) = (engine.clone(), tokens.retention.clone());
            tokio::spawn(async move { engine.retain(stop).await })
        };

        let push_parts = push::start(loaded, &engine, push_store)?;
        tell_what_is_broken(&push_parts, &engine);
        let push_profiles =
            PushProfiles::new(engine.clone(), push_parts.pushes.clone(), config.xmpp.domain()?);
        let push = start_push(push_profiles.clone(), tokens.push.clone());

        let component = config.xmpp.component(&loaded.folder, config.limits.link())?;
        let (link, events) = xmpp_component::spawn(component, &tokens.link);
        let service = service_settings(loaded, &push_parts.pushes)?;
        let leg =
            XmppLeg::start(&engine, service, config.xmpp.host()?, config.limits.requests(), &link, events);
        let replaceable = Replaceable {
            credentials: CredentialsInForce::new(loaded.credentials()?),
            tls: config.grpc.tls_server(&loaded.folder)?.map(Arc::new),
            http_tls: config.http.tls_server(&loaded.folder)?.map(Arc::new),
            push: push_parts.clone(),
            key_sources: Arc::new(watch::Sender::new(loaded.key_sources())),
        };
        let grpc_counters = Arc::<GrpcStatistics>::default();
        let grpc_settings = grpc_settings(loaded, &replaceable, &grpc_counters, push_profiles)?;
        let departure = grpc_settings.departure.clone();
        let grpc = start_grpc(grpc_settings, engine.clone(), grpc_listener, &tokens.bridges).await;
        let api_settings = api_settings(loaded, &replaceable, departure.clone())?;
        let api = start_api(api_settings, engine.clone(), api_listener, &tokens.bridges);
        let grace = config.limits.http().shutdown_grace;
        let outbound = outbound::start(loaded, &engine, grace, &tokens.bridges)?;
        let sources = Sources {
            engine: engine.clone(),
            link,
            notifications: leg.counters(),
            grpc: grpc_counters,
            requests: leg.gauges(),
            pushes: push_parts.pushes,
        };
        let http = start_http(sources, http_listener, &tokens, departure);
        Ok(Self {
            store,
            engine,
            committer,
            retention,
            grpc,
            api,
            outbound,
            http,
            push,
            leg,
            replaceable,
            tokens,
        })
    }

    /// Resolves only when a part ends that should not.
    async fn ended_unexpectedly(&mut self) -> Failure {
        let (part, error) = tokio::select! {
            ended = &mut self.committer => ("the committer", ended.err().map(|error| error.to_string())),
            ended = &mut self.retention => ("retention", ended.err().map(|error| error.to_string())),
            ended = &mut self.grpc => ("the gRPC server", error_of(ended)),
            ended = &mut self.api => ("the HTTP API", error_of(ended)),
            ended = &mut self.outbound => ("what is sent out", ended.err().map(|error| error.to_string())),
            ended = &mut self.http => ("the HTTP server", error_of(ended)),
            ended = &mut self.push => ("the senders of pushes", ended.err().map(|error| error.to_string())),
            ended = self.leg.ended() => ended,
        };
        tracing::error!(error, "{part} ended");
        Failure::Ended(part)
    }

    /// Stops accepting, answers what was accepted, proves what was sent, stores the cursors, closes the stream and the
    /// store.
    async fn drain(mut self) {
        self.tokens.retention.cancel();
        self.tokens.bridges.cancel();
        self.leg.stop_requests().await;
        finish(self.grpc).await;
        finish(self.api).await;
        finish(self.outbound).await;
        finish(self.retention).await;
        self.tokens.push.cancel();
        finish(self.push).await;
        self.tokens.committer.cancel();
        finish(self.committer).await;
        self.tokens.link.cancel();
        self.leg.finish().await;
        self.tokens.http.cancel();
        finish(self.http).await;
        // Last, because it says that everything before is on disk.
        match self.store.close().await {
            Ok(()) => tracing::info!("stopped"),
            Err(error) => tracing::error!(%error, "stopped without closing the store in order"),
        }
    }
}

async fn start_engine(
    loaded: &Loaded,
    store: &Arc<dyn Store>,
    tokens: &Tokens,
) -> Result<EngineParts, Failure> {
    let config = &loaded.config;
    let settings = Settings {
        admins: config.xmpp.admins()?.into_iter().collect(),
        service: Some(config.xmpp.domain()?),
        outbound_principals: config.outbound.principals(&config.xmpp.domain()?)?,
        ..config.limits.engine()
    };
    let (clock, ids) = (Arc::new(SystemClock), Arc::new(SystemIds));
    Ok(Engine::start(Arc::clone(store), settings, clock, ids, tokens.committer.clone()).await?)
}

/// Makes pushes of events, and sends all that there are.
fn start_push(profiles: PushProfiles, stop: CancellationToken) -> JoinHandle<()> {
    tokio::spawn(async move {
        tokio::join!(profiles.run(stop.clone()), profiles.pushes().run(stop));
    })
}

/// Accounts whose pushes wait, in the log and for those who follow advisories.
fn tell_what_is_broken(push: &PushParts, engine: &Engine) {
    for (lane, problem) in &push.broken {
        tracing::error!(%lane, problem, "pushes of this account wait until its credentials are mended; no restart is needed then");
        engine.advise(AdvisoryAbout::CredentialsUnusable { cause: problem.clone() });
    }
}

/// Waits for a part that was told to end. One that has ended before must not be asked again.
async fn finish<T>(part: JoinHandle<T>) {
    if !part.is_finished()
        && let Err(error) = part.await
    {
        tracing::error!(%error, "a part of the daemon failed");
    }
}

fn error_of<E: ToString>(ended: Result<Result<(), E>, tokio::task::JoinError>) -> Option<String> {
    match ended {
        Ok(Ok(())) => None,
        Ok(Err(error)) => Some(error.to_string()),
        Err(error) => Some(error.to_string()),
    }
}

async fn listen(what: &'static str, key: &'static str, address: SocketAddr) -> Result<TcpListener, Failure> {
    TcpListener::bind(address).await.map_err(|source| Failure::Listen { what, key, address, source })
}

fn service_settings(loaded: &Loaded, pushes: &Pushes) -> Result<ServiceSettings, Failure> {
    let config = &loaded.config;
    Ok(ServiceSettings {
        domain: config.xmpp.domain()?,
        admins: config.xmpp.admins()?.into_iter().collect(),
        create_domains: config.access.creator_domains()?,
        contacts: config.contacts.contacts()?,
        name: "stanzabus".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        push: push::service(loaded, pushes)?,
        answer_bytes_max: config.limits.link().outbound_stanza_bytes_max,
    })
}

fn grpc_settings(
    loaded: &Loaded,
    replaceable: &Replaceable,
    statistics: &Arc<GrpcStatistics>,
    profiles: PushProfiles,
) -> Result<GrpcSettings, Failure> {
    let config = &loaded.config;
    let Replaceable { credentials, tls, .. } = replaceable.clone();
    let info = ServerInfo {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        domain: config.xmpp.domain()?.to_string(),
        store: store::kind(loaded)?,
        started_at_ms: SystemClock.now_ms(),
        limits: config.limits.by_name(),
    };
    Ok(GrpcSettings {
        service: config.xmpp.domain()?,
        credentials,
        tls,
        allow_plaintext_beyond_loopback: config.grpc.allows_plaintext_beyond_loopback(),
        guard: config.outbound.guard()?,
        statistics: Arc::clone(statistics),
        info,
        pushes: Some(profiles.pushes().clone()),
        push_profiles: Some(profiles),
        ..config.limits.grpc()
    })
}

async fn start_grpc(
    settings: GrpcSettings,
    engine: Engine,
    listener: TcpListener,
    shutdown: &CancellationToken,
) -> JoinHandle<Result<(), bridge_grpc::ServeError>> {
    let health = bridge_grpc::Health::new().await;
    tokio::spawn(bridge_grpc::serve(engine, settings, health, listener, shutdown.clone()))
}

fn api_settings(
    loaded: &Loaded,
    replaceable: &Replaceable,
    departure: Departure,
) -> Result<HttpSettings, Failure> {
    let config = &loaded.config;
    let Replaceable { credentials, http_tls: tls, push, .. } = replaceable.clone();
    let web_push = |public_url| WebPushSettings { pushes: push.pushes, public_url };
    Ok(HttpSettings {
        service: config.xmpp.domain()?,
        credentials,
        tls,
        allow_plaintext_beyond_loopback: config.http.allows_plaintext_beyond_loopback(),
        web_push: config.http.public_url()?.map(web_push),
        departure,
        ..config.limits.http()
    })
}

/// Without a listener nothing is served, and the part waits for its end.
fn start_api(
    settings: HttpSettings,
    engine: Engine,
    listener: Option<TcpListener>,
    shutdown: &CancellationToken,
) -> JoinHandle<Result<(), bridge_http::ServeError>> {
    let shutdown = shutdown.clone();
    let Some(listener) = listener else {
        return tokio::spawn(async move {
            shutdown.cancelled().await;
            Ok(())
        });
    };
    tokio::spawn(bridge_http::serve(engine, settings, listener, shutdown))
}

fn start_http(
    sources: Sources,
    listener: TcpListener,
    tokens: &Tokens,
    departure: Departure,
) -> JoinHandle<std::io::Result<()>> {
    let (engine, link) = (sources.engine.clone(), sources.link.clone());
    let pushes = sources.pushes.clone();
    let metrics = Metrics::new(sources).expect("a test checks that the names are unique");
    let health = Health { engine, link, pushes, metrics, stopping: tokens.bridges.clone(), departure };
    tokio::spawn(http::serve(listener, health, tokens.http.clone()))
}
