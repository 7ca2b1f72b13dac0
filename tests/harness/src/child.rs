//! A child process whose output goes to a log file.

use std::fs::{self, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tokio::process::Command;
use tokio::time::{Instant, timeout};

use crate::wait_until;

const LOG_LINES_SHOWN: usize = 40;
const WAKE_INTERVAL: Duration = Duration::from_secs(1);

/// A running process; killed when dropped.
#[derive(Debug)]
pub struct Child {
    name: String,
    log: PathBuf,
    process: tokio::process::Child,
}

impl Child {
    /// Starts a command; what it prints is appended to `log`.
    ///
    /// # Errors
    /// When the program is missing or the log cannot be written.
    pub fn spawn(name: &str, command: &mut Command, log: &Path) -> Result<Self> {
        let output = OpenOptions::new().create(true).append(true).open(log)?;
        let process = command
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("{name} does not start"))?;
        Ok(Self { name: name.to_owned(), log: log.to_owned(), process })
    }

    /// The process id, while it runs.
    pub fn id(&self) -> Option<u32> {
        self.process.id()
    }

    /// SIGKILL, and waits until the process is gone.
    ///
    /// # Errors
    /// When it had ended before.
    pub async fn kill9(mut self) -> Result<()> {
        self.check_running()?;
        self.process.kill().await.with_context(|| format!("cannot kill {}", self.name))
    }

    /// SIGTERM, and waits for the exit.
    ///
    /// # Errors
    /// When it had ended before, or does not end within `patience`.
    pub async fn terminate(mut self, patience: Duration) -> Result<ExitStatus> {
        self.check_running()?;
        self.signal("TERM").await?;
        match timeout(patience, self.process.wait()).await {
            Ok(status) => Ok(status?),
            Err(_) => bail!("{} did not end within {patience:?} of SIGTERM; {}", self.name, self.log_tail()),
        }
    }

    /// As [`Self::terminate`], for a process that may sleep through its last timer: it is woken until it ends.
    ///
    /// Prosody computes how long it may sleep, and only then handles the signal: when that falls between the two it closes
    /// everything and sleeps on, for hours (`loop` in its `net/server_epoll.lua`). SIGSTOP with SIGCONT interrupts the sleep.
    ///
    /// # Errors
    /// As [`Self::terminate`].
    pub async fn terminate_and_wake(mut self, patience: Duration) -> Result<ExitStatus> {
        self.signal("TERM").await?;
        self.wait_and_wake(patience).await
    }

    /// As [`Self::wait`], for a process that was told to end and may sleep on: see [`Self::terminate_and_wake`].
    ///
    /// # Errors
    /// As [`Self::wait`].
    pub async fn wait_and_wake(mut self, patience: Duration) -> Result<ExitStatus> {
        let deadline = Instant::now() + patience;
        loop {
            match timeout(WAKE_INTERVAL, self.process.wait()).await {
                Ok(status) => return Ok(status?),
                Err(_) if Instant::now() < deadline => {
                    for signal in ["STOP", "CONT"] {
                        // It may have ended just now, which the next round finds out.
                        let _ = self.signal(signal).await;
                    }
                }
                Err(_) => bail!("{} still runs after {patience:?}; {}", self.name, self.log_tail()),
            }
        }
    }

    /// Sends a signal, by its name without SIG.
    ///
    /// # Errors
    /// When it has ended.
    pub async fn signal(&mut self, signal: &str) -> Result<()> {
        self.check_running()?;
        let id = self.id().context("a running process has an id")?;
        // The shell's own `kill`: a bare machine may lack the program, and std sends SIGKILL only.
        let kill = ["-c", "kill -\"$0\" \"$1\"", signal, &id.to_string()];
        if !Command::new("sh").args(kill).status().await?.success() {
            bail!("cannot send SIG{signal} to {}", self.name);
        }
        Ok(())
    }

    /// Waits for the process to end by itself.
    ///
    /// # Errors
    /// When it does not within `patience`.
    pub async fn wait(mut self, patience: Duration) -> Result<ExitStatus> {
        match timeout(patience, self.process.wait()).await {
            Ok(status) => Ok(status?),
            Err(_) => bail!("{} still runs after {patience:?}; {}", self.name, self.log_tail()),
        }
    }

    /// Asks until the answer is `Some`, as long as the process runs, at most for `patience`.
    ///
    /// # Errors
    /// With the end of the log, when the process ends or the time is up.
    pub async fn wait_until<T>(
        &mut self,
        what: &str,
        patience: Duration,
        mut probe: impl AsyncFnMut() -> Option<T>,
    ) -> Result<T> {
        let answer = wait_until(what, patience, async || match self.check_running() {
            Err(ended) => Some(Err(ended)),
            Ok(()) => probe().await.map(Ok),
        });
        answer.await.with_context(|| tail(&self.log)).flatten()
    }

    /// Fails, with the end of the log, when the process has ended by itself.
    ///
    /// # Errors
    /// See above.
    pub fn check_running(&mut self) -> Result<()> {
        match self.process.try_wait()? {
            None => Ok(()),
            Some(status) => bail!("{} ended by itself: {status}; {}", self.name, self.log_tail()),
        }
    }

    /// The last lines that it printed, for a message.
    pub fn log_tail(&self) -> String {
        tail(&self.log)
    }
}

/// The last lines of a file, for a message.
pub(crate) fn tail(path: &Path) -> String {
    let text = fs::read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
    let lines: Vec<_> = text.lines().collect();
    let shown = &lines[lines.len().saturating_sub(LOG_LINES_SHOWN)..];
    format!("the end of {}:\n  {}", path.display(), shown.join("\n  "))
}
