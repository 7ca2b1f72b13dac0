//! `stanzabus doctor`: every thing that can be wrong, one line each, with what to do about it.

mod daemon;
mod link;
mod local;
mod store;
mod user;

use std::path::Path;

use crate::cli::ActAs;
use crate::client::output;
use crate::config;
use crate::failure::Failure;

/// Checks from the inside out: files, ports, the XMPP server, the token, and with `--as` the whole way.
pub(crate) async fn run(path: &Path, act_as: &ActAs) -> Result<(), Failure> {
    let mut report = Report::default();
    match config::load(path) {
        Err(error) => report.failed("config", &error)?,
        Ok(loaded) => {
            local::check_config(&mut report, path, &loaded)?;
            local::check_push(&mut report, &loaded)?;
            let daemon = daemon::find(&loaded).await;
            store::check(&mut report, &loaded, daemon.as_ref()).await?;
            local::check_ports(&mut report, &loaded, daemon.as_ref()).await?;
            link::check(&mut report, &loaded, daemon.as_ref()).await?;
            daemon::check_token(&mut report, &loaded, daemon.as_ref()).await?;
        }
    }
    if act_as.jid.is_some() {
        user::check(&mut report, path, act_as).await?;
    }
    report.conclude()
}

/// What is printed and counted.
#[derive(Debug, Default)]
struct Report {
    checks: usize,
    failed: usize,
}

impl Report {
    fn ok(&mut self, name: &str, detail: &str) -> Result<(), Failure> {
        self.checks += 1;
        output::print_line(&format!("ok   {name}: {detail}"))
    }

    /// `detail` says how to mend it.
    fn failed(&mut self, name: &str, detail: &impl ToString) -> Result<(), Failure> {
        self.checks += 1;
        self.failed += 1;
        output::print_line(&format!("FAIL {name}: {}", detail.to_string()))
    }

    fn conclude(self) -> Result<(), Failure> {
        match self {
            Self { failed: 0, .. } => Ok(()),
            Self { failed, checks } => Err(Failure::Doctor { failed, checks }),
        }
    }
}
