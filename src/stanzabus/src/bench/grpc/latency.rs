//! How long one durable event takes to a reader while nothing else happens.

use bridge_grpc::v1;
use bridge_grpc::v1::tail_response::Frame;
use tokio::time::Instant;

use super::super::report::percentile;
use super::readers::next;
use super::target::Target;
use crate::failure::Failure;

/// Events, one after the other.
const EVENTS: usize = 300;

/// What half of the events, and all but one of a hundred, do not exceed.
pub(super) struct Latency {
    pub(super) p50_ms: f64,
    pub(super) p99_ms: f64,
}

/// From the call of `Publish` to the event at a reader.
pub(super) async fn idle(target: &Target) -> Result<Latency, Failure> {
    let node = target.node(v1::Durability::Fsync).await?;
    let request = v1::TailRequest {
        node: node.name.clone(),
        start: None,
        expected_epoch: None,
        ..v1::TailRequest::default()
    };
    let mut frames = target.client.tail(request).await?;
    next(&mut frames).await?;
    let mut took_ms = Vec::with_capacity(EVENTS);
    for _ in 0..EVENTS {
        let request = v1::PublishRequest {
            node: node.name.clone(),
            events: vec![target.event()],
            ..v1::PublishRequest::default()
        };
        let began = Instant::now();
        let publish = async { Ok::<_, Failure>(target.client.publish(request).await?) };
        let (_, delivered_ms) = tokio::try_join!(publish, arrived(&mut frames, began))?;
        took_ms.push(delivered_ms);
    }
    took_ms.sort_unstable_by(f64::total_cmp);
    Ok(Latency { p50_ms: percentile(&took_ms, 0.5), p99_ms: percentile(&took_ms, 0.99) })
}

async fn arrived(frames: &mut tonic::Streaming<v1::TailResponse>, began: Instant) -> Result<f64, Failure> {
    loop {
        if let Frame::Event(_) = next(frames).await? {
            return Ok(1_000.0 * began.elapsed().as_secs_f64());
        }
    }
}
