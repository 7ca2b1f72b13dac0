//! Many readers of one node: what is sent to them is made once.

use std::sync::Arc;

use bridge_grpc::v1::tail_request::Start;
use bridge_grpc::v1::tail_response::Frame;
use bridge_grpc::{GrpcSettings, GrpcStatistics, v1};
use bus_engine::{EngineLimits, Settings};
use tonic::Streaming;

use crate::rig::{BOB, Rig, anonymous_event, grpc_settings, soon};

const PAYLOAD: &str = "<entry xmlns='urn:example'>hello</entry>";

async fn start_with(engine: EngineLimits) -> (Rig, Arc<GrpcStatistics>) {
    let statistics = Arc::<GrpcStatistics>::default();
    let grpc = GrpcSettings { statistics: Arc::clone(&statistics), ..grpc_settings() };
    let settings = Settings { engine, ..Settings::default() };
    (Rig::start_as(settings, grpc).await, statistics)
}

/// Readers over a few connections, each of them opened.
async fn open(
    rig: &Rig,
    node: &str,
    readers: usize,
    start: Option<Start>,
) -> Vec<Streaming<v1::TailResponse>> {
    let mut open = Vec::with_capacity(readers);
    let mut client = rig.subscriber(BOB);
    for reader in 0..readers {
        if reader % 250 == 0 {
            client = rig.subscriber(BOB);
        }
        let request = v1::TailRequest { node: node.to_owned(), start, ..v1::TailRequest::default() };
        let mut frames = client.tail(request).await.unwrap().into_inner();
        let opened = soon(frames.message()).await.unwrap().unwrap().frame;
        assert!(matches!(opened, Some(Frame::Opened(_))), "{opened:?}");
        open.push(frames);
    }
    open
}

async fn read(mut frames: Streaming<v1::TailResponse>, events: usize) -> Vec<v1::Event> {
    let mut read = Vec::with_capacity(events);
    while read.len() < events {
        match soon(frames.message()).await.unwrap().unwrap().frame {
            Some(Frame::Event(event)) => read.push(event),
            other => panic!("{other:?}"),
        }
    }
    read
}

async fn read_all(open: Vec<Streaming<v1::TailResponse>>, events: usize) -> Vec<Vec<v1::Event>> {
    futures::future::join_all(open.into_iter().map(|frames| read(frames, events))).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_readers_get_what_is_made_once() {
    const READERS: usize = 1_000;
    const BATCHES: u64 = 10;
    let (rig, statistics) = start_with(EngineLimits::default()).await;
    rig.create("news").await;
    let open = open(&rig, "news", READERS, None).await;
    let reading = tokio::spawn(read_all(open, 2 * usize::try_from(BATCHES).unwrap()));
    for batch in 0..BATCHES {
        let two = vec![anonymous_event(PAYLOAD), anonymous_event(PAYLOAD)];
        assert_eq!(rig.publish("news", two).await[0], 2 * batch + 1);
    }
    let read = reading.await.unwrap();
    let seqs: Vec<u64> = read[0].iter().map(|event| event.seq).collect();
    assert_eq!(seqs, (1..=2 * BATCHES).collect::<Vec<_>>());
    assert!(read.iter().all(|events| *events == read[0]), "everybody gets the same");
    assert_eq!(statistics.snapshot().events_encoded, 2 * BATCHES, "one encoding for each event");
}

#[tokio::test]
async fn who_reads_far_back_takes_nothing_from_those_who_keep_up() {
    const OLD: usize = 500;
    let limits = EngineLimits { log_page_events_max: 100, recent_bytes_max: 1, ..EngineLimits::default() };
    let (rig, statistics) = start_with(limits).await;
    rig.create("news").await;
    for _ in 0..OLD / 100 {
        rig.publish("news", vec![anonymous_event(PAYLOAD); 100]).await;
    }
    let live = open(&rig, "news", 10, None).await;
    let late = open(&rig, "news", 2, Some(Start::Earliest(true))).await;
    read_all(late, OLD).await;
    // Of the last page, which reaches to the end, the second reader finds everything.
    let of_late = 2 * (OLD - 100) + 100;
    assert_eq!(statistics.snapshot().events_encoded, of_late as u64);
    rig.publish("news", vec![anonymous_event(PAYLOAD)]).await;
    read_all(live, 1).await;
    assert_eq!(statistics.snapshot().events_encoded, of_late as u64 + 1, "memory is not needed for that");
}

#[tokio::test]
async fn what_is_kept_for_readers_is_bounded_and_nobody_misses_anything() {
    let statistics = Arc::<GrpcStatistics>::default();
    let grpc =
        GrpcSettings { statistics: Arc::clone(&statistics), encoded_events_bytes_max: 0, ..grpc_settings() };
    let rig = Rig::start_as(Settings::default(), grpc).await;
    rig.create("news").await;
    let open = open(&rig, "news", 3, None).await;
    rig.publish("news", vec![anonymous_event(PAYLOAD); 10]).await;
    let read = read_all(open, 10).await;
    assert!(read.iter().all(|events| *events == read[0]));
    assert_eq!(statistics.snapshot().events_encoded, 30, "nothing was kept, so everybody has had his own");
}
