use std::collections::HashMap;

use async_trait::async_trait;
use bus_domain::push::{JobId, JobState, PushJob, PushLane, PushMessage, PushProvider};
use bus_store::{
    ClaimedJob, CommitLevel, JobRecord, JobResult, JobSettlement, PushJobStore, PushQueue, StoreError,
};
use serde_json::{Value, json};
use sqlx::Row as _;
use sqlx::sqlite::SqliteRow;

use crate::SqliteStore;
use crate::devices::{self, account, device, device_id, id_list};
use crate::error::store_error;
use crate::rows::{inconsistent, integer, optional_integer, text, unsigned};
use crate::statement::{SqliteQuery, query, statements};

/// The columns that [`record`] reads.
macro_rules! job_columns {
    () => {
        "job_id, device_id, provider, account, message, state, enqueued_at_ms, due_at_ms, expires_at_ms, attempts, reason, finished_at_ms"
    };
}

statements! {
    ENQUEUE = "INSERT INTO push_jobs (job_id, device_id, provider, message, state, enqueued_at_ms, due_at_ms, expires_at_ms, attempts,
             account)
         SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, 'waiting', value ->> 4, value ->> 5, value ->> 6, value ->> 7, value ->> 8
         FROM jsonb_each(?1) WHERE true
         ON CONFLICT (job_id) DO NOTHING RETURNING job_id";
    CLAIM = concat!("UPDATE push_jobs SET due_at_ms = ?3, coalesced_as = NULL WHERE job_id IN
             (SELECT job_id FROM push_jobs WHERE provider = ?1 AND account = ?5 AND state = 'waiting' AND due_at_ms <= ?2
              ORDER BY due_at_ms LIMIT ?4)
         RETURNING ", job_columns!());
    SETTLE = "UPDATE push_jobs SET state = s.value ->> 2, due_at_ms = s.value ->> 3, attempts = s.value ->> 4,
             reason = s.value ->> 5, finished_at_ms = s.value ->> 6,
             message = CASE s.value ->> 2 WHEN 'delivered' THEN NULL ELSE message END
         FROM jsonb_each(?1) AS s
         WHERE job_id = s.value ->> 0 AND state = 'waiting' AND due_at_ms = s.value ->> 1";
    CANCEL = "DELETE FROM push_jobs WHERE state = 'waiting' AND job_id IN (SELECT value FROM jsonb_each(?1)) RETURNING job_id";
    FIND = concat!("SELECT ", job_columns!(), " FROM push_jobs
         WHERE job_id IN (SELECT value FROM jsonb_each(?1)) ORDER BY job_id");
    DEAD = concat!("SELECT ", job_columns!(), " FROM push_jobs WHERE state = 'dead' AND job_id > ?1 ORDER BY job_id LIMIT ?2");
    REDRIVE = "UPDATE push_jobs SET state = 'waiting', due_at_ms = ?2, enqueued_at_ms = ?2,
             expires_at_ms = ?2 + (expires_at_ms - enqueued_at_ms), attempts = 0, reason = NULL, finished_at_ms = NULL
         WHERE state = 'dead' AND job_id IN (SELECT value FROM jsonb_each(?1)) RETURNING job_id";
    REMOVE_DEAD = "DELETE FROM push_jobs WHERE state = 'dead' AND job_id IN (SELECT value FROM jsonb_each(?1)) RETURNING job_id";
    AFTER = concat!("SELECT ", job_columns!(), " FROM push_jobs WHERE job_id > ?1 ORDER BY job_id LIMIT ?2");
    EXPIRE = "UPDATE push_jobs SET state = 'dead', coalesced_as = NULL, reason = 'expired', finished_at_ms = ?3 WHERE job_id IN
             (SELECT job_id FROM push_jobs WHERE provider = ?1 AND account = ?2 AND state = 'waiting' AND due_at_ms <= ?3
                  AND expires_at_ms <= ?3
              ORDER BY due_at_ms LIMIT ?4)";
    NEXT_DUE = "SELECT min(due_at_ms) AS due_at_ms FROM push_jobs
         WHERE provider = ?1 AND account = ?2 AND state = 'waiting'";
    QUEUES = "SELECT provider, account, count(*) AS waiting, min(enqueued_at_ms) AS oldest_ms FROM push_jobs
         WHERE state = 'waiting' GROUP BY provider, account ORDER BY provider, account";
    FORGET = "DELETE FROM push_jobs WHERE job_id IN
             (SELECT job_id FROM push_jobs WHERE finished_at_ms <= ?1 ORDER BY finished_at_ms LIMIT ?2)";
}

#[async_trait]
impl PushJobStore for SqliteStore {
    async fn enqueue_jobs(&self, jobs: &[PushJob]) -> Result<Vec<JobId>, StoreError> {
        let values = jobs.iter().map(job_values).collect::<Result<_, _>>()?;
        let mut transaction = self.begin_write(CommitLevel::Fsync).await?;
        let added = transaction.fetch_all(query(ENQUEUE).bind(Value::Array(values).to_string())).await?;
        transaction.commit_write().await?;
        added.iter().map(job_id).collect()
    }

    async fn claim_jobs(
        &self,
        lane: &PushLane,
        now_ms: i64,
        until_ms: i64,
        jobs_max: u32,
    ) -> Result<Vec<ClaimedJob>, StoreError> {
        let mut transaction = self.begin_write(CommitLevel::Relaxed).await?;
        let claim = query(CLAIM)
            .bind(lane.provider.as_str())
            .bind(now_ms)
            .bind(until_ms)
            .bind(i64::from(jobs_max))
            .bind(lane.account.as_str());
        let jobs = transaction.fetch_all(claim).await?;
        let jobs = jobs.iter().map(job).collect::<Result<Vec<_>, _>>()?;
        let wanted: Vec<_> = jobs.iter().map(|job| job.device).collect();
        let devices = transaction.fetch_all(query(devices::FIND_ALL).bind(id_list(&wanted))).await?;
        transaction.commit_write().await?;
        let devices = devices.iter().map(device).collect::<Result<Vec<_>, _>>()?;
        let devices: HashMap<_, _> = devices.into_iter().map(|device| (device.id, device)).collect();
        let claimed = |job: PushJob| ClaimedJob { device: devices.get(&job.device).cloned(), job };
        Ok(jobs.into_iter().map(claimed).collect())
    }

    async fn settle_jobs(&self, settlements: &[JobSettlement]) -> Result<u64, StoreError> {
        let values = Value::Array(settlements.iter().map(settlement_values).collect());
        let mut transaction = self.begin_write(CommitLevel::Relaxed).await?;
        let settled = transaction.execute(query(SETTLE).bind(values.to_string())).await?;
        transaction.commit_write().await?;
        Ok(settled)
    }

    async fn cancel_jobs(&self, ids: &[JobId]) -> Result<Vec<JobId>, StoreError> {
        let mut transaction = self.begin_write(CommitLevel::Fsync).await?;
        let removed = transaction.fetch_all(query(CANCEL).bind(id_list(ids))).await?;
        transaction.commit_write().await?;
        removed.iter().map(job_id).collect()
    }

    async fn find_jobs(&self, ids: &[JobId]) -> Result<Vec<JobRecord>, StoreError> {
        self.job_records(query(FIND).bind(id_list(ids))).await
    }

    async fn dead_jobs(&self, after: Option<JobId>, jobs_max: u32) -> Result<Vec<JobRecord>, StoreError> {
        let after = after.map(|id| id.to_string()).unwrap_or_default();
        self.job_records(query(DEAD).bind(after).bind(i64::from(jobs_max))).await
    }

    async fn next_due_ms(&self, lane: &PushLane) -> Result<Option<i64>, StoreError> {
        let next = query(NEXT_DUE)
            .bind(lane.provider.as_str())
            .bind(lane.account.as_str())
            .fetch_one(&self.readers)
            .await;
        optional_integer(&next.map_err(store_error)?, "due_at_ms")
    }

    async fn redrive_jobs(&self, ids: &[JobId], now_ms: i64) -> Result<Vec<JobId>, StoreError> {
        let mut transaction = self.begin_write(CommitLevel::Fsync).await?;
        let redriven = transaction.fetch_all(query(REDRIVE).bind(id_list(ids)).bind(now_ms)).await?;
        transaction.commit_write().await?;
        redriven.iter().map(job_id).collect()
    }

    async fn remove_dead_jobs(&self, ids: &[JobId]) -> Result<Vec<JobId>, StoreError> {
        let mut transaction = self.begin_write(CommitLevel::Fsync).await?;
        let removed = transaction.fetch_all(query(REMOVE_DEAD).bind(id_list(ids))).await?;
        transaction.commit_write().await?;
        removed.iter().map(job_id).collect()
    }

    async fn jobs_after(&self, after: Option<JobId>, jobs_max: u32) -> Result<Vec<JobRecord>, StoreError> {
        let after = after.map(|id| id.to_string()).unwrap_or_default();
        self.job_records(query(AFTER).bind(after).bind(i64::from(jobs_max))).await
    }

    async fn expire_jobs(&self, lane: &PushLane, now_ms: i64, jobs_max: u32) -> Result<u64, StoreError> {
        let mut transaction = self.begin_write(CommitLevel::Relaxed).await?;
        let expire = query(EXPIRE)
            .bind(lane.provider.as_str())
            .bind(lane.account.as_str())
            .bind(now_ms)
            .bind(i64::from(jobs_max));
        let expired = transaction.execute(expire).await?;
        transaction.commit_write().await?;
        Ok(expired)
    }

    async fn push_queues(&self) -> Result<Vec<PushQueue>, StoreError> {
        let rows = query(QUEUES).fetch_all(&self.readers).await.map_err(store_error)?;
        let queue = |row: &SqliteRow| {
            Ok(PushQueue {
                lane: PushLane { provider: provider(row)?, account: account(row)? },
                waiting: unsigned(row, "waiting")?,
                oldest_enqueued_at_ms: integer(row, "oldest_ms")?,
            })
        };
        rows.iter().map(queue).collect()
    }

    async fn forget_jobs(&self, finished_through_ms: i64, jobs_max: u32) -> Result<u64, StoreError> {
        let mut transaction = self.begin_write(CommitLevel::Relaxed).await?;
        let forget = query(FORGET).bind(finished_through_ms).bind(i64::from(jobs_max));
        let forgotten = transaction.execute(forget).await?;
        transaction.commit_write().await?;
        Ok(forgotten)
    }
}

impl SqliteStore {
    async fn job_records(&self, query: SqliteQuery<'_>) -> Result<Vec<JobRecord>, StoreError> {
        let rows = query.fetch_all(&self.readers).await.map_err(store_error)?;
        rows.iter().map(record).collect()
    }
}

pub(crate) fn job_values(job: &PushJob) -> Result<Value, StoreError> {
    let message = serde_json::to_string(&job.message).map_err(|error| inconsistent("push_jobs", &error))?;
    Ok(json!([
        job.id.to_string(),
        job.device.to_string(),
        job.provider.as_str(),
        message,
        job.enqueued_at_ms,
        job.due_at_ms,
        job.expires_at_ms,
        job.attempts,
        job.account.as_str(),
    ]))
}

fn settlement_values(settlement: &JobSettlement) -> Value {
    let (state, due_at_ms, reason, finished_at_ms) = match &settlement.result {
        JobResult::Retry { due_at_ms, reason } => (JobState::Waiting, *due_at_ms, Some(reason), None),
        JobResult::Delivered { at_ms } => (JobState::Delivered, *at_ms, None, Some(*at_ms)),
        JobResult::Dead { at_ms, reason } => (JobState::Dead, *at_ms, Some(reason), Some(*at_ms)),
    };
    json!([
        settlement.id.to_string(),
        settlement.claimed_until_ms,
        state.as_str(),
        due_at_ms,
        settlement.attempts,
        reason,
        finished_at_ms,
    ])
}

fn job(row: &SqliteRow) -> Result<PushJob, StoreError> {
    let record = record(row)?;
    let message =
        record.message.ok_or_else(|| inconsistent("push_jobs", &"a job that waits has no message"))?;
    Ok(PushJob {
        id: record.id,
        device: record.device,
        provider: record.provider,
        account: record.account,
        message,
        enqueued_at_ms: record.enqueued_at_ms,
        due_at_ms: record.due_at_ms,
        expires_at_ms: record.expires_at_ms,
        attempts: record.attempts,
    })
}

/// A job from [`job_columns!`].
fn record(row: &SqliteRow) -> Result<JobRecord, StoreError> {
    let message: Option<String> = row.try_get("message").map_err(store_error)?;
    let message: Option<PushMessage> = message
        .map(|message| serde_json::from_str(&message))
        .transpose()
        .map_err(|error: serde_json::Error| inconsistent("push_jobs", &error))?;
    let state = match &*text(row, "state")? {
        "waiting" => JobState::Waiting,
        "delivered" => JobState::Delivered,
        "dead" => JobState::Dead,
        other => return Err(inconsistent("push_jobs", &format!("state {other}"))),
    };
    let attempts = unsigned(row, "attempts")?;
    Ok(JobRecord {
        id: job_id(row)?,
        device: device_id(row)?,
        provider: provider(row)?,
        account: account(row)?,
        message,
        state,
        enqueued_at_ms: integer(row, "enqueued_at_ms")?,
        due_at_ms: integer(row, "due_at_ms")?,
        expires_at_ms: integer(row, "expires_at_ms")?,
        attempts: u32::try_from(attempts).unwrap_or(u32::MAX),
        reason: row.try_get("reason").map_err(store_error)?,
        finished_at_ms: optional_integer(row, "finished_at_ms")?,
    })
}

fn provider(row: &SqliteRow) -> Result<PushProvider, StoreError> {
    let name = text(row, "provider")?;
    PushProvider::from_name(&name).ok_or_else(|| inconsistent("push_jobs", &format!("provider {name}")))
}

fn job_id(row: &SqliteRow) -> Result<JobId, StoreError> {
    text(row, "job_id")?.parse().map_err(|error| inconsistent("push_jobs", &error))
}
