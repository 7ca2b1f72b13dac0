//! Waiting for what another process does, with a bound.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Result, bail};
use tokio::time::{Instant, sleep};

const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// Asks until the answer is `Some`, at most for `patience`.
///
/// Only for what cannot be awaited: the state of a foreign process.
///
/// # Errors
/// Names `what` was waited for.
pub async fn wait_until<T>(
    what: &str,
    patience: Duration,
    mut probe: impl AsyncFnMut() -> Option<T>,
) -> Result<T> {
    let deadline = Instant::now() + patience;
    loop {
        if let Some(answer) = probe().await {
            return Ok(answer);
        }
        if Instant::now() >= deadline {
            bail!("waited {patience:?} in vain for {what}");
        }
        sleep(POLL_INTERVAL).await;
    }
}

/// The whole lines of a file that another process adds to; none while there is no such file. The last line may still be on its
/// way: it is not there before its end is.
pub fn whole_lines(path: &Path) -> Vec<String> {
    let text = fs::read(path).unwrap_or_default();
    let end = text.iter().rposition(|byte| *byte == b'\n').unwrap_or(0);
    String::from_utf8_lossy(&text[..end]).lines().map(str::to_owned).collect()
}
