//! The scripts on the service in process, each case on one of its own; and what they prove.

mod stage;

use std::collections::BTreeSet;
use std::num::NonZero;
use std::path::Path;
use std::sync::Mutex;
use std::{env, fs, thread};

use conformance::rows::features;
use conformance::{Case, script, table};
use stage::InProcess;
use tokio::runtime::Builder;

/// Stops at the first failure, which is enough for mutation testing.
const FIRST_FAILURE: &str = "STANZABUS_TEST_FIRST_FAILURE";

#[test]
fn every_case_goes_as_it_is_written() {
    let waiting = Mutex::new(script::all().into_iter());
    let failures = Mutex::new(Vec::new());
    let first_is_enough = env::var_os(FIRST_FAILURE).is_some();
    let next = || {
        let is_over = first_is_enough && !failures.lock().unwrap().is_empty();
        if is_over { None } else { waiting.lock().unwrap().next() }
    };
    let play_cases = || {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        while let Some(case) = next() {
            let outcome = runtime.block_on(async { case.play(&mut InProcess::start().await, "").await });
            failures.lock().unwrap().extend(outcome.err().map(|failure| failure.to_string()));
        }
    };
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(2, NonZero::get) {
            scope.spawn(play_cases);
        }
    });
    let failures = failures.into_inner().unwrap();
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
    if env::var_os("STANZABUS_REGENERATE").is_some() {
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
