//! `stanzabus server`: what the operator asks the running daemon of it.

use std::collections::BTreeMap;
use std::path::Path;

use bridge_grpc::v1;
use serde::Serialize;
use v1::stream_advisories_response::Frame;

use crate::cli::ServerCommand;
use crate::client::grpc::refused;
use crate::client::{connect_grpc, output};
use crate::failure::Failure;
use crate::signals::StopSignals;

/// What is printed of the daemon.
#[derive(Serialize)]
struct InfoLine {
    version: String,
    domain: String,
    store: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    started_at: Option<String>,
    is_draining: bool,
    limits: BTreeMap<String, u64>,
}

/// What is printed of an advisory.
#[derive(Serialize)]
struct AdvisoryLine<'a> {
    number: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    at: Option<String>,
    kind: String,
    #[serde(skip_serializing_if = "str::is_empty")]
    node: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    jid: &'a str,
    message: &'a str,
}

/// `stanzabus server …`
pub(crate) async fn run(config: &Path, command: ServerCommand) -> Result<(), Failure> {
    match command {
        ServerCommand::Info => info(config).await,
        ServerCommand::Drain => drain(config).await,
        ServerCommand::Advisories { recent } => {
            let mut signals = StopSignals::listen()?;
            tokio::select! {
                followed = advisories(config, recent) => followed,
                () = signals.next() => Ok(()),
            }
        }
    }
}

async fn info(config: &Path) -> Result<(), Failure> {
    let info = connect_grpc(config).await?.server_info().await?;
    let store = match info.store() {
        v1::StoreKind::Sqlite => "sqlite",
        v1::StoreKind::Postgresql => "postgresql",
        v1::StoreKind::Unspecified => "unknown",
    };
    output::print_json(&InfoLine {
        version: info.version,
        domain: info.domain,
        store,
        started_at: info.start_time.map(|time| time.to_string()),
        is_draining: info.is_draining,
        limits: info.limits.into_iter().collect(),
    })
}

async fn drain(config: &Path) -> Result<(), Failure> {
    let client = connect_grpc(config).await?;
    output::status("waiting for the publishes under way");
    let pending = client.drain().await?.pending_publishes;
    if pending > 0 {
        output::status(&format!("{pending} publishes are still not answered; drain again to wait on"));
    }
    output::print_json(&serde_json::json!({ "pending_publishes": pending }))
}

async fn advisories(config: &Path, include_recent: bool) -> Result<(), Failure> {
    let mut frames = connect_grpc(config).await?.advisories(include_recent).await?;
    loop {
        let frame = frames.message().await;
        let frame = frame.map_err(|status| Failure::from(refused("read advisories".to_owned(), &status)))?;
        match frame.and_then(|response| response.frame) {
            Some(Frame::Opened(_)) => {}
            Some(Frame::Advisory(advisory)) => output::print_json(&AdvisoryLine {
                number: advisory.number,
                at: advisory.time.map(|time| time.to_string()),
                kind: kind_name(advisory.kind()),
                node: &advisory.node,
                jid: &advisory.jid,
                message: &advisory.message,
            })?,
            Some(Frame::Missed(missed)) => {
                output::status(&format!("{} advisories are gone", missed.count));
            }
            None => return Ok(()),
        }
    }
}

/// The name without what all of them begin with: `link_up`.
fn kind_name(kind: v1::AdvisoryKind) -> String {
    let name = kind.as_str_name();
    name.strip_prefix("ADVISORY_KIND_").unwrap_or(name).to_ascii_lowercase()
}
