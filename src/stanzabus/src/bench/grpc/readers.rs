//! Live delivery to readers of one node in memory, so that the disk is not what is measured.

use bridge_grpc::v1;
use bridge_grpc::v1::tail_request::Start;
use bridge_grpc::v1::tail_response::Frame;
use futures::future::try_join_all;
use tokio::time::Instant;
use tonic::Streaming;

use super::super::cut_short;
use super::publish::{per_second, send};
use super::target::Target;
use crate::failure::Failure;

/// Events in one publish, so that publishing is not what is measured either.
const EVENTS_PER_BATCH: usize = 100;
/// Batches on their way: less than the daemon's memory of recent events holds.
const OUTSTANDING: u64 = 8;

/// Events a second, all readers taken together, from the first publish to when the last reader has the last event.
pub(super) async fn live(target: &Target, readers: usize) -> Result<f64, Failure> {
    let node = target.node(v1::Durability::Memory).await?;
    let batches = (target.events / EVENTS_PER_BATCH as u64 / readers as u64).max(1) * spread(readers);
    let events = batches * EVENTS_PER_BATCH as u64;
    let mut open = Vec::with_capacity(readers);
    for _ in 0..readers {
        let request = v1::TailRequest {
            node: node.name.clone(),
            start: None,
            expected_epoch: None,
            ..v1::TailRequest::default()
        };
        let mut frames = target.client.tail(request).await?;
        next(&mut frames).await?;
        open.push(tokio::spawn(read(frames, events)));
    }
    let began = Instant::now();
    send(target, &node.name, batches, EVENTS_PER_BATCH, OUTSTANDING).await?;
    for ended in try_join_all(open).await.map_err(|error| cut_short(&error.to_string()))? {
        ended?;
    }
    let took = began.elapsed();
    Ok(per_second(events * readers as u64, took))
}

/// Events a second that one reader gets of what is in memory already: live delivery without the publishing, which takes most of
/// [`live`] when both are on one machine.
pub(super) async fn from_memory(target: &Target) -> Result<f64, Failure> {
    let node = target.node(v1::Durability::Memory).await?;
    let batches = (target.events / EVENTS_PER_BATCH as u64).max(1);
    send(target, &node.name, batches, EVENTS_PER_BATCH, OUTSTANDING).await?;
    let began = Instant::now();
    let start = Some(Start::Earliest(true));
    let request = v1::TailRequest { node: node.name.clone(), start, ..v1::TailRequest::default() };
    let mut frames = target.client.tail(request).await?;
    let (mut head_seq, mut events) = (u64::MAX, 0);
    loop {
        match next(&mut frames).await? {
            Frame::Opened(opened) => head_seq = opened.head_seq,
            Frame::Gap(_) => {}
            Frame::Event(event) => {
                events += 1;
                if event.seq >= head_seq {
                    return Ok(per_second(events, began.elapsed()));
                }
            }
        }
    }
}

/// Many readers share the events of one; so that there is still something to see, each gets some more.
fn spread(readers: usize) -> u64 {
    if readers == 1 { 1 } else { 4 }
}

/// Reads until the last event.
pub(super) async fn read(mut frames: Streaming<v1::TailResponse>, events: u64) -> Result<(), Failure> {
    let mut seen = 0;
    while seen < events {
        match next(&mut frames).await? {
            Frame::Event(_) => seen += 1,
            Frame::Gap(gap) => seen = gap.first_seq - 1,
            Frame::Opened(_) => {}
        }
    }
    Ok(())
}

pub(super) async fn next(frames: &mut Streaming<v1::TailResponse>) -> Result<Frame, Failure> {
    let frame = frames.message().await.map_err(|status| cut_short(status.message()))?;
    frame.and_then(|response| response.frame).ok_or_else(|| cut_short("a reader's stream has ended"))
}
