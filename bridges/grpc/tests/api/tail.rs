use bridge_grpc::v1;
use bridge_grpc::v1::tail_request::Start;
use bridge_grpc::v1::tail_response::Frame;
use tonic::{Code, Status, Streaming};

use crate::rig::{ALICE, BOB, DOMAIN, Rig, anonymous_event, event, expect_refusal, soon};

const PAYLOAD: &str = "<entry xmlns='urn:example'/>";

struct Reader(Streaming<v1::TailResponse>);

impl Reader {
    /// Opens a stream as bob, and takes its first frame.
    async fn open(rig: &Rig, node: &str, start: Option<Start>) -> (Self, v1::Opened) {
        Self::try_open(rig, request(node, start, None)).await.unwrap()
    }

    async fn try_open(rig: &Rig, request: v1::TailRequest) -> Result<(Self, v1::Opened), Status> {
        let mut reader = Self(rig.subscriber(BOB).tail(request).await?.into_inner());
        let Some(Frame::Opened(opened)) = reader.frame().await? else { panic!("opened comes first") };
        Ok((reader, opened))
    }

    /// The next frame; `None` at the end.
    async fn frame(&mut self) -> Result<Option<Frame>, Status> {
        let response = soon(self.0.message()).await?;
        Ok(response.map(|response| response.frame.expect("no frame is empty")))
    }

    async fn event(&mut self) -> v1::Event {
        match self.frame().await {
            Ok(Some(Frame::Event(event))) => event,
            other => panic!("an event comes: {other:?}"),
        }
    }

    async fn seqs(&mut self, count: usize) -> Vec<u64> {
        let mut seqs = Vec::new();
        while seqs.len() < count {
            seqs.push(self.event().await.seq);
        }
        seqs
    }
}

fn request(node: &str, start: Option<Start>, expected_epoch: Option<u64>) -> v1::TailRequest {
    v1::TailRequest { node: node.to_owned(), start, expected_epoch, ..v1::TailRequest::default() }
}

fn three() -> Vec<v1::NewEvent> {
    vec![event("a", PAYLOAD), event("b", PAYLOAD), event("c", PAYLOAD)]
}

#[tokio::test]
async fn a_reader_gets_the_whole_event() {
    let rig = Rig::start().await;
    let epoch = rig.create("news").await;
    let before_ms = now_ms();
    rig.publish("news", vec![event("a", "<x:entry xmlns:x='urn:example'/>")]).await;
    let (mut reader, opened) = Reader::open(&rig, "news", Some(Start::Earliest(true))).await;
    assert_eq!(opened, v1::Opened { epoch, head_seq: 1 });
    let got = reader.event().await;
    let time = got.publish_time.unwrap();
    let published_at_ms = time.seconds * 1_000 + i64::from(time.nanos) / 1_000_000;
    assert!((before_ms..=now_ms()).contains(&published_at_ms), "{published_at_ms}");
    assert_eq!(got.event_id.len(), 43);
    let expected = v1::Event {
        node: "news".into(),
        epoch,
        seq: 1,
        kind: v1::EventKind::Published.into(),
        item_id: "a".into(),
        event_id: got.event_id.clone(),
        publisher: format!("{ALICE}@{DOMAIN}"),
        publish_time: got.publish_time,
        payload: Some(v1::event::Payload::Xml("<entry xmlns='urn:example'/>".into())),
        redirect_uri: String::new(),
    };
    assert_eq!(got, expected);
}

#[tokio::test]
async fn a_reader_starts_where_it_says_and_goes_on_live() {
    let rig = Rig::start().await;
    rig.create("news").await;
    rig.publish("news", three()).await;
    let (mut earliest, _) = Reader::open(&rig, "news", Some(Start::Earliest(true))).await;
    let (mut behind, _) = Reader::open(&rig, "news", Some(Start::AfterSeq(2))).await;
    let (mut from_zero, _) = Reader::open(&rig, "news", Some(Start::AfterSeq(0))).await;
    let (mut latest, opened) = Reader::open(&rig, "news", Some(Start::Latest(true))).await;
    let (mut silent, _) = Reader::open(&rig, "news", None).await;
    assert_eq!(opened.head_seq, 3);
    rig.publish("news", vec![event("d", PAYLOAD)]).await;
    rig.publish("news", vec![event("e", PAYLOAD)]).await;
    assert_eq!(earliest.seqs(5).await, [1, 2, 3, 4, 5]);
    assert_eq!(behind.seqs(3).await, [3, 4, 5]);
    assert_eq!(from_zero.seqs(5).await, [1, 2, 3, 4, 5]);
    assert_eq!(latest.seqs(2).await, [4, 5]);
    assert_eq!(silent.seqs(2).await, [4, 5]);
}

