//! `stanzabus bench grpc`: the running daemon, on nodes and subscriptions that are made for it and removed.

mod acked;
mod bare_stream;
mod latency;
mod publish;
mod readers;
mod replay;
mod store;
mod target;

use std::path::Path;

use serde_json::json;

use super::report::{Report, Unit};
use crate::cli::GrpcBenchArguments;
use crate::failure::Failure;
use target::Target;

/// All measurements of a run before those of the next one, so that what else the machine does meets all alike.
pub(super) async fn run(config: &Path, arguments: &GrpcBenchArguments) -> Result<Report, Failure> {
    let target = Target::connect(config, arguments).await?;
    let measured = measure(&target, arguments).await;
    target.remove_nodes().await?;
    measured
}

async fn measure(target: &Target, arguments: &GrpcBenchArguments) -> Result<Report, Failure> {
    let readers = usize::from(arguments.readers);
    let mut report = Report::new(
        arguments.runs,
        json!({
            "events": arguments.events,
            "payload_bytes": arguments.payload_bytes,
            "readers": readers,
            "replayed": arguments.replayed,
        }),
    );
    for _ in 0..arguments.runs {
        let mut note = |name, value| report.add(name, Unit::EventsPerSecond, value);
        note("store alone", store::commit(target).await?);
        note("publish", publish::pipelined(target).await?);
        note("bare gRPC stream", bare_stream::read(target).await?);
        note("from memory to one reader", readers::from_memory(target).await?);
        note("live to one reader", readers::live(target, 1).await?);
        note("live to many readers", readers::live(target, readers).await?);
        note("acknowledged by many durable subscriptions", acked::live(target, readers).await?);
        note("replay", replay::read(target, target.events).await?);
        let latency = latency::idle(target).await?;
        report.add("publish to delivery, p50", Unit::Milliseconds, latency.p50_ms);
        report.add("publish to delivery, p99", Unit::Milliseconds, latency.p99_ms);
    }
    if arguments.replayed > 0 {
        let added = replay::added_bytes(target, arguments.replayed).await?;
        report.add("resident memory that a replay adds", Unit::Bytes, added);
    }
    for (of, to) in [
        ("publish", "store alone"),
        ("from memory to one reader", "bare gRPC stream"),
        ("live to one reader", "bare gRPC stream"),
        ("live to many readers", "live to one reader"),
    ] {
        report.add_ratio(of, to);
    }
    Ok(report)
}
