use bridge_grpc::v1::batch_result::Outcome;
use bridge_grpc::v1::publish_stream_response::Frame;
use bridge_grpc::v1::{self, ErrorReason};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Status, Streaming};

use crate::rig::{ALICE, BOB, Rig, anonymous_event, event, expect_refusal, soon};

const PAYLOAD: &str = "<entry xmlns='urn:example'>hello</entry>";

/// Batches that a test has on its side.
const BATCHES_MAX: usize = 10_000;

/// What became of a batch: its positions, or a code, a reason and a field.
type Summary<'a> = (u64, Result<Vec<u64>, (Code, ErrorReason, &'a str)>);

/// A stream of batches, and what has been answered.
struct Session {
    batches: Option<mpsc::Sender<v1::PublishStreamRequest>>,
    frames: Streaming<v1::PublishStreamResponse>,
}

impl Session {
    /// Opens a stream; takes its window.
    async fn open(rig: &Rig, principal: &'static str) -> Self {
        let (batches, receiver) = mpsc::channel(BATCHES_MAX);
        let stream = ReceiverStream::new(receiver);
        let response = rig.publisher(principal).publish_stream(stream).await.unwrap();
        let mut session = Self { batches: Some(batches), frames: response.into_inner() };
        let Ok(Some(Frame::Window(window))) = session.frame().await else { panic!("the window comes first") };
        assert!(window.batches_max >= 1_024 && window.bytes_max > 0, "{window:?}");
        session
    }

    fn send(&self, batch_id: u64, node: &str, events: Vec<v1::NewEvent>) {
        let batch = v1::PublishStreamRequest {
            batch_id,
            node: node.to_owned(),
            events,
            ..v1::PublishStreamRequest::default()
        };
        self.batches.as_ref().expect("still open").try_send(batch).unwrap();
    }

    async fn frame(&mut self) -> Result<Option<Frame>, Status> {
        let response = soon(self.frames.message()).await?;
        Ok(response.map(|response| response.frame.expect("a frame that is known")))
    }

    /// Ends the client's side: the results that are still to come, and how the stream ends.
    async fn finish(&mut self) -> (Vec<v1::BatchResult>, Result<(), Status>) {
        self.batches = None;
        let mut results = Vec::new();
        loop {
            match self.frame().await {
                Ok(Some(Frame::Results(more))) => results.extend(more.results),
                Ok(Some(other)) => panic!("{other:?}"),
                Ok(None) => return (results, Ok(())),
                Err(status) => return (results, Err(status)),
            }
        }
    }
}

fn summary(result: &v1::BatchResult) -> Summary<'_> {
    let outcome = match result.outcome.as_ref().expect("an outcome") {
        Outcome::Published(published) => Ok(published.results.iter().map(|result| result.seq).collect()),
        Outcome::Failure(failure) => Err((failure.code.into(), failure.reason(), failure.field.as_str())),
    };
    (result.batch_id, outcome)
}

#[tokio::test]
async fn batches_are_answered_in_their_order_though_nobody_waits_for_answers() {
    const BATCHES: u64 = 3_000;
    let rig = Rig::start().await;
    let epoch = rig.create("news").await;
    let mut session = Session::open(&rig, ALICE).await;
    for batch in 1..=BATCHES {
        let node = if batch == 1 { "news" } else { "" };
        session.send(10 * batch, node, vec![event("a", PAYLOAD), anonymous_event(PAYLOAD)]);
    }
    let (results, end) = session.finish().await;
    end.unwrap();
    let expected: Vec<_> =
        (1..=BATCHES).map(|batch| (10 * batch, Ok(vec![2 * batch - 1, 2 * batch]))).collect();
    assert_eq!(results.iter().map(summary).collect::<Vec<_>>(), expected);
    let Some(Outcome::Published(last)) = &results.last().unwrap().outcome else { panic!("published") };
    assert_eq!((last.epoch, last.durability()), (epoch, v1::Durability::Fsync));
    assert_eq!((last.results[0].item_id.as_str(), last.results[1].item_id.len()), ("a", 36));
}

