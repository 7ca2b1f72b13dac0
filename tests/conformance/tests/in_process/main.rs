//! The scripts on the service in process, each case on one of its own; and what they prove.

mod stage;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use conformance::rows::features;
use conformance::{Case, script, table};
use stage::InProcess;

#[tokio::test]
async fn every_case_goes_as_it_is_written() {
    let mut failures = Vec::new();
    for case in script::all() {
        let mut stage = InProcess::start().await;
        if let Err(failure) = case.play(&mut stage, "").await {
            failures.push(failure.to_string());
        }
    }
    assert!(failures.is_empty(), "{}\n{} cases", failures.join("\n\n"), failures.len());
}

/// `STANZABUS_REGENERATE=1` writes the table.
#[test]
fn every_requirement_is_proven_or_said_to_be_open() {
    const START: &str = "<!-- table -->\n";
    let coverage = table::coverage(&script::all());
    let some = &coverage.problems[..coverage.problems.len().min(20)];
    assert!(some.is_empty(), "{} problems, among them {some:#?}", coverage.problems.len());
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let readme = fs::read_to_string(&path).expect("a README");
    let (before, table) = readme.split_once(START).expect("the place of the table");
    if std::env::var_os("STANZABUS_REGENERATE").is_some() {
        fs::write(&path, format!("{before}{START}{}", coverage.table)).expect("the sources are writable");
    } else {
        assert!(table == coverage.table, "the table is old; write it with STANZABUS_REGENERATE=1");
    }
}

#[tokio::test]
async fn every_announced_feature_is_proven_and_no_other_one_is_named() {
    let announced = InProcess::start().await.announced().await;
    let cases = script::all();
    let proven: BTreeSet<&str> = cases.iter().flat_map(Case::proves).collect();
    let named = features();
    let mut problems = Vec::new();
    for var in &announced {
        let id = named.iter().find(|feature| feature.var == var).map(|feature| feature.id);
        if !id.is_some_and(|id| proven.contains(id)) {
            problems.push(format!("{var} is announced, and no script proves it: {id:?}"));
        }
    }
    let stale = named.iter().filter(|feature| !announced.contains(feature.var));
    problems.extend(stale.map(|feature| format!("{} is in features.txt, and not announced", feature.var)));
    assert!(problems.is_empty(), "{problems:#?}");
}