#[tokio::test]
async fn a_position_of_another_life_of_the_log_is_refused() {
    let rig = Rig::start().await;
    let epoch = rig.create("news").await;
    rig.publish("news", three()).await;
    let open = |start, epoch| Reader::try_open(&rig, request("news", start, epoch));
    open(Some(Start::AfterSeq(3)), Some(epoch)).await.unwrap();
    let of_another_epoch = open(None, Some(epoch ^ 1)).await;
    expect_refusal(of_another_epoch, Code::OutOfRange, "WRONG_EPOCH", None);
    let beyond_the_head = open(Some(Start::AfterSeq(4)), None).await;
    expect_refusal(beyond_the_head, Code::OutOfRange, "WRONG_EPOCH", None);
}

#[tokio::test]
async fn a_request_that_means_nothing_is_refused() {
    let rig = Rig::start().await;
    rig.create("news").await;
    for (start, field) in [(Start::Earliest(false), "earliest"), (Start::Latest(false), "latest")] {
        let result = Reader::try_open(&rig, request("news", Some(start), None)).await;
        expect_refusal(result, Code::InvalidArgument, "REQUEST_INVALID", Some(field));
    }
    let result = Reader::try_open(&rig, request("nowhere", None, None)).await;
    expect_refusal(result, Code::NotFound, "NODE_NOT_FOUND", None);
}

#[tokio::test]
async fn deletion_is_the_last_event_and_ends_the_stream() {
    let rig = Rig::start().await;
    rig.create("news").await;
    let (mut reader, _) = Reader::open(&rig, "news", None).await;
    rig.publish("news", vec![event("a", PAYLOAD)]).await;
    rig.nodes(ALICE)
        .delete_node(v1::DeleteNodeRequest { name: "news".into(), redirect_uri: "urn:new".into() })
        .await
        .unwrap();
    assert_eq!(reader.event().await.seq, 1);
    let last = reader.event().await;
    assert_eq!((last.seq, last.kind(), last.item_id.as_str()), (2, v1::EventKind::NodeDeleted, ""));
    assert_eq!((last.payload, last.redirect_uri.as_str()), (None, "urn:new"));
    assert_eq!(reader.frame().await.unwrap(), None, "the stream ends with OK");
}

#[tokio::test]
async fn a_reader_that_is_banned_gets_no_further_event() {
    let rig = Rig::start().await;
    rig.create("news").await;
    let (mut reader, _) = Reader::open(&rig, "news", None).await;
    rig.publish("news", vec![event("a", PAYLOAD)]).await;
    assert_eq!(reader.event().await.seq, 1);
    rig.affiliate("news", BOB, v1::Affiliation::Outcast).await;
    rig.publish("news", vec![event("b", PAYLOAD)]).await;
    expect_refusal(reader.frame().await, Code::PermissionDenied, "AFFILIATION_REQUIRED", None);
    let again = Reader::try_open(&rig, request("news", None, None)).await;
    expect_refusal(again, Code::PermissionDenied, "AFFILIATION_REQUIRED", None);
}

#[tokio::test]
async fn a_closed_node_is_closed_to_readers() {
    let rig = Rig::start().await;
    let closed =
        v1::NodeConfig { access_model: v1::AccessModel::Whitelist.into(), ..v1::NodeConfig::default() };
    rig.create_with("closed", closed).await;
    let stranger = Reader::try_open(&rig, request("closed", None, None)).await;
    expect_refusal(stranger, Code::PermissionDenied, "ACCESS_MODEL_WHITELIST", None);
    rig.affiliate("closed", BOB, v1::Affiliation::Member).await;
    Reader::open(&rig, "closed", None).await;
}

#[tokio::test]
async fn a_reader_that_does_not_read_holds_nobody_up_and_misses_nothing() {
    const EVENTS: usize = 120;
    let rig = Rig::start().await;
    rig.create("news").await;
    let (mut reader, _) = Reader::open(&rig, "news", None).await;
    let large = format!("<a xmlns='urn:a'>{}</a>", "x".repeat(100_000));
    for _ in 0..EVENTS {
        soon(rig.publish("news", vec![anonymous_event(&large)])).await;
    }
    assert_eq!(reader.seqs(EVENTS).await, (1..=EVENTS as u64).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_server_that_stops_ends_its_streams_and_itself() {
    let mut rig = Rig::start().await;
    rig.create("news").await;
    let (mut reader, _) = Reader::open(&rig, "news", None).await;
    rig.shutdown.cancel();
    expect_refusal(reader.frame().await, Code::Unavailable, "SHUTTING_DOWN", None);
    soon(&mut rig.server).await.unwrap().unwrap();
}

fn now_ms() -> i64 {
    bus_engine::Clock::now_ms(&bus_engine::SystemClock)
}
