//! Databases of every schema version so far are opened, migrated and found to hold what they held.
//!
//! `STANZABUS_REGENERATE=1 cargo test --workspace --test populated` adds the one of the newest version.

use std::fs;
use std::path::{Path, PathBuf};

use bus_store::EpochStore as _;
use bus_store_sqlite::SqliteStore;
use sqlx::{Connection as _, SqliteConnection};
use store_contract::populated::{EXPECTED, describe, populate};

#[tokio::test]
async fn what_earlier_versions_have_written_is_read() {
    let scratch = tempfile::tempdir().expect("a folder");
    let newest = make(scratch.path()).await;
    if std::env::var_os("STANZABUS_REGENERATE").is_some() {
        fs::copy(&newest.path, folder().join(newest.name())).expect("the sources are writable");
    }
    let mut names = Vec::new();
    for entry in fs::read_dir(folder()).expect("the folder is there") {
        let path = entry.expect("an entry").path();
        names.push(path.file_name().expect("a name").to_string_lossy().into_owned());
        // A name of its own: what a closing connection leaves beside one file must not be taken for another's.
        let copy = scratch.path().join(format!("copy-of-{}", names[names.len() - 1]));
        fs::copy(&path, &copy).expect("a copy");
        let store =
            SqliteStore::open(&copy).await.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        assert_eq!(describe(&store).await, EXPECTED, "{}", path.display());
        drop(store);
        assert_eq!(version(&copy).await, newest.version, "{} is migrated", path.display());
        fs::remove_file(&copy).expect("it goes");
    }
    assert!(
        names.contains(&newest.name()),
        "{} is missing; write it with STANZABUS_REGENERATE=1",
        newest.name()
    );
}

struct Populated {
    path: PathBuf,
    version: i64,
}

impl Populated {
    fn name(&self) -> String {
        format!("version-{}.db", self.version)
    }
}

/// A database of the newest version, closed in order, in one small file.
async fn make(folder: &Path) -> Populated {
    let path = folder.join("newest.db");
    let store = SqliteStore::open(&path).await.expect("a store");
    populate(&store).await;
    assert_eq!(describe(&store).await, EXPECTED);
    store.close().await.expect("closed");
    drop(store);
    // A copy, because the store's connections may still be on their way out of the file itself.
    let copy = folder.join("copy.db");
    let mut connection = connect(&path).await;
    let into = sqlx::query("VACUUM INTO ?1").bind(copy.to_str().expect("UTF-8").to_owned());
    into.execute(&mut connection).await.expect("one file");
    connection.close().await.expect("closed");
    Populated { version: version(&copy).await, path: copy }
}

async fn version(path: &Path) -> i64 {
    let mut connection = connect(path).await;
    let query = sqlx::query_scalar("SELECT max(version) FROM _sqlx_migrations");
    let version = query.fetch_one(&mut connection).await.expect("a version");
    connection.close().await.expect("closed");
    version
}

async fn connect(path: &Path) -> SqliteConnection {
    SqliteConnection::connect(&path.to_string_lossy()).await.expect("a connection")
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/populated")
}
