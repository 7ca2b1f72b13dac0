//! `stanzabus.v1.Publisher.PublishStream`: batches one after the other, with many on their way at once.

use bus_admission::{Caller, Departure};
use bus_domain::NodeName;
use bus_engine::Engine;
use futures::FutureExt as _;
use futures::future::{self, BoxFuture};
use futures::stream::{self, BoxStream, FuturesOrdered, Stream, StreamExt as _};
use prost::Message as _;
use tonic::Status;

use crate::convert::{failure, node_name};
use crate::publisher::{Batch, publish};
use crate::status::{invalid_field, refused};
use crate::v1;
use crate::v1::batch_result::Outcome;
use crate::v1::publish_stream_response::Frame;

/// Batches that may be on their way at once.
const BATCHES_MAX: usize = 4_096;
/// Bytes of batches that may be on their way at once; one batch may go over it.
const BYTES_MAX: usize = 8 * 1024 * 1024;
/// Batches that are taken before anything else is looked at.
const TAKEN_MAX: usize = 64;
/// Results in one frame.
const RESULTS_MAX: usize = 256;
/// Bytes at which a frame is full: far below the 4 MiB that many clients take, with the longest result on top.
const FRAME_BYTES: usize = 256 * 1024;
/// About how many bytes the result of one event takes besides its id.
const RESULT_BYTES: usize = 64;

/// The answers to a stream of batches. Nothing is read while the client does not take them.
pub(crate) fn answers(
    engine: Engine,
    caller: Caller,
    requests: impl Stream<Item = Result<v1::PublishStreamRequest, Status>> + Send + 'static,
    departure: Departure,
) -> BoxStream<'static, Result<v1::PublishStreamResponse, Status>> {
    let session = Session {
        engine,
        caller,
        requests: requests.boxed(),
        departure,
        reading: Reading::Opening,
        on_their_way: FuturesOrdered::new(),
        bytes: 0,
        last_batch_id: 0,
        node: None,
    };
    let next = |mut session: Session| async move {
        let frame = session.next().await?;
        Some((frame.map(|frame| v1::PublishStreamResponse { frame: Some(frame) }), session))
    };
    stream::unfold(session, next).boxed()
}

/// One call of `PublishStream`.
struct Session {
    engine: Engine,
    caller: Caller,
    requests: BoxStream<'static, Result<v1::PublishStreamRequest, Status>>,
    departure: Departure,
    reading: Reading,
    on_their_way: FuturesOrdered<BoxFuture<'static, (v1::BatchResult, usize)>>,
    /// Bytes of the batches on their way.
    bytes: usize,
    last_batch_id: u64,
    /// That of the last batch, or why there can be none of its name.
    node: Option<Result<NodeName, Status>>,
}

/// How far the client's side has come.
enum Reading {
    /// The window is still to be sent.
    Opening,
    /// Batches may come.
    Open,
    /// No more batches are read. What was read is answered, and then this is the end.
    Ended(Result<(), Status>),
}

impl Session {
    /// The next frame, or the status that is the last thing of the stream.
    async fn next(&mut self) -> Option<Result<Frame, Status>> {
        loop {
            match &mut self.reading {
                Reading::Opening => {
                    self.reading = Reading::Open;
                    return Some(Ok(window()));
                }
                Reading::Ended(end) if self.on_their_way.is_empty() => {
                    return std::mem::replace(end, Ok(())).err().map(Err);
                }
                Reading::Ended(_) => return Some(Ok(self.results().await)),
                Reading::Open => {}
            }
            let has_room = self.has_room();
            let is_waiting = !self.on_their_way.is_empty();
            // Reading first: what has come goes into the next transaction together.
            tokio::select! {
                biased;
                () = self.departure.begun() => {
                    self.reading = Reading::Ended(Ok(()));
                    return Some(Ok(Frame::GoingAway(v1::GoingAway {})));
                }
                ended = self.caller.ended() => self.reading = Reading::Ended(Err(refused(&ended))),
                request = self.requests.next(), if has_room => self.take_all(request),
                Some((first, bytes)) = self.on_their_way.next(), if is_waiting => {
                    return Some(Ok(self.results_from(first, bytes)));
                }
            }
        }
    }

