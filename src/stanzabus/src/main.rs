//! The `stanzabus` command: the daemon and its command line.
//!
//! The one crate that names concrete stores and bridges: [`serve`] puts the parts together. [`config`] is the file,
//! [`cli`] the arguments, [`commands`] and [`client`] what talks to a running daemon, over gRPC or as an XMPP user.

mod bench;
mod check;
mod cli;
mod client;
mod commands;
mod config;
mod failure;
mod http;
mod init;
mod issuer_keys;
mod leg_xmpp;
mod metrics;
mod outbound;
mod push;
mod reload;
mod serve;
mod service_manager;
mod signals;
mod store;
mod telemetry;

use std::io::Write as _;
use std::process::ExitCode;

use clap::Parser as _;
use mimalloc::MiMalloc;

use crate::cli::{Cli, Command, ConfigCommand};
use crate::failure::Failure;

/// An event is made by the thread that hears of it and let go of by the last one that has sent it. The C library's allocator
/// becomes slower by that, the longer the daemon runs.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    match run(Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) if failure.is_closed_output() => ExitCode::SUCCESS,
        Err(failure) => {
            // Nobody is left to tell when standard error is closed.
            let _ = writeln!(std::io::stderr(), "stanzabus: {failure}");
            ExitCode::from(failure.exit_status())
        }
    }
}

fn run(cli: Cli) -> Result<(), Failure> {
    let config = cli.config.as_path();
    match cli.command {
        Command::Init(arguments) => init::run(config, &arguments),
        Command::Config { command: ConfigCommand::Check } => check::run(config),
        Command::Serve => block_on(serve::run(config)),
        Command::Doctor { act_as } => block_on(commands::doctor::run(config, &act_as)),
        Command::Node { command } => block_on(commands::node::run(config, command)),
        Command::Pub(arguments) => block_on(commands::publish::run(config, arguments)),
        Command::Tail(arguments) => block_on(commands::tail::run(config, arguments)),
        Command::Sub { command } => block_on(commands::sub::run(config, command)),
        Command::Source { command } => block_on(commands::source::run(config, command)),
        Command::DeadLetter { command } => block_on(commands::dead_letter::run(config, command)),
        Command::Push { command } => block_on(commands::push::run(config, command)),
        Command::Server { command } => block_on(commands::server::run(config, command)),
        Command::Bench { command } => block_on(bench::run(config, command)),
        Command::PushMock(arguments) => block_on(commands::push_mock::run(&arguments)),
        Command::Token { command } => commands::token::run(config, command),
    }
}

fn block_on(command: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    let runtime = tokio::runtime::Runtime::new()
        .map_err(|source| Failure::System { what: "cannot start threads", source })?;
    let outcome = runtime.block_on(command);
    // What still runs now was given up; to wait for it would mean to wait for ever.
    runtime.shutdown_background();
    outcome
}
