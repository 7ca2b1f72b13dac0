//! Databases of every schema version so far are opened, migrated and found to hold what they held.
//!
//! `STANZABUS_REGENERATE=1 cargo test --workspace --test postgres populated` adds the one of the newest version.

use std::fs;
use std::path::{Path, PathBuf};

use bus_store_postgres::PostgresLimits;
use harness::Postgres;
use store_contract::populated::{EXPECTED, describe, populate};

use crate::fixture::open;

#[tokio::test]
async fn what_earlier_versions_have_written_is_read() {
    let postgres = Postgres::shared().await;
    let url = postgres.create_database().await.unwrap();
    populate(&open(&url, PostgresLimits::default()).await).await;
    let newest = version(postgres, &url).await;
    let newest_name = format!("version-{newest}.sql");
    if std::env::var_os("STANZABUS_REGENERATE").is_some() {
        let dump = postgres.dump(database_of(&url)).await.unwrap();
        fs::write(folder().join(&newest_name), dump).expect("the sources are writable");
    }
    let mut names = Vec::new();
    for entry in fs::read_dir(folder()).expect("the folder is there") {
        let path = entry.expect("an entry").path();
        names.push(path.file_name().expect("a name").to_string_lossy().into_owned());
        let url = postgres.create_database().await.unwrap();
        let dump = fs::read_to_string(&path).expect("SQL");
        postgres.sql(database_of(&url), &dump).await.unwrap();
        let store = open(&url, PostgresLimits::default()).await;
        assert_eq!(describe(&store).await, EXPECTED, "{}", path.display());
        assert_eq!(version(postgres, &url).await, newest, "{} is migrated", path.display());
    }
    assert!(names.contains(&newest_name), "{newest_name} is missing; write it with STANZABUS_REGENERATE=1");
}

async fn version(postgres: &Postgres, url: &str) -> i64 {
    let version = "SELECT max(version) FROM _sqlx_migrations";
    postgres.sql(database_of(url), version).await.expect("a version").parse().expect("a number")
}

fn database_of(url: &str) -> &str {
    url.rsplit_once('/').expect("a URL").1
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/postgres/populated")
}
