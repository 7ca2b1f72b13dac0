//! The gRPC library without a bus: a server of our own that streams one message again and again.

use bridge_grpc::v1;
use bridge_grpc::v1::subscriber_client::SubscriberClient;
use bridge_grpc::v1::subscriber_server::{Subscriber, SubscriberServer};
use bridge_grpc::v1::tail_response::Frame;
use futures::stream::{self, BoxStream, StreamExt as _};
use tokio::net::TcpListener;
use tokio::time::Instant;
use tokio_stream::wrappers::TcpListenerStream;
use tokio_util::sync::CancellationToken;
use tonic::transport::{Endpoint, Server};
use tonic::{Request, Response, Status, Streaming};

use super::super::cut_short;
use super::publish::per_second;
use super::readers;
use super::target::Target;
use crate::failure::Failure;

/// Answers each call with the same event, so many times.
struct Bare {
    event: v1::Event,
    events: u64,
}

#[tonic::async_trait]
impl Subscriber for Bare {
    type SubscribeStream = BoxStream<'static, Result<v1::SubscribeResponse, Status>>;
    type TailStream = BoxStream<'static, Result<v1::TailResponse, Status>>;

    async fn tail(&self, _: Request<v1::TailRequest>) -> Result<Response<Self::TailStream>, Status> {
        let event = self.event.clone();
        let frames = (1..=self.events).map(move |seq| {
            let event = v1::Event { seq, ..event.clone() };
            Ok(v1::TailResponse { frame: Some(Frame::Event(event)) })
        });
        Ok(Response::new(stream::iter(frames).boxed()))
    }

    async fn subscribe(
        &self,
        _: Request<Streaming<v1::SubscribeRequest>>,
    ) -> Result<Response<Self::SubscribeStream>, Status> {
        Err(only_tail())
    }

    async fn pull(&self, _: Request<v1::PullRequest>) -> Result<Response<v1::PullResponse>, Status> {
        Err(only_tail())
    }

    async fn acknowledge(
        &self,
        _: Request<v1::AcknowledgeRequest>,
    ) -> Result<Response<v1::AcknowledgeResponse>, Status> {
        Err(only_tail())
    }
}

fn only_tail() -> Status {
    Status::unimplemented("only Tail is measured")
}

/// Events a second, from the request to the last event, over loopback.
pub(super) async fn read(target: &Target) -> Result<f64, Failure> {
    let cut = |error: &dyn std::error::Error| cut_short(&error.to_string());
    let listener = TcpListener::bind("127.0.0.1:0").await.map_err(|error| cut(&error))?;
    let address = listener.local_addr().map_err(|error| cut(&error))?;
    let stop = CancellationToken::new();
    let server = Server::builder()
        .add_service(SubscriberServer::new(Bare { event: sample(target), events: target.events }))
        .serve_with_incoming_shutdown(TcpListenerStream::new(listener), stop.clone().cancelled_owned());
    let server = tokio::spawn(server);
    let channel = Endpoint::from_shared(format!("http://{address}")).map_err(|error| cut(&error))?;
    let channel = channel.connect().await.map_err(|error| cut(&error))?;
    let began = Instant::now();
    let frames = SubscriberClient::new(channel).tail(v1::TailRequest::default()).await;
    readers::read(frames.map_err(|error| cut(&error))?.into_inner(), target.events).await?;
    let took = began.elapsed();
    stop.cancel();
    server.await.map_err(|error| cut(&error))?.map_err(|error| cut(&error))?;
    Ok(per_second(target.events, took))
}

/// An event as the bus would send it.
fn sample(target: &Target) -> v1::Event {
    v1::Event {
        node: format!("bench {:032x}", 0),
        epoch: 1,
        kind: v1::EventKind::Published.into(),
        item_id: "019abcde-0000-7000-8000-000000000000".to_owned(),
        event_id: "A".repeat(44),
        publisher: "cli@events.example.org".to_owned(),
        publish_time: Some(prost_types::Timestamp { seconds: 1_700_000_000, nanos: 0 }),
        payload: Some(v1::event::Payload::Xml(target.payload.clone())),
        ..v1::Event::default()
    }
}
