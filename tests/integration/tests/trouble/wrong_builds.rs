//! The suite can fail: daemons that are wrong on purpose do not pass it.

use std::path::PathBuf;

use harness::{Daemon, ServerKind};

use crate::crash::kill_again_and_again;
use crate::trial::{StoreKind, Trial, Verdict};

/// Each of them may go well by luck.
const KILLS: u64 = 6;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reply_before_the_commit_is_found_out() {
    let verdict = try_build("reply_before_commit").await;
    let is_lost = |violation: &&String| violation.contains("was acknowledged and is missing");
    assert!(verdict.violations.iter().any(|violation| is_lost(&violation)), "{verdict:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cursor_before_its_barrier_is_found_out() {
    let verdict = try_build("cursor_before_barrier").await;
    let is_undelivered = |violation: &&String| violation.contains("the one before had");
    assert!(verdict.violations.iter().any(|violation| is_undelivered(&violation)), "{verdict:?}");
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
