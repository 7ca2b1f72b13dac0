use std::fs;
use std::path::PathBuf;
use std::process::Command;

use harness::{Daemon, wait_until};
use tempfile::TempDir;

use super::trace::Trace;
use crate::peers::PATIENCE;

/// `interposer.c`, compiled, with the files by which it and a test talk.
pub(crate) struct Interposer(TempDir);

impl Interposer {
    pub(crate) fn compile() -> Self {
        let interposer = Self(tempfile::tempdir().expect("a folder"));
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/integration/synced/interposer.c");
        let flags = ["-shared", "-fPIC", "-O2", "-Wall", "-Wextra", "-Werror", "-o"];
        let mut cc = Command::new("cc");
        cc.args(flags).arg(interposer.library()).arg(source).arg("-ldl");
        let ended = cc.output().expect("cc, which Rust links with, is there");
        assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
        interposer
    }

    /// Puts itself between the daemon and the operating system from the daemon's next start on.
    pub(crate) fn watch(&self, daemon: &mut Daemon) {
        daemon.set_env("LD_PRELOAD", self.library());
        daemon.set_env("INTERPOSER_LOG", self.log());
        daemon.set_env("INTERPOSER_HOLD", self.hold_file());
    }

    /// From now on no sync is done.
    pub(crate) fn hold_syncs(&self) {
        fs::write(self.hold_file(), "").expect("the folder is writable");
    }

    /// Lets syncs through again, those held too.
    pub(crate) fn release_syncs(&self) {
        fs::remove_file(self.hold_file()).expect("syncs are held");
    }

    /// Waits until the daemon is inside a sync of the store that began after the request with `token` was read.
    pub(super) async fn wait_for_held_sync(&self, token: &str) {
        let is_held = async || self.trace().holds_sync_after(token).then_some(());
        wait_until("a sync that is held back", PATIENCE, is_held).await.expect("the publish is synced");
    }

    /// What was noted so far.
    pub(super) fn trace(&self) -> Trace {
        Trace::parse(&fs::read_to_string(self.log()).expect("the interposer writes its log"))
    }

    fn library(&self) -> PathBuf {
        self.0.path().join("interposer.so")
    }

    fn log(&self) -> PathBuf {
        self.0.path().join("trace.log")
    }

    fn hold_file(&self) -> PathBuf {
        self.0.path().join("hold")
    }
}
