//! Waiting for what another process does, with a bound.

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
