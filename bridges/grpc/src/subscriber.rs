use bus_admission::Departure;
use bus_domain::BareJid;
use bus_engine::Engine;
use futures::stream::BoxStream;
use tonic::{Request, Response, Status, Streaming};

use crate::auth::{authenticated, authenticated_stream};
use crate::encoded::EncodedEvents;
use crate::{pull, subscribe_stream, v1};

/// The generated server of the service, over [`SubscriberService`]. What is served is `tail::SubscriberServer`, around it.
pub(crate) type GeneratedServer = v1::subscriber_server::SubscriberServer<SubscriberService>;

/// `stanzabus.v1.Subscriber`.
#[derive(Debug)]
pub(crate) struct SubscriberService {
    pub(crate) engine: Engine,
    /// Where the nodes are, for their URIs.
    pub(crate) service: BareJid,
    pub(crate) encoded: EncodedEvents,
    pub(crate) departure: Departure,
}

#[tonic::async_trait]
impl v1::subscriber_server::Subscriber for SubscriberService {
    type SubscribeStream = BoxStream<'static, Result<v1::SubscribeResponse, Status>>;
    type TailStream = BoxStream<'static, Result<v1::TailResponse, Status>>;

    /// Never called: `tail::SubscriberServer` answers these calls, with a codec of their own.
    async fn tail(&self, _: Request<v1::TailRequest>) -> Result<Response<Self::TailStream>, Status> {
        Err(Status::unimplemented("Tail is served in front of this"))
    }

    async fn subscribe(
        &self,
        request: Request<Streaming<v1::SubscribeRequest>>,
    ) -> Result<Response<Self::SubscribeStream>, Status> {
        let (caller, requests) = authenticated_stream(request)?;
        let departure = self.departure.clone();
        Ok(Response::new(subscribe_stream::answers(self.engine.clone(), caller, requests, departure)))
    }

    async fn pull(&self, request: Request<v1::PullRequest>) -> Result<Response<v1::PullResponse>, Status> {
        let (caller, message) = authenticated_stream(request)?;
        pull::pull(&self.engine, caller, message, &self.departure).await.map(Response::new)
    }

    async fn acknowledge(
        &self,
        request: Request<v1::AcknowledgeRequest>,
    ) -> Result<Response<v1::AcknowledgeResponse>, Status> {
        let (actor, message) = authenticated(request)?;
        pull::acknowledge(&self.engine, &actor, message).await.map(Response::new)
    }
}
