use tonic::server::NamedService;
use tonic_health::ServingStatus;
use tonic_health::server::{HealthReporter, HealthService};

use crate::nodes::NodesServer;
use crate::operations::OperationsServer;
use crate::publisher::PublisherServer;
use crate::push::PushServer;
use crate::push_profiles::PushProfilesServer;
use crate::sources::SourcesServer;
use crate::subscriptions::SubscriptionsServer;
use crate::tail::SubscriberServer;

/// What `grpc.health.v1` answers, for the whole server (the empty name) and for each service. Cheap to clone.
///
/// It starts as not serving; [`crate::serve()`] turns it to serving, and back when it stops. The owner turns it earlier
/// to drain: probes fail then, while calls are still answered.
#[derive(Debug, Clone)]
pub struct Health(HealthReporter);

/// The whole server and what it serves.
const NAMES: [&str; 9] = [
    "",
    PublisherServer::NAME,
    SubscriberServer::NAME,
    SubscriptionsServer::NAME,
    SourcesServer::NAME,
    PushProfilesServer::NAME,
    NodesServer::NAME,
    PushServer::NAME,
    OperationsServer::NAME,
];

impl Health {
    /// Not serving.
    pub async fn new() -> Self {
        let health = Self(HealthReporter::new());
        health.set_not_serving().await;
        health
    }

    /// Answers `SERVING`, for every name.
    pub async fn set_serving(&self) {
        self.set(ServingStatus::Serving).await;
    }

    /// Answers `NOT_SERVING`, for every name.
    pub async fn set_not_serving(&self) {
        self.set(ServingStatus::NotServing).await;
    }

    /// Ends the streams of everyone who watches: they would hold up the end of the server.
    pub(crate) async fn close(&self) {
        self.set_not_serving().await;
        let mut reporter = self.0.clone();
        for name in NAMES {
            reporter.clear_service_status(name).await;
        }
    }

    pub(crate) fn service(&self) -> HealthService {
        HealthService::from_health_reporter(self.0.clone())
    }

    async fn set(&self, status: ServingStatus) {
        for name in NAMES {
            self.0.set_service_status(name, status).await;
        }
    }
}