#[tokio::test]
async fn a_batch_that_fails_says_why_and_holds_up_none() {
    let rig = Rig::start().await;
    rig.create("news").await;
    rig.create("other").await;
    rig.affiliate("other", BOB, v1::Affiliation::Publisher).await;
    let mut session = Session::open(&rig, BOB).await;
    session.send(1, "other", vec![event("a", PAYLOAD)]);
    session.send(2, "news", vec![event("b", PAYLOAD)]);
    session.send(3, "nowhere", vec![event("c", PAYLOAD)]);
    session.send(4, "\u{1}", vec![event("d", PAYLOAD)]);
    session.send(5, "other", vec![event("e", PAYLOAD), event("f", "<entry>")]);
    session.send(6, "", vec![event("g", PAYLOAD)]);
    session.send(7, "", Vec::new());
    session.send(8, "\u{1}", vec![event("h", PAYLOAD)]);
    session.send(9, "", vec![event("i", PAYLOAD)]);
    let (results, end) = session.finish().await;
    end.unwrap();
    let expected = [
        (1, Ok(vec![1])),
        (2, Err((Code::PermissionDenied, ErrorReason::AffiliationRequired, ""))),
        (3, Err((Code::NotFound, ErrorReason::NodeNotFound, ""))),
        (4, Err((Code::InvalidArgument, ErrorReason::RequestInvalid, "node"))),
        (5, Err((Code::InvalidArgument, ErrorReason::PayloadInvalid, "events[1].xml"))),
        (6, Ok(vec![2])),
        (7, Err((Code::InvalidArgument, ErrorReason::RequestInvalid, ""))),
        (8, Err((Code::InvalidArgument, ErrorReason::RequestInvalid, "node"))),
        (9, Err((Code::InvalidArgument, ErrorReason::RequestInvalid, "node"))),
    ];
    assert_eq!(results.iter().map(summary).collect::<Vec<_>>(), expected);
}

#[tokio::test]
async fn batches_that_cannot_be_told_apart_end_the_stream_behind_those_before() {
    let rig = Rig::start().await;
    rig.create("news").await;
    for wrong in [0, 6, 7] {
        let mut session = Session::open(&rig, ALICE).await;
        session.send(7, "news", vec![event("a", PAYLOAD)]);
        session.send(wrong, "", vec![event("b", PAYLOAD)]);
        session.send(8, "", vec![event("c", PAYLOAD)]);
        let (results, end) = session.finish().await;
        assert_eq!(results.iter().map(|result| result.batch_id).collect::<Vec<_>>(), [7], "{wrong}");
        expect_refusal(end, Code::InvalidArgument, "REQUEST_INVALID", Some("batch_id"));
    }
    let mut session = Session::open(&rig, ALICE).await;
    session.send(1, "", vec![event("d", PAYLOAD)]);
    let (results, end) = session.finish().await;
    assert_eq!(results, []);
    expect_refusal(end, Code::InvalidArgument, "REQUEST_INVALID", Some("node"));
    assert_eq!(rig.publish("news", vec![event("e", PAYLOAD)]).await, [4], "nothing else is in the log");
}

#[tokio::test]
async fn a_daemon_that_stops_says_so_and_answers_what_it_has_read() {
    let rig = Rig::start().await;
    rig.create("news").await;
    let mut session = Session::open(&rig, ALICE).await;
    session.send(1, "news", vec![event("a", PAYLOAD)]);
    let Ok(Some(Frame::Results(first))) = session.frame().await else { panic!("results") };
    assert_eq!(first.results.iter().map(summary).collect::<Vec<_>>(), [(1, Ok(vec![1]))]);
    rig.shutdown.cancel();
    let Ok(Some(Frame::GoingAway(_))) = session.frame().await else { panic!("going away") };
    assert_eq!(session.frame().await.unwrap(), None, "the stream ends in order");
}
