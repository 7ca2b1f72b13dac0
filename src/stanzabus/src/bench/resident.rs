//! How much memory the daemon has, as its metrics tell.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};

use super::cut_short;
use crate::client::http::get;
use crate::failure::Failure;

const METRIC: &str = "process_resident_memory_bytes ";
/// How often it is looked at while something goes on.
const SAMPLE_INTERVAL: Duration = Duration::from_millis(200);

/// What is in RAM now.
pub(super) async fn bytes(metrics: SocketAddr) -> Result<f64, Failure> {
    let (_, text) =
        get(metrics, "/metrics").await.ok_or_else(|| cut_short("nobody answers on [http] listen"))?;
    let value = text.lines().find_map(|line| line.strip_prefix(METRIC)).and_then(|value| value.parse().ok());
    value.ok_or_else(|| cut_short("the daemon does not tell how much memory it has"))
}

/// How much more there was at any time while this went on than before.
pub(super) async fn added_by<T>(
    metrics: SocketAddr,
    work: impl Future<Output = Result<T, Failure>>,
) -> Result<f64, Failure> {
    let before = bytes(metrics).await?;
    let mut most = before;
    let mut ticks = interval(SAMPLE_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    tokio::pin!(work);
    loop {
        tokio::select! {
            done = &mut work => {
                done?;
                return Ok(bytes(metrics).await?.max(most) - before);
            }
            _ = ticks.tick() => most = most.max(bytes(metrics).await?),
        }
    }
}
