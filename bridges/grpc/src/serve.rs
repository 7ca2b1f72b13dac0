use std::sync::Arc;
use std::time::Duration;

use bus_admission::{Accepting, Authentication, accept, check_address};
use bus_engine::Engine;
use futures::StreamExt as _;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Server;
use tonic::transport::server::Router;
use tonic_health::pb::health_server::HealthServer;

use crate::auth::Admission;
use crate::connections::GrpcConnection;
use crate::encoded::EncodedEvents;
use crate::nodes::{NodesServer, NodesService};
use crate::operations::{OperationsServer, OperationsService};
use crate::publisher::{PublisherServer, PublisherService};
use crate::push::{PushServer, PushService};
use crate::push_profiles::{PushProfilesServer, PushProfilesService};
use crate::sources::{SourcesServer, SourcesService};
use crate::subscriber::SubscriberService;
use crate::subscriptions::{SubscriptionsServer, SubscriptionsService};
use crate::tail::SubscriberServer;
use crate::{GrpcSettings, Health, ServeError, v1};

/// A connection without traffic is pinged this often, and given up when a ping is not answered in time: else a client
/// that has vanished would hold its streams for hours.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(30);
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(20);

/// How long a call may take until its answer begins, and with it the request of a call that is no stream: longer than what
/// waits on purpose (Pull, a drain).
const ANSWER_PATIENCE: Duration = Duration::from_mins(2);
/// Bytes of a request that anybody may send.
const STRANGERS_BYTES_MAX: usize = 4 * 1024;

/// Serves the API on a listener until `shutdown`, then lets open calls end for as long as the settings say.
///
/// # Errors
/// [`ServeError::Settings`] when the listener is beyond loopback without leave. Trouble with a connection is not an
/// error of the server. Calls that outlive the grace are left to the end of the process.
pub async fn serve(
    engine: Engine,
    settings: GrpcSettings,
    health: Health,
    listener: TcpListener,
    shutdown: CancellationToken,
) -> Result<(), ServeError> {
    let address = listener.local_addr().map_err(ServeError::Listener)?;
    let may_be_plain = settings.tls.is_some() || settings.allow_plaintext_beyond_loopback;
    check_address("gRPC", "grpc", address, may_be_plain)?;
    let router = router(&engine, &settings, &health, &shutdown)?;
    let incoming = accept(
        listener,
        Accepting {
            leg: "gRPC",
            connections_max: settings.connections_max,
            tls: settings.tls.clone(),
            // Unanswered pings end such a connection.
            reading_patience: None,
        },
    );
    let incoming = incoming.map(|connection| connection.map(GrpcConnection));
    health.set_serving().await;
    tracing::info!(%address, credentials = settings.credentials.count(), tls = settings.tls.is_some(), "gRPC is served");

    let stopping = async {
        shutdown.cancelled().await;
        settings.departure.begin();
        health.close().await;
    };
    let grace_is_over = async {
        shutdown.cancelled().await;
        tokio::time::sleep(settings.shutdown_grace).await;
    };
    tokio::select! {
        served = router.serve_with_incoming_shutdown(incoming, stopping) => served?,
        () = grace_is_over => tracing::warn!("gRPC calls were still open and are cut"),
    }
    Ok(())
}

fn router(
    engine: &Engine,
    settings: &GrpcSettings,
    health: &Health,
    shutdown: &CancellationToken,
) -> Result<Router, ServeError> {
    let auth = Admission(Authentication::new(engine.clone(), settings.credentials.clone()));
    let bytes_max = settings.message_bytes_max;
    let departure = settings.departure.clone();
    let publisher =
        PublisherServer::new(PublisherService { engine: engine.clone(), departure: departure.clone() });
    let statistics = Arc::clone(&settings.statistics);
    let encoded =
        EncodedEvents::new(engine.event_ids().clone(), settings.encoded_events_bytes_max, statistics);
    let service = settings.service.clone();
    let subscriber = SubscriberService {
        engine: engine.clone(),
        service: service.clone(),
        encoded,
        departure: departure.clone(),
    };
    let subscriber = SubscriberServer::new(subscriber, bytes_max);
    let subscriptions = SubscriptionsServer::new(SubscriptionsService {
        engine: engine.clone(),
        guard: settings.guard.clone(),
    });
    let sources =
        SourcesServer::new(SourcesService { engine: engine.clone(), guard: settings.guard.clone() });
    let nodes = NodesServer::new(NodesService { engine: engine.clone(), service });
    let push = settings.pushes.clone().map(|pushes| {
        let push = PushServer::new(PushService { pushes }).max_decoding_message_size(bytes_max);
        InterceptedService::new(push, auth.clone())
    });
    let push_profiles = settings.push_profiles.clone().map(|profiles| {
        let service = PushProfilesServer::new(PushProfilesService { profiles });
        InterceptedService::new(service.max_decoding_message_size(bytes_max), auth.clone())
    });
    let operations = OperationsServer::new(OperationsService {
        engine: engine.clone(),
        info: settings.info.clone(),
        health: health.clone(),
        departure,
        drain_patience: settings.shutdown_grace,
        shutdown: shutdown.clone(),
    });
    Ok(Server::builder()
        .http2_keepalive_interval(Some(KEEPALIVE_INTERVAL))
        .http2_keepalive_timeout(Some(KEEPALIVE_TIMEOUT))
        .max_concurrent_streams(settings.streams_per_connection_max)
        .timeout(ANSWER_PATIENCE)
        .add_service(HealthServer::new(health.service()).max_decoding_message_size(STRANGERS_BYTES_MAX))
        .add_service(
            reflection("grpc.reflection.v1.ServerReflection")
                .build_v1()?
                .max_decoding_message_size(STRANGERS_BYTES_MAX),
        )
        .add_service(
            reflection("grpc.reflection.v1alpha.ServerReflection")
                .build_v1alpha()?
                .max_decoding_message_size(STRANGERS_BYTES_MAX),
        )
        .add_service(InterceptedService::new(publisher.max_decoding_message_size(bytes_max), auth.clone()))
        .add_service(InterceptedService::new(subscriber, auth.clone()))
        .add_service(InterceptedService::new(
            subscriptions.max_decoding_message_size(bytes_max),
            auth.clone(),
        ))
        .add_optional_service(push)
        .add_optional_service(push_profiles)
        .add_service(InterceptedService::new(sources.max_decoding_message_size(bytes_max), auth.clone()))
        .add_service(InterceptedService::new(nodes.max_decoding_message_size(bytes_max), auth.clone()))
        .add_service(InterceptedService::new(operations.max_decoding_message_size(bytes_max), auth)))
}

/// Names what is served, and nothing else: our services and health.
fn reflection(own_name: &str) -> tonic_reflection::server::Builder<'static> {
    let builder = tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(v1::FILE_DESCRIPTOR_SET)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        .with_service_name("grpc.health.v1.Health")
        .with_service_name(own_name);
    // The contracts of users are in the same files.
    v1::SERVED.into_iter().fold(builder, tonic_reflection::server::Builder::with_service_name)
}
