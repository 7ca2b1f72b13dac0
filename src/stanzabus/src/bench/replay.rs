//! Reading a log from its beginning: most of it is on disk by then, and not in memory.

use bridge_grpc::v1;
use bridge_grpc::v1::tail_request::Start;
use tokio::time::Instant;

use super::publish::{per_second, send};
use super::readers;
use super::target::Target;
use crate::failure::Failure;

const EVENTS_PER_BATCH: u64 = 500;
const OUTSTANDING: u64 = 8;

/// Events a second, from the request to the last event.
pub(super) async fn read(target: &Target) -> Result<f64, Failure> {
    let node = target.node(v1::Durability::Relaxed).await?;
    let batches = target.events.div_ceil(EVENTS_PER_BATCH);
    let events = batches * EVENTS_PER_BATCH;
    send(target, &node.name, batches, 500, OUTSTANDING).await?;
    let began = Instant::now();
    let start = Some(Start::Earliest(true));
    let request = v1::TailRequest {
        node: node.name.clone(),
        start,
        expected_epoch: None,
        ..v1::TailRequest::default()
    };
    readers::read(target.client.tail(request).await?, events).await?;
    let took = began.elapsed();
    node.remove().await?;
    Ok(per_second(events, took))
}
