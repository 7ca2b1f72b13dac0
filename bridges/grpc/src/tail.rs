//! `stanzabus.v1.Subscriber.Tail`. Its frames are encoded apart from those of all other calls: an event is turned into
//! bytes once, however many read it.

use std::convert::Infallible;
use std::sync::Arc;
use std::task::{Context, Poll};

use bus_admission::{Caller, Departure};
use bus_domain::{Epoch, Event};
use bus_engine::{Tail, TailFrame, TailStart};
use futures::future::BoxFuture;
use futures::stream::{self, BoxStream, StreamExt as _};
use tonic::body::Body;
use tonic::codegen::{Service, http};
use tonic::server::{Grpc, NamedService, ServerStreamingService};
use tonic::{Request, Response, Status};

use crate::auth::authenticated_stream;
use crate::convert::{PayloadForm, node_name};
use crate::encoded::EncodedEvents;
use crate::frame_codec::{FrameCodec, OutgoingFrame};
use crate::status::{invalid_field, refused, shutting_down, status};
use crate::subscriber::{GeneratedServer, SubscriberService};
use crate::v1;
use crate::v1::tail_request::Start;
use crate::v1::tail_response::Frame;

const TAIL_PATH: &str = "/stanzabus.v1.Subscriber/Tail";

/// The server of the service: the generated one, but for Tail.
#[derive(Debug, Clone)]
pub(crate) struct SubscriberServer {
    others: GeneratedServer,
    service: Arc<SubscriberService>,
    request_bytes_max: usize,
}

impl SubscriberServer {
    pub(crate) fn new(service: SubscriberService, request_bytes_max: usize) -> Self {
        let service = Arc::new(service);
        let others =
            GeneratedServer::from_arc(Arc::clone(&service)).max_decoding_message_size(request_bytes_max);
        Self { others, service, request_bytes_max }
    }
}

impl NamedService for SubscriberServer {
    const NAME: &'static str = <GeneratedServer as NamedService>::NAME;
}

impl Service<http::Request<Body>> for SubscriberServer {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        if request.uri().path() != TAIL_PATH {
            return self.others.call(request);
        }
        let service = TailCalls(Arc::clone(&self.service));
        let bytes_max = Some(self.request_bytes_max);
        let mut grpc = Grpc::new(FrameCodec).apply_max_message_size_config(bytes_max, None);
        Box::pin(async move { Ok(grpc.server_streaming(service, request).await) })
    }
}

struct TailCalls(Arc<SubscriberService>);

impl ServerStreamingService<v1::TailRequest> for TailCalls {
    type Response = OutgoingFrame;
    type ResponseStream = BoxStream<'static, Result<OutgoingFrame, Status>>;
    type Future = BoxFuture<'static, Result<Response<Self::ResponseStream>, Status>>;

    fn call(&mut self, request: Request<v1::TailRequest>) -> Self::Future {
        let service = Arc::clone(&self.0);
        Box::pin(async move { open(&service, request).await.map(frames).map(Response::new) })
    }
}

async fn open(service: &SubscriberService, request: Request<v1::TailRequest>) -> Result<Reader, Status> {
    let (caller, message) = authenticated_stream(request)?;
    let node = node_name("node", &message.node)?;
    let form = PayloadForm::from_message("payload_format", message.payload_format, &service.service)?;
    let start = start(message.start)?;
    let epoch = message.expected_epoch.map(Epoch);
    let tail = service.engine.tail(caller.actor().clone(), &node, start, epoch).await;
    Ok(Reader {
        caller,
        tail: tail.map_err(|error| status(&error))?,
        encoded: service.encoded.clone(),
        form,
        departure: service.departure.clone(),
        progress: Progress::Opening,
    })
}

fn start(start: Option<Start>) -> Result<TailStart, Status> {
    match start {
        None | Some(Start::Latest(true)) => Ok(TailStart::Latest),
        Some(Start::Earliest(true)) => Ok(TailStart::Earliest),
        Some(Start::AfterSeq(seq)) => Ok(TailStart::After(seq)),
        Some(Start::Earliest(false)) => Err(invalid_field("earliest", "must be true, or not set")),
        Some(Start::Latest(false)) => Err(invalid_field("latest", "must be true, or not set")),
    }
}

/// A frame is made when the connection has room for it: a client that does not read holds one frame here, and the
/// rest stays in the log.
fn frames(reader: Reader) -> BoxStream<'static, Result<OutgoingFrame, Status>> {
    let next = |mut reader: Reader| async move { Some((reader.next().await?, reader)) };
    stream::unfold(reader, next).boxed()
}

/// One call of Tail.
struct Reader {
    caller: Caller,
    tail: Tail,
    encoded: EncodedEvents,
    form: PayloadForm,
    departure: Departure,
    progress: Progress,
}

enum Progress {
    Opening,
    Reading,
    Failed,
}

impl Reader {
    /// The next frame, or the status that is the last thing of the stream.
    async fn next(&mut self) -> Option<Result<OutgoingFrame, Status>> {
        let frame = match self.progress {
            Progress::Failed => return None,
            Progress::Opening => {
                self.progress = Progress::Reading;
                Ok(Some(self.opened()))
            }
            Progress::Reading => self.read().await,
        };
        if frame.is_err() {
            self.progress = Progress::Failed;
        }
        frame.transpose()
    }

    async fn read(&mut self) -> Result<Option<OutgoingFrame>, Status> {
        // What is at hand needs nobody to be waited for.
        if !self.departure.has_begun()
            && !self.caller.may_have_ended()
            && let Some(event) = self.tail.next_at_hand()
        {
            return Ok(Some(self.event(&event)));
        }
        let frame = tokio::select! {
            biased;
            () = self.departure.begun() => return Err(shutting_down()),
            ended = self.caller.ended() => return Err(refused(&ended)),
            frame = self.tail.next() => frame.map_err(|error| status(&error))?,
        };
        Ok(frame.map(|frame| match frame {
            TailFrame::Event(event) => self.event(&event),
            TailFrame::Gap { first_seq } => other(Frame::Gap(v1::Gap { first_seq })),
        }))
    }

    fn event(&self, event: &Event) -> OutgoingFrame {
        let node = self.tail.node();
        let bytes = if self.tail.is_live() {
            self.encoded.shared(node, &self.form, event)
        } else {
            self.encoded.alone(node, &self.form, event)
        };
        OutgoingFrame::Event(bytes)
    }

    fn opened(&self) -> OutgoingFrame {
        let (epoch, head_seq) = (self.tail.node().epoch.0, self.tail.opened_at_seq());
        other(Frame::Opened(v1::Opened { epoch, head_seq }))
    }
}

fn other(frame: Frame) -> OutgoingFrame {
    OutgoingFrame::Other(v1::TailResponse { frame: Some(frame) })
}
