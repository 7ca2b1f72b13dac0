use std::time::Duration;

use tokio::process::Command;
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_mins(5);

/// Runs the script of a foreign client to its end. It prints a line of JSON for each step that went as expected; their
/// names. A script that fails fails the test, with what it says.
pub(crate) async fn steps_of(script: &mut Command) -> Vec<String> {
    let ended = timeout(PATIENCE, script.kill_on_drop(true).output());
    let ended = ended.await.expect("the script ends").expect("the script starts");
    let steps = String::from_utf8(ended.stdout).expect("it prints UTF-8");
    let complaint = String::from_utf8_lossy(&ended.stderr);
    assert!(ended.status.success(), "{}; the steps before:\n{steps}{complaint}", ended.status);
    steps.lines().map(step).collect()
}

fn step(line: &str) -> String {
    let line: serde_json::Value = serde_json::from_str(line).expect("a step is a line of JSON");
    line["step"].as_str().expect("it has a name").to_owned()
}
