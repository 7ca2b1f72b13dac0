use std::net::SocketAddr;
use std::path::Path;

use tokio::net::TcpListener;

use super::Report;
use super::daemon::RunningDaemon;
use crate::config::Loaded;
use crate::failure::Failure;
use crate::push;

/// The configuration as a whole, and the secret.
pub(super) fn check_config(report: &mut Report, path: &Path, loaded: &Loaded) -> Result<(), Failure> {
    match loaded.check_all_but_secret() {
        Ok(()) => report.ok("config", &path.display().to_string())?,
        Err(error) => report.failed("config", &error)?,
    }
    match loaded.config.xmpp.secret(&loaded.folder) {
        Ok(_) => report.ok("secret", "it can be read"),
        Err(error) => report.failed("secret", &error),
    }
}

/// The credentials of each account that pushes are sent through.
pub(super) fn check_push(report: &mut Report, loaded: &Loaded) -> Result<(), Failure> {
    // What keeps the accounts from being read is among the complaints about the configuration.
    let Ok(accounts) = push::check(loaded) else { return Ok(()) };
    for (lane, problem) in accounts {
        let name = format!("push {lane}");
        match problem {
            None => report.ok(&name, "its credentials can be used")?,
            Some(error) => report.failed(&name, &error)?,
        }
    }
    Ok(())
}

/// Whether the daemon can listen, or does.
pub(super) async fn check_ports(
    report: &mut Report,
    loaded: &Loaded,
    daemon: Option<&RunningDaemon>,
) -> Result<(), Failure> {
    let addresses = [
        ("grpc port", "grpc.listen", loaded.config.grpc.listen()),
        ("http port", "http.listen", loaded.config.http.listen()),
    ];
    for (name, key, address) in addresses {
        match address {
            Err(error) => report.failed(name, &error)?,
            Ok(address) if daemon.is_some() => {
                report.ok(name, &format!("the daemon listens on {address}"))?;
            }
            Ok(address) => check_port(report, name, key, address).await?,
        }
    }
    Ok(())
}

async fn check_port(report: &mut Report, name: &str, key: &str, address: SocketAddr) -> Result<(), Failure> {
    match TcpListener::bind(address).await {
        Ok(_) => report.ok(name, &format!("{address} is free")),
        Err(error) => {
            let advice = format!("cannot listen on {address}: {error}; stop what uses it, or change {key}");
            report.failed(name, &advice)
        }
    }
}
