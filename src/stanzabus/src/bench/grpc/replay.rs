//! Reading a log from its beginning: most of it is on disk by then, and not in memory.

use bridge_grpc::v1;
use bridge_grpc::v1::tail_request::Start;
use tokio::time::Instant;

use super::super::resident;
use super::publish::{per_second, send};
use super::readers;
use super::target::{BenchNode, Target};
use crate::failure::Failure;

const EVENTS_PER_BATCH: usize = 500;
const OUTSTANDING: u64 = 8;

/// Events a second, from the request to the last event.
pub(super) async fn read(target: &Target, events: u64) -> Result<f64, Failure> {
    let (node, events) = filled(target, events).await?;
    let began = Instant::now();
    read_all(target, &node, events).await?;
    let took = began.elapsed();
    Ok(per_second(events, took))
}

/// By how many bytes the daemon's memory grows at most while one reader is sent so many.
pub(super) async fn added_bytes(target: &Target, events: u64) -> Result<f64, Failure> {
    let (node, events) = filled(target, events).await?;
    let added = resident::added_by(target.metrics, read_all(target, &node, events)).await?;
    Ok(added)
}

/// A node with at least so many events; how many it has.
async fn filled(target: &Target, events: u64) -> Result<(BenchNode, u64), Failure> {
    let node = target.node(v1::Durability::Relaxed).await?;
    let batches = events.div_ceil(EVENTS_PER_BATCH as u64);
    send(target, &node.name, batches, EVENTS_PER_BATCH, OUTSTANDING).await?;
    Ok((node, batches * EVENTS_PER_BATCH as u64))
}

async fn read_all(target: &Target, node: &BenchNode, events: u64) -> Result<(), Failure> {
    let start = Some(Start::Earliest(true));
    let request = v1::TailRequest { node: node.name.clone(), start, ..v1::TailRequest::default() };
    readers::read(target.client.tail(request).await?, events).await
}
