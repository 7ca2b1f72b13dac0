//! A time of day that jumps at a test's word.

use std::fs;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Result, bail};
use tempfile::TempDir;

use crate::Daemon;

/// `clock.c`, compiled, and the file by which it is ruled.
#[derive(Debug)]
pub struct Clock(TempDir);

impl Clock {
    /// Compiles it; the time of day is the machine's.
    ///
    /// # Errors
    /// When the C compiler that Rust links with does not compile it.
    pub fn compile() -> Result<Self> {
        let clock = Self(tempfile::Builder::new().prefix("stanzabus-clock-").tempdir()?);
        clock.set_s(0)?;
        let source = clock.0.path().join("clock.c");
        fs::write(&source, include_str!("clock.c"))?;
        let flags = ["-shared", "-fPIC", "-O2", "-Wall", "-Wextra", "-Werror", "-o"];
        let mut cc = Command::new("cc");
        let ended = cc.args(flags).arg(clock.library()).arg(source).arg("-ldl").output()?;
        if !ended.status.success() {
            bail!("clock.c: {}", String::from_utf8_lossy(&ended.stderr));
        }
        Ok(clock)
    }

    /// Rules the daemon's time of day from its next start on.
    pub fn rule(&self, daemon: &mut Daemon) {
        daemon.set_env("LD_PRELOAD", self.library());
        daemon.set_env("CLOCK_OFFSET", self.offset_file());
    }

    /// Moves the time of day, so many seconds away from the machine's.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn set_s(&self, offset_s: i64) -> Result<()> {
        // Written in place: the daemon has the file mapped.
        let mut file =
            fs::File::options().create(true).truncate(false).write(true).open(self.offset_file())?;
        Ok(file.write_all(&offset_s.to_ne_bytes())?)
    }

    fn library(&self) -> PathBuf {
        self.0.path().join("clock.so")
    }

    fn offset_file(&self) -> PathBuf {
        self.0.path().join("offset")
    }
}
