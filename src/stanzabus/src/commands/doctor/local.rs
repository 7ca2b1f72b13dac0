use std::fs::OpenOptions;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use bus_store::StoreError;
use bus_store_sqlite::SqliteStore;
use tokio::net::TcpListener;

use super::Report;
use super::daemon::RunningDaemon;
use crate::config::{Loaded, StoreAddress};
use crate::failure::Failure;

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

/// Whether the daemon can open the store, or has it open.
pub(super) async fn check_store(
    report: &mut Report,
    loaded: &Loaded,
    daemon: Option<&RunningDaemon>,
) -> Result<(), Failure> {
    let path = match loaded.config.store.address(&loaded.folder) {
        Ok(StoreAddress::Sqlite(path)) => path,
        Err(error) => return report.failed("store", &error),
    };
    // Opening makes the file; a check should not.
    if !path.exists() {
        return match probe_folder(&path) {
            Ok(()) => report.ok("store", &format!("{} can be made", path.display())),
            Err(failure) => report.failed("store", &failure),
        };
    }
    match SqliteStore::open(&path).await {
        Ok(_) => report.ok("store", &format!("{} can be opened and written", path.display())),
        Err(StoreError::InUse { .. }) if daemon.is_some() => {
            report.ok("store", &format!("{} is held by the running daemon", path.display()))
        }
        Err(error) => report.failed("store", &error),
    }
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

fn probe_folder(database: &Path) -> Result<(), Failure> {
    let mut path = database.as_os_str().to_owned();
    path.push(".probe");
    let path = PathBuf::from(path);
    let made = OpenOptions::new().write(true).create_new(true).open(&path);
    let removed = made.and_then(|_| std::fs::remove_file(&path));
    removed.map_err(|source| Failure::Unwritable { path, source })
}
