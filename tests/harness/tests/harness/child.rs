use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::time::Duration;

use harness::{Child, wait_until};
use tokio::process::Command;

const PATIENCE: Duration = Duration::from_mins(1);

fn shell(script: &str, folder: &Path) -> Child {
    Child::spawn("the shell", Command::new("sh").args(["-c", script]), &folder.join("log")).expect("a shell")
}

async fn wait_for_output(child: &Child, text: &str) {
    wait_until(text, PATIENCE, async || child.log_tail().contains(text).then_some(()))
        .await
        .expect("the output");
}

#[tokio::test]
async fn sigterm_lets_a_process_end_in_its_own_way() {
    let folder = tempfile::tempdir().unwrap();
    let child = shell("trap 'echo bye; exit 3' TERM; echo up; while :; do sleep 0.05; done", folder.path());
    wait_for_output(&child, "up").await;
    assert_eq!(child.terminate(PATIENCE).await.unwrap().code(), Some(3));
    assert_eq!(std::fs::read_to_string(folder.path().join("log")).unwrap(), "up\nbye\n");
}

#[tokio::test]
async fn a_process_that_ignores_sigterm_is_reported_with_its_log() {
    let folder = tempfile::tempdir().unwrap();
    let child = shell("trap '' TERM; echo stubborn; while :; do sleep 0.05; done", folder.path());
    wait_for_output(&child, "stubborn").await;
    let error = child.terminate(Duration::from_millis(200)).await.unwrap_err().to_string();
    assert!(error.contains("did not end") && error.contains("stubborn"), "{error}");
}

#[tokio::test]
async fn a_process_that_sleeps_on_after_sigterm_is_woken() {
    let folder = tempfile::tempdir().unwrap();
    let sleeper = "trap \"trap 'exit 4' CONT\" TERM; echo up; while :; do sleep 0.05; done";
    let child = shell(sleeper, folder.path());
    wait_for_output(&child, "up").await;
    assert_eq!(child.terminate_and_wake(PATIENCE).await.unwrap().code(), Some(4));
}

#[tokio::test]
async fn a_process_that_ended_by_itself_is_reported_with_its_log() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = shell("echo no such file >&2; exit 7", folder.path());
    let ended =
        wait_until("the end", PATIENCE, async || child.check_running().err()).await.unwrap().to_string();
    assert!(ended.contains("exit status: 7") && ended.contains("no such file"), "{ended}");
}

#[tokio::test]
async fn a_dropped_process_is_killed() {
    let folder = tempfile::tempdir().unwrap();
    let child = shell("exec sleep 600", folder.path());
    let id = child.id().unwrap();
    drop(child);
    wait_until("the process to be gone", PATIENCE, async || (!is_alive(id)).then_some(())).await.unwrap();
}

#[tokio::test]
async fn the_status_of_an_orderly_end_is_returned() {
    let folder = tempfile::tempdir().unwrap();
    let status = shell("kill -9 $$", folder.path()).wait(PATIENCE).await.unwrap();
    assert_eq!(status.signal(), Some(9));
}

/// A zombie, which waits for its parent to take its status, is dead.
fn is_alive(id: u32) -> bool {
    std::fs::read_to_string(format!("/proc/{id}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
}
