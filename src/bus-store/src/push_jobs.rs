use async_trait::async_trait;
use bus_domain::push::{
    AccountName, Device, DeviceId, JobId, JobState, PushJob, PushLane, PushMessage, PushProvider,
};

use crate::{DeviceStore, InletStore, PushProfileStore, StoreError};

/// Messages on their way to devices.
#[async_trait]
pub trait PushJobStore {
    /// Adds jobs, and returns when they are on disk. An id that is there already, in whatever state, is left as it is. Says
    /// which ones are new.
    async fn enqueue_jobs(&self, jobs: &[PushJob]) -> Result<Vec<JobId>, StoreError>;

    /// Takes jobs of a lane that are due, the longest due first, with their devices. Until `until_ms` nobody else gets them:
    /// that is what they are due at from now on, so they come back by themselves if nothing becomes of them.
    async fn claim_jobs(
        &self,
        lane: &PushLane,
        now_ms: i64,
        until_ms: i64,
        jobs_max: u32,
    ) -> Result<Vec<ClaimedJob>, StoreError>;

    /// Says what became of claimed jobs. One that was claimed by somebody else since, or cancelled, is left as it is. Says
    /// how many were settled.
    async fn settle_jobs(&self, settlements: &[JobSettlement]) -> Result<u64, StoreError>;

    /// Removes jobs that wait, and says which. One that is under way may arrive all the same.
    async fn cancel_jobs(&self, ids: &[JobId]) -> Result<Vec<JobId>, StoreError>;

    /// Where jobs stand, in the order of their ids. Those that are not there are left out.
    async fn find_jobs(&self, ids: &[JobId]) -> Result<Vec<JobRecord>, StoreError>;

    /// A page of the jobs that were given up, in the order of their ids.
    async fn dead_jobs(&self, after: Option<JobId>, jobs_max: u32) -> Result<Vec<JobRecord>, StoreError>;

    /// When the next job of a lane is due, in milliseconds since 1970.
    async fn next_due_ms(&self, lane: &PushLane) -> Result<Option<i64>, StoreError>;

    /// Has jobs that were given up wait again, due at this moment, as if they were new: they have as long as they had at first.
    /// Says which.
    async fn redrive_jobs(&self, ids: &[JobId], now_ms: i64) -> Result<Vec<JobId>, StoreError>;

    /// Removes jobs that were given up, and says which.
    async fn remove_dead_jobs(&self, ids: &[JobId]) -> Result<Vec<JobId>, StoreError>;

    /// A page of all jobs, in the order of their ids.
    async fn jobs_after(&self, after: Option<JobId>, jobs_max: u32) -> Result<Vec<JobRecord>, StoreError>;

    /// Gives up jobs of a lane that have expired and are not claimed, as many as may be at once, and says how many there were: for
    /// lanes that nobody sends from.
    async fn expire_jobs(&self, lane: &PushLane, now_ms: i64, jobs_max: u32) -> Result<u64, StoreError>;

    /// How much waits, by lane.
    async fn push_queues(&self) -> Result<Vec<PushQueue>, StoreError>;

    /// Forgets jobs that were over at this moment, as many as may be at once, and says how many there were. Their ids may
    /// come again from then on.
    async fn forget_jobs(&self, finished_through_ms: i64, jobs_max: u32) -> Result<u64, StoreError>;
}

/// All of what pushing needs.
pub trait PushStore:
    DeviceStore + InletStore + PushJobStore + PushProfileStore + Send + Sync + 'static
{
}

impl<S: DeviceStore + InletStore + PushJobStore + PushProfileStore + Send + Sync + 'static> PushStore for S {}

/// A job with its device; without one, if it is gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimedJob {
    /// The job; its `due_at_ms` is the end of the claim.
    pub job: PushJob,
    /// Its device.
    pub device: Option<Device>,
}

/// What became of a claimed job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobSettlement {
    /// Which.
    pub id: JobId,
    /// The end of the claim that it was tried under: the fence against those who have it now.
    pub claimed_until_ms: i64,
    /// How often it was tried now.
    pub attempts: u32,
    /// What comes of it.
    pub result: JobResult,
}

/// See [`JobSettlement`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JobResult {
    /// It is tried again.
    Retry {
        /// When, in milliseconds since 1970.
        due_at_ms: i64,
        /// Why.
        reason: String,
    },
    /// Its provider has taken it; the message is forgotten.
    Delivered {
        /// When, in milliseconds since 1970.
        at_ms: i64,
    },
    /// It is given up.
    Dead {
        /// When, in milliseconds since 1970.
        at_ms: i64,
        /// Why.
        reason: String,
    },
}

/// A job, and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobRecord {
    /// Its name.
    pub id: JobId,
    /// For whom.
    pub device: DeviceId,
    /// Through whom.
    pub provider: PushProvider,
    /// With which credentials.
    pub account: AccountName,
    /// What; forgotten once it is delivered.
    pub message: Option<PushMessage>,
    /// Where it stands.
    pub state: JobState,
    /// When it was taken, in milliseconds since 1970.
    pub enqueued_at_ms: i64,
    /// When it is tried next if it waits, in milliseconds since 1970.
    pub due_at_ms: i64,
    /// When it is of no use any more, in milliseconds since 1970.
    pub expires_at_ms: i64,
    /// How often it was tried.
    pub attempts: u32,
    /// Why it waits or was given up.
    pub reason: Option<String>,
    /// When it was over, in milliseconds since 1970.
    pub finished_at_ms: Option<i64>,
}

/// How much waits in a lane.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PushQueue {
    /// Which.
    pub lane: PushLane,
    /// How many jobs.
    pub waiting: u64,
    /// When the oldest of them was taken, in milliseconds since 1970.
    pub oldest_enqueued_at_ms: i64,
}
