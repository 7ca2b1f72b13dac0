//! The README's first command, as a newcomer runs it, and as it ends when something is wrong.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use harness::{Daemon, wait_until};
use tempfile::TempDir;
use tokio::process::Command;
use tokio::time::timeout;

use crate::peers::PATIENCE;

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/quickstart/run");
const SCRIPT_PATIENCE: Duration = Duration::from_mins(3);

#[tokio::test]
async fn the_quickstart_shows_the_main_job_and_leaves_nothing_running() {
    let place = Place::new();
    let run = place.run(&Daemon::binary().unwrap(), &[]).await;
    assert_eq!(run.status, Some(0), "{}", run.output);
    for line in [
        "expected: order-1; received: order-1: the same.",
        "expected: hello-1; received: hello-1: the same.",
        "expected: order-2 order-3 order-4 order-5; received: order-2 order-3 order-4 order-5: the same.",
        "All of it worked.",
    ] {
        assert!(run.output.contains(line), "the output lacks {line:?}:\n{}", run.output);
    }
    place.assert_empty();
}

#[tokio::test]
async fn keep_leaves_it_running_and_says_how_to_talk_to_it_and_how_to_stop_it() {
    let place = Place::new();
    let run = place.run(&Daemon::binary().unwrap(), &["--keep"]).await;
    assert_eq!(run.status, Some(0), "{}", run.output);
    assert_eq!(place.processes().len(), 2, "Prosody and the daemon:\n{}", run.output);

    let publish = run.line_after("Here, publish to him:");
    assert_eq!(shell(publish).await, Some(0), "{publish}");
    let stop = run.line_after("Stop it all and remove its folder:");
    assert_eq!(shell(stop).await, Some(0), "{stop}");
    let gone = async || place.processes().is_empty().then_some(());
    wait_until("the end of Prosody and the daemon", PATIENCE, gone).await.unwrap();
    place.assert_empty();
}

#[tokio::test]
async fn a_quickstart_that_fails_says_so_and_leaves_nothing_running() {
    let check = async |name: &str, binary: &str, complaint: &str| {
        let place = Place::new();
        let run = place.run(&place.write_binary(binary), &[]).await;
        run.assert_failed(name, complaint);
        place.assert_empty();
    };
    check("init fails", "exit 3", "failed in step 2").await;
    let daemon_dies =
        r#"case " $* " in *" serve "*) echo out of luck >&2; exit 1 ;; esac; exec "$real" "$@""#;
    check("the daemon dies", daemon_dies, "out of luck").await;
    let client_fails = r#"case " $* " in *" tail "*" --as "*) exit 1 ;; esac; exec "$real" "$@""#;
    check("alice cannot listen", client_fails, "alice's client ended by itself").await;
    let publish_fails = r#"case " $* " in *" pub "*) exit 1 ;; esac; exec "$real" "$@""#;
    check("a publish fails", publish_fails, "The end of stanzabus.log").await;
    let other_event = r#"exec "$real" "${@/order-3/order-x}""#;
    check("another event arrives", other_event, "received: order-2 order-x order-4 order-5").await;

    let place = Place::new();
    place.run(Path::new("/nowhere/stanzabus"), &[]).await.assert_failed("no binary", "is not there");
    place.assert_empty();
}

/// Where a quickstart keeps its files, and what it runs there. Whatever is left over is killed when this is dropped.
struct Place {
    temporary: TempDir,
    binaries: TempDir,
}

impl Place {
    fn new() -> Self {
        let folder = || tempfile::tempdir().expect("a folder");
        let place = Self { temporary: folder(), binaries: folder() };
        // Prosody runs as another user.
        fs::set_permissions(place.temporary.path(), fs::Permissions::from_mode(0o711)).expect("it is ours");
        place
    }

    async fn run(&self, binary: &Path, arguments: &[&str]) -> Run {
        let mut script = Command::new(SCRIPT);
        script.args(arguments).env("TMPDIR", self.temporary.path()).env("STANZABUS_BIN", binary);
        script.stdin(Stdio::null()).kill_on_drop(true);
        let ended =
            timeout(SCRIPT_PATIENCE, script.output()).await.expect("the quickstart ends").expect("it starts");
        let output = String::from_utf8_lossy(&[ended.stdout, ended.stderr].concat()).into_owned();
        Run { status: ended.status.code(), output }
    }

    /// A binary that is wrong in one way; `$real` is the right one.
    fn write_binary(&self, script: &str) -> PathBuf {
        let path = self.binaries.path().join("stanzabus");
        let real = Daemon::binary().expect("it is built");
        fs::write(&path, format!("#!/usr/bin/env bash\nreal='{}'\n{script}\n", real.display()))
            .expect("it is ours");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("it is ours");
        path
    }

    /// The ids of the processes that have a path below the folder on their command line.
    fn processes(&self) -> Vec<String> {
        let folder = self.temporary.path().to_str().expect("a plain path");
        let is_below = |id: &String| {
            let command_line = fs::read(format!("/proc/{id}/cmdline")).unwrap_or_default();
            String::from_utf8_lossy(&command_line).contains(folder)
        };
        let names = fs::read_dir("/proc")
            .expect("this is Linux")
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        names.filter(|name| name.bytes().all(|byte| byte.is_ascii_digit())).filter(is_below).collect()
    }

    fn assert_empty(&self) {
        assert_eq!(self.processes(), Vec::<String>::new());
        let left: Vec<_> = fs::read_dir(self.temporary.path())
            .expect("it is ours")
            .map(|entry| entry.expect("it can be listed").path())
            .collect();
        assert_eq!(left, Vec::<PathBuf>::new());
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let left = self.processes();
        if !left.is_empty() {
            // A failed test; its own message says more than a failure here.
            let _ = std::process::Command::new("sh").args(["-c", "kill -9 \"$@\"", "sh"]).args(left).status();
        }
    }
}

/// What a quickstart left behind on the terminal.
struct Run {
    status: Option<i32>,
    output: String,
}

impl Run {
    fn assert_failed(&self, name: &str, complaint: &str) {
        let Self { status, output } = self;
        assert!(status.is_some_and(|status| status != 0), "{name}: {status:?}\n{output}");
        assert!(output.contains(complaint), "{name}: the output lacks {complaint:?}:\n{output}");
        assert!(!output.contains("All of it worked"), "{name}:\n{output}");
    }

    fn line_after(&self, heading: &str) -> &str {
        let mut lines = self.output.lines().skip_while(|line| *line != heading);
        lines.nth(1).unwrap_or_else(|| panic!("{heading:?} is missing:\n{}", self.output))
    }
}

async fn shell(command: &str) -> Option<i32> {
    Command::new("sh").args(["-c", command]).output().await.expect("a shell").status.code()
}
