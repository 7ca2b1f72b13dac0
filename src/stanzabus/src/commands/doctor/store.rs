use std::fs::OpenOptions;
use std::path::{Path, PathBuf};

use bus_store::StoreError;
use bus_store_postgres::{PostgresUrl, inspect};
use bus_store_sqlite::SqliteStore;

use super::Report;
use super::daemon::RunningDaemon;
use crate::config::{Loaded, StoreAddress};
use crate::failure::Failure;

/// Whether the daemon can open the store, or has it open.
pub(super) async fn check(
    report: &mut Report,
    loaded: &Loaded,
    daemon: Option<&RunningDaemon>,
) -> Result<(), Failure> {
    match loaded.config.store.address_with_password(&loaded.folder) {
        Ok(StoreAddress::Sqlite(path)) => check_file(report, &path, daemon).await,
        Ok(StoreAddress::Postgres(url)) => check_server(report, loaded, &url).await,
        Err(error) => report.failed("store", &error),
    }
}

async fn check_file(report: &mut Report, path: &Path, daemon: Option<&RunningDaemon>) -> Result<(), Failure> {
    // Opening makes the file; a check should not.
    if !path.exists() {
        return match probe_folder(path) {
            Ok(()) => report.ok("store", &format!("{} can be made", path.display())),
            Err(failure) => report.failed("store", &failure),
        };
    }
    match SqliteStore::open(path).await {
        Ok(_) => report.ok("store", &format!("{} can be opened and written", path.display())),
        Err(StoreError::InUse { .. }) if daemon.is_some() => {
            report.ok("store", &format!("{} is held by the running daemon", path.display()))
        }
        Err(error) => report.failed("store", &error),
    }
}

/// The server answers, is new enough, and is set to keep what it has acknowledged.
async fn check_server(report: &mut Report, loaded: &Loaded, url: &PostgresUrl) -> Result<(), Failure> {
    let inspection = match inspect(url, loaded.config.limits.postgres()).await {
        Ok(inspection) => inspection,
        Err(error) => return report.failed("store", &format!("{url}: {error}")),
    };
    let schema = inspection
        .schema_version
        .map_or("no schema yet, the daemon makes it".to_owned(), |version| format!("schema {version}"));
    report.ok("store", &format!("{url} is PostgreSQL {}, {schema}", inspection.server_version))?;
    for risk in &inspection.risks {
        report.failed("store", risk)?;
    }
    Ok(())
}

fn probe_folder(database: &Path) -> Result<(), Failure> {
    let mut path = database.as_os_str().to_owned();
    path.push(".probe");
    let path = PathBuf::from(path);
    let made = OpenOptions::new().write(true).create_new(true).open(&path);
    let removed = made.and_then(|_| std::fs::remove_file(&path));
    removed.map_err(|source| Failure::Unwritable { path, source })
}
