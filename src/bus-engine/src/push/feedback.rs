use async_trait::async_trait;
use bus_domain::BusError;
use bus_domain::push::{DeviceId, JobId, PushLane};

/// Takes what pushing has found out for good. The daemon publishes it.
#[async_trait]
pub trait PushFeedback: Send + Sync + 'static {
    /// Returns once it is as safe as it will be: only then it counts in the store. What is told twice, after a crash in between, has
    /// the same job.
    ///
    /// # Errors
    /// When it cannot be told now, but later. What can never be told is the implementer's to note.
    async fn tell(&self, facts: &[PushFact]) -> Result<(), BusError>;
}

/// The end of a job that was not delivered, and what it has cost its device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PushFact {
    /// What.
    pub kind: PushFactKind,
    /// Of which job.
    pub job: JobId,
    /// For which device.
    pub device: DeviceId,
    /// Through whom.
    pub lane: PushLane,
    /// The registration that the provider has judged, in milliseconds since 1970, if it has.
    pub registered_at_ms: Option<i64>,
    /// Why: a word of the provider's table, or of the sender's.
    pub reason: String,
    /// When, in milliseconds since 1970.
    pub at_ms: i64,
}

/// See [`PushFact`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PushFactKind {
    /// The job was given up; the device stays as it is.
    Failed,
    /// The device is gone, and is removed unless it has registered anew.
    DeviceRemoved,
    /// The device is set aside unless it has registered anew.
    DeviceQuarantined,
}

impl PushFactKind {
    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::DeviceRemoved => "device_removed",
            Self::DeviceQuarantined => "device_quarantined",
        }
    }
}
