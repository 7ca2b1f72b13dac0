//! Durable publishes, one event each, with so many on their way at once.

use std::time::Duration;

use bridge_grpc::v1;
use bridge_grpc::v1::batch_result::Outcome;
use bridge_grpc::v1::publish_stream_response::Frame;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_stream::wrappers::ReceiverStream;

use super::super::cut_short;
use super::target::Target;
use crate::failure::Failure;

/// Publishes that may be on their way.
const OUTSTANDING: u64 = 1_024;

/// Events a second, from the first publish to the last answer.
pub(super) async fn pipelined(target: &Target) -> Result<f64, Failure> {
    let node = target.node(v1::Durability::Fsync).await?;
    let began = Instant::now();
    send(target, &node.name, target.events, 1, OUTSTANDING).await?;
    let took = began.elapsed();
    Ok(per_second(target.events, took))
}

/// Publishes so many batches of so many events, never more batches than `outstanding` without an answer.
pub(super) async fn send(
    target: &Target,
    node: &str,
    batches: u64,
    events_per_batch: usize,
    outstanding: u64,
) -> Result<(), Failure> {
    let capacity = usize::try_from(outstanding).unwrap_or(usize::MAX);
    let (sender, receiver) = mpsc::channel(capacity);
    let mut answers = target.client.publish_stream(ReceiverStream::new(receiver)).await?;
    let (mut sent, mut answered) = (0, 0);
    while answered < batches {
        while sent < batches && sent - answered < outstanding {
            sent += 1;
            let events = vec![target.event(); events_per_batch];
            let name = if sent == 1 { node.to_owned() } else { String::new() };
            let batch = v1::PublishStreamRequest {
                batch_id: sent,
                node: name,
                events,
                ..v1::PublishStreamRequest::default()
            };
            if sender.send(batch).await.is_err() {
                break;
            }
        }
        let frame = answers.message().await.map_err(|status| cut_short(status.message()))?;
        match frame.and_then(|response| response.frame) {
            Some(Frame::Results(results)) => {
                for result in results.results {
                    if let Some(Outcome::Failure(failure)) = result.outcome {
                        return Err(cut_short(&failure.message));
                    }
                    answered += 1;
                }
            }
            Some(Frame::GoingAway(_)) | None => return Err(cut_short("the daemon stops")),
            Some(Frame::Window(_)) => {}
        }
    }
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "a figure for people")]
pub(super) fn per_second(events: u64, took: Duration) -> f64 {
    events as f64 / took.as_secs_f64()
}
