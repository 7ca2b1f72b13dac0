//! `stanzabus bench`: how fast a running daemon is, beside what its store and its gRPC library can do without it.

mod bare_stream;
mod latency;
mod publish;
mod readers;
mod replay;
mod report;
mod store;
mod target;

use std::path::Path;

use crate::cli::{BenchCommand, GrpcBenchArguments};
use crate::client::output;
use crate::failure::Failure;
use report::{Report, Unit};
use target::Target;

/// `stanzabus bench …`
pub(crate) async fn run(config: &Path, command: BenchCommand) -> Result<(), Failure> {
    let BenchCommand::Grpc(arguments) = command;
    let report = grpc(config, &arguments).await?;
    match &arguments.json {
        Some(path) => {
            let text = report.json();
            std::fs::write(path, text)
                .map_err(|source| Failure::Unwritable { path: path.clone(), source })?;
            output::status(&format!("wrote {}", path.display()));
        }
        None => output::print_line(report.json().trim_end())?,
    }
    Ok(())
}

/// All measurements of a run before those of the next one, so that what else the machine does meets all alike.
async fn grpc(config: &Path, arguments: &GrpcBenchArguments) -> Result<Report, Failure> {
    let target = Target::connect(config, arguments).await?;
    let mut report = Report::new(arguments);
    for run in 1..=arguments.runs {
        let mut note = |name, unit, value| {
            output::status(&format!(
                "run {run} of {}: {name}: {value:.1} {}",
                arguments.runs,
                unit_text(unit)
            ));
            report.add(name, unit, value);
        };
        note("store alone", Unit::EventsPerSecond, store::commit(&target).await?);
        note("publish", Unit::EventsPerSecond, publish::pipelined(&target).await?);
        note("bare gRPC stream", Unit::EventsPerSecond, bare_stream::read(&target).await?);
        note("live to one reader", Unit::EventsPerSecond, readers::live(&target, 1).await?);
        note(
            "live to many readers",
            Unit::EventsPerSecond,
            readers::live(&target, usize::from(arguments.readers)).await?,
        );
        note("replay", Unit::EventsPerSecond, replay::read(&target).await?);
        let latency = latency::idle(&target).await?;
        note("publish to delivery, p50", Unit::Milliseconds, latency.p50_ms);
        note("publish to delivery, p99", Unit::Milliseconds, latency.p99_ms);
    }
    report.add_ratio("publish / store alone", "publish", "store alone");
    report.add_ratio("live to one reader / bare gRPC stream", "live to one reader", "bare gRPC stream");
    report.add_ratio(
        "live to many readers / live to one reader",
        "live to many readers",
        "live to one reader",
    );
    Ok(report)
}

fn unit_text(unit: Unit) -> &'static str {
    match unit {
        Unit::EventsPerSecond => "events/s",
        Unit::Milliseconds => "ms",
    }
}
