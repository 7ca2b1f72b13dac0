//! Every statement is one that the server understands.

use std::str::FromStr as _;

use bus_store_postgres::{PostgresLimits, statement_texts};
use harness::Postgres;
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions as _, Executor as _, SqlStr, Statement as _};

use crate::fixture::open;

#[tokio::test]
async fn every_statement_can_be_prepared() {
    let url = Postgres::shared().await.create_database().await.unwrap();
    drop(open(&url, PostgresLimits::default()).await);
    let mut connection = PgConnectOptions::from_str(&url).unwrap().connect().await.unwrap();
    let statements = statement_texts();
    for sql in &statements {
        let prepared = connection.prepare(SqlStr::from_static(sql)).await;
        let prepared = prepared.unwrap_or_else(|error| panic!("{error}: {sql}"));
        assert_eq!(prepared.sql().as_str(), *sql);
    }
    let mut distinct = statements.clone();
    distinct.sort_unstable();
    distinct.dedup();
    assert!(distinct.len() > 40, "all files are in the list: {}", distinct.len());
}

/// A statement that is sent is one of the lists: nothing else can make a query.
#[test]
fn no_file_makes_a_query_of_its_own() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src");
    let mut files = vec![std::path::PathBuf::from(folder)];
    let mut offenders = Vec::new();
    while let Some(path) = files.pop() {
        if path.is_dir() {
            files.extend(std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()));
        } else if std::fs::read_to_string(&path).unwrap().contains("sqlx::query(") {
            offenders.push(path.file_name().unwrap().to_string_lossy().into_owned());
        }
    }
    offenders.sort_unstable();
    assert_eq!(offenders, ["migrate.rs", "statement.rs"], "before the store is open, and the lists' own");
}