    /// Takes what has come in one go: whatever else may have happened is looked at once for all of it.
    fn take_all(&mut self, first: Option<Result<v1::PublishStreamRequest, Status>>) {
        self.take(first);
        let mut taken = 1;
        while taken < TAKEN_MAX
            && matches!(self.reading, Reading::Open)
            && self.has_room()
            && let Some(request) = self.requests.next().now_or_never()
        {
            self.take(request);
            taken += 1;
        }
    }

    fn has_room(&self) -> bool {
        self.on_their_way.len() < BATCHES_MAX && self.bytes < BYTES_MAX
    }

    /// Puts a batch in its place in the queue, whenever its answer comes.
    fn take(&mut self, request: Option<Result<v1::PublishStreamRequest, Status>>) {
        let taken = match request {
            None => Err(Ok(())),
            Some(Err(broken)) => Err(Err(broken)),
            Some(Ok(batch)) => self.submit(batch).map_err(Err),
        };
        if let Err(end) = taken {
            self.reading = Reading::Ended(end);
        }
    }

    /// # Errors
    /// What ends the stream; what is wrong with the batch itself is its answer.
    fn submit(&mut self, batch: v1::PublishStreamRequest) -> Result<(), Status> {
        let bytes = weight_bytes(&batch);
        let batch_id = batch.batch_id;
        if batch_id <= self.last_batch_id {
            let problem = format!("must be higher than {}, that of the batch before", self.last_batch_id);
            return Err(invalid_field("batch_id", problem));
        }
        self.last_batch_id = batch_id;
        let node = self.node_of(&batch)?;
        let batch = Batch {
            events: batch.events,
            request_id: batch.request_id,
            once_per_cloud_event: batch.once_per_cloud_event,
            expected_last_seq: batch.expected_last_seq,
            expected_epoch: batch.expected_epoch,
        };
        let published = match node {
            Ok(node) => publish(&self.engine, self.caller.actor().clone(), node, batch),
            Err(refused) => future::ready(Err(refused)).boxed(),
        };
        let under_way = self.departure.take_publish();
        let result = published.map(move |published| {
            drop(under_way);
            let outcome = match published {
                Ok(published) => Outcome::Published(published),
                Err(status) => Outcome::Failure(failure(&status)),
            };
            (v1::BatchResult { batch_id, outcome: Some(outcome) }, bytes)
        });
        self.on_their_way.push_back(result.boxed());
        self.bytes += bytes;
        Ok(())
    }

    /// The node that a batch is for, or why there can be none of that name.
    fn node_of(&mut self, batch: &v1::PublishStreamRequest) -> Result<Result<NodeName, Status>, Status> {
        let is_as_before = match &self.node {
            Some(Ok(node)) => batch.node.is_empty() || node.as_str() == batch.node,
            Some(Err(_)) => batch.node.is_empty(),
            None if batch.node.is_empty() => {
                return Err(invalid_field("node", "must be set in the first batch"));
            }
            None => false,
        };
        match &self.node {
            Some(node) if is_as_before => Ok(node.clone()),
            _ => Ok(self.node.insert(node_name("node", &batch.node)).clone()),
        }
    }

    /// Waits for the next result, if there is one to come, and takes along what is there by then.
    async fn results(&mut self) -> Frame {
        match self.on_their_way.next().await {
            Some((first, bytes)) => self.results_from(first, bytes),
            None => Frame::Results(v1::BatchResults::default()),
        }
    }

    fn results_from(&mut self, first: v1::BatchResult, bytes: usize) -> Frame {
        self.bytes -= bytes;
        let mut frame_bytes = first.encoded_len();
        let mut results = vec![first];
        while results.len() < RESULTS_MAX
            && frame_bytes < FRAME_BYTES
            && let Some(Some((result, bytes))) = self.on_their_way.next().now_or_never()
        {
            self.bytes -= bytes;
            frame_bytes += result.encoded_len();
            results.push(result);
        }
        Frame::Results(v1::BatchResults { results })
    }
}

/// What a batch takes until it is answered: its request, or its answer if that is more.
fn weight_bytes(batch: &v1::PublishStreamRequest) -> usize {
    let answer_bytes =
        batch.events.iter().map(|event| RESULT_BYTES + event.item_id.as_ref().map_or(0, String::len));
    batch.encoded_len().max(answer_bytes.sum())
}

fn window() -> Frame {
    let batches_max = u32::try_from(BATCHES_MAX).expect("a small constant");
    Frame::Window(v1::PublishWindow { batches_max, bytes_max: BYTES_MAX as u64 })
}
