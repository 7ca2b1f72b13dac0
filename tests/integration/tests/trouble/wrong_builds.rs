//! The suite can fail: daemons that are wrong on purpose do not pass it.

use std::path::PathBuf;

use harness::{Daemon, ServerKind};

use crate::crash::kill_again_and_again;
use crate::trial::{StoreKind, Trial, Verdict};

/// Each of them may go well by luck.
const KILLS: u64 = 6;
const TRIALS_MAX: usize = 5;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reply_before_the_commit_is_found_out() {
    check("reply_before_commit", "was acknowledged and is missing").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cursor_before_its_barrier_is_found_out() {
    check("cursor_before_barrier", "the one before had").await;
}

/// What a kill finds out is chance, so what was not found is looked for again.
async fn check(name: &str, needle: &str) {
    let mut verdicts = Vec::new();
    for _ in 0..TRIALS_MAX {
        let verdict = try_build(name).await;
        if verdict.violations.iter().any(|violation| violation.contains(needle)) {
            return;
        }
        verdicts.push(verdict);
    }
    panic!("{name} is not found out: {verdicts:?}");
}

async fn try_build(name: &str) -> Verdict {
    let binary = wrong_binary(name);
    assert!(binary.is_file(), "build it with tests/integration/wrong_builds/build");
    let wrong = async |daemon: &mut Daemon| daemon.use_binary(&binary);
    let mut trial = Trial::start_with(ServerKind::Prosody, StoreKind::Sqlite, wrong).await;
    kill_again_and_again(&mut trial, KILLS).await;
    trial.finish().await
}

fn wrong_binary(name: &str) -> PathBuf {
    let right = Daemon::binary().expect("the daemon is built");
    let target =
        right.ancestors().nth(2).expect("the binary is in a profile's folder of Cargo's target folder");
    target.join("wrong-builds").join(name)
}
