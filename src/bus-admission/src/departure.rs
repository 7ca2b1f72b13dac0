use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;

/// How the legs let go of their callers, when the instance is drained or stopped. Cheap to clone; all clones are one.
#[derive(Debug, Clone, Default)]
pub struct Departure {
    leaving: CancellationToken,
    publishes: TaskTracker,
}

impl Departure {
    /// Sends everybody away.
    pub fn begin(&self) {
        self.leaving.cancel();
        self.publishes.close();
    }

    /// Whether everybody is sent away.
    pub fn has_begun(&self) -> bool {
        self.leaving.is_cancelled()
    }

    /// Resolves when it begins.
    pub async fn begun(&self) {
        self.leaving.cancelled().await;
    }

    /// Takes note of a publish, which is under way until the token is dropped.
    pub fn take_publish(&self) -> TaskTrackerToken {
        self.publishes.token()
    }

    /// The same, of one that is a call of its own: there are no more once it has begun.
    pub fn admit_publish(&self) -> Option<TaskTrackerToken> {
        // First counted, so that whoever waits for the last one waits for it too.
        let token = self.publishes.token();
        (!self.has_begun()).then_some(token)
    }

    /// Waits for the publishes under way, if it has begun, but not longer than this. Says how many are left.
    pub async fn publishes_answered(&self, patience: Duration) -> u64 {
        // What is left then is counted.
        let _ = tokio::time::timeout(patience, self.publishes.wait()).await;
        self.publishes.len() as u64
    }
}
