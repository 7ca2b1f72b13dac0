//! `stanzabus bench`: how fast the bus is, beside what the libraries and the store below it can do without it.

mod grpc;
mod push;
mod report;
mod resident;

use std::path::Path;

use crate::cli::BenchCommand;
use crate::client::output;
use crate::failure::Failure;
use crate::signals::StopSignals;

/// `stanzabus bench …`
pub(crate) async fn run(config: &Path, command: BenchCommand) -> Result<(), Failure> {
    let (report, json) = match command {
        BenchCommand::Grpc(arguments) => (grpc::run(config, &arguments).await?, arguments.json),
        BenchCommand::Push(arguments) => {
            // Whoever stops it stops the daemon that it has started, too.
            let mut signals = StopSignals::listen()?;
            let report = tokio::select! {
                report = push::run(&arguments) => report?,
                () = signals.next() => return Err(cut_short("it was stopped")),
            };
            (report, arguments.json)
        }
    };
    match json {
        Some(path) => {
            std::fs::write(&path, report.json())
                .map_err(|source| Failure::Unwritable { path: path.clone(), source })?;
            output::status(&format!("wrote {}", path.display()));
        }
        None => output::print_line(report.json().trim_end())?,
    }
    Ok(())
}

/// Something was in the way of measuring.
fn cut_short(message: &str) -> Failure {
    Failure::Usage(format!("the benchmark was cut short: {message}"))
}
