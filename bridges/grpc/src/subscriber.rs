use bus_domain::BareJid;
use bus_engine::Engine;
use futures::stream::BoxStream;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status};

use crate::encoded::EncodedEvents;
use crate::v1;

/// The generated server of the service, over [`SubscriberService`]. What is served is `tail::SubscriberServer`, around it.
pub(crate) type GeneratedServer = v1::subscriber_server::SubscriberServer<SubscriberService>;

/// `stanzabus.v1.Subscriber`.
#[derive(Debug)]
pub(crate) struct SubscriberService {
    pub(crate) engine: Engine,
    /// Where the nodes are, for their URIs.
    pub(crate) service: BareJid,
    pub(crate) encoded: EncodedEvents,
    pub(crate) shutdown: CancellationToken,
}

#[tonic::async_trait]
impl v1::subscriber_server::Subscriber for SubscriberService {
    type TailStream = BoxStream<'static, Result<v1::TailResponse, Status>>;

    /// Never called: `tail::SubscriberServer` answers these calls, with a codec of their own.
    async fn tail(&self, _: Request<v1::TailRequest>) -> Result<Response<Self::TailStream>, Status> {
        Err(Status::unimplemented("Tail is served in front of this"))
    }
}
