//! Every statement is one that the SQLite that is built in understands.

use std::path::{Path, PathBuf};

use bus_store_sqlite::{SqliteStore, statement_texts};
use sqlx::{Executor as _, SqlStr, Statement as _};

use crate::connect;

/// What turns text into a query.
const WAYS_TO_A_QUERY: [&str; 5] =
    ["sqlx::query", "sqlx::raw_sql", "sqlx::AssertSqlSafe", "QueryBuilder", "Executor"];

/// The files that may do so, each with its reason.
const EXCEPTIONS: [(&str, &str); 3] = [
    ("size_bound.rs", "a PRAGMA takes no parameter, so the number of pages is part of its text"),
    ("statement.rs", "the lists' own"),
    ("transaction/tests.rs", "asks for the plans of what the lists hold"),
];

#[tokio::test]
async fn every_statement_can_be_prepared() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("bus.db");
    drop(SqliteStore::open(&path).await.expect("a store"));
    let mut connection = connect(&path).await;
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
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found: Vec<_> = files(&sources)
        .into_iter()
        .filter(|path| {
            let text = std::fs::read_to_string(path).expect("UTF-8");
            WAYS_TO_A_QUERY.iter().any(|way| text.contains(way))
        })
        .map(|path| path.strip_prefix(&sources).expect("inside").to_string_lossy().into_owned())
        .collect();
    found.sort_unstable();
    assert_eq!(found, EXCEPTIONS.map(|(file, _)| file));
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files = vec![];
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() { files.extend(self::files(&path)) } else { files.push(path) }
    }
    files
}
