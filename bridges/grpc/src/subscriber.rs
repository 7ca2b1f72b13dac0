use bus_domain::Epoch;
use bus_engine::{Engine, EventIds, Tail, TailStart};
use futures::stream::{self, BoxStream, StreamExt as _};
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status};

use crate::auth::{Caller, authenticated_stream};
use crate::convert::{frame_to_message, node_name};
use crate::status::{invalid_field, shutting_down, status};
use crate::v1;
use crate::v1::tail_request::Start;
use crate::v1::tail_response::Frame;

/// The server of the service, over [`SubscriberService`].
pub(crate) type SubscriberServer = v1::subscriber_server::SubscriberServer<SubscriberService>;

/// `stanzabus.v1.Subscriber`.
#[derive(Debug)]
pub(crate) struct SubscriberService {
    pub(crate) engine: Engine,
    pub(crate) shutdown: CancellationToken,
}

#[tonic::async_trait]
impl v1::subscriber_server::Subscriber for SubscriberService {
    type TailStream = BoxStream<'static, Result<v1::TailResponse, Status>>;

    async fn tail(&self, request: Request<v1::TailRequest>) -> Result<Response<Self::TailStream>, Status> {
        let (caller, message) = authenticated_stream(request)?;
        let node = node_name("node", &message.node)?;
        let start = start(message.start)?;
        let epoch = message.expected_epoch.map(Epoch);
        let tail = self.engine.tail(caller.actor().clone(), &node, start, epoch).await;
        let reader = Reader {
            caller,
            tail: tail.map_err(|error| status(&error))?,
            ids: self.engine.event_ids().clone(),
            shutdown: self.shutdown.clone(),
            progress: Progress::Opening,
        };
        Ok(Response::new(frames(reader)))
    }
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
fn frames(reader: Reader) -> BoxStream<'static, Result<v1::TailResponse, Status>> {
    let next = |mut reader: Reader| async move { Some((reader.next().await?, reader)) };
    stream::unfold(reader, next).boxed()
}

/// One call of Tail.
struct Reader {
    caller: Caller,
    tail: Tail,
    ids: EventIds,
    shutdown: CancellationToken,
    progress: Progress,
}

enum Progress {
    Opening,
    Reading,
    Failed,
}

impl Reader {
    /// The next frame, or the status that is the last thing of the stream.
    async fn next(&mut self) -> Option<Result<v1::TailResponse, Status>> {
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
        frame.transpose().map(|frame| frame.map(|frame| v1::TailResponse { frame: Some(frame) }))
    }

    async fn read(&mut self) -> Result<Option<Frame>, Status> {
        let frame = tokio::select! {
            biased;
            () = self.shutdown.cancelled() => return Err(shutting_down()),
            ended = self.caller.ended() => return Err(ended),
            frame = self.tail.next() => frame.map_err(|error| status(&error))?,
        };
        Ok(frame.map(|frame| frame_to_message(&self.ids, self.tail.node(), &frame)))
    }

    fn opened(&self) -> Frame {
        Frame::Opened(v1::Opened { epoch: self.tail.node().epoch.0, head_seq: self.tail.opened_at_seq() })
    }
}
