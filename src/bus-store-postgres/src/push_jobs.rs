use std::collections::HashMap;

use async_trait::async_trait;
use bus_domain::push::{JobId, JobState, PushJob, PushLane, PushMessage, PushProvider};
use bus_store::{
    ClaimedJob, CommitLevel, JobRecord, JobResult, JobSettlement, PushJobStore, PushQueue, StoreError,
};
use sqlx::Row as _;
use sqlx::postgres::PgRow;

use crate::PostgresStore;
use crate::devices::{self, account, device, device_id, id_list};
use crate::error::store_error;
use crate::rows::{inconsistent, integer, optional_integer, text, unsigned};
use crate::statement::{PgQuery, query, statements};

/// The columns that [`record`] reads.
macro_rules! job_columns {
    () => {
        "j.job_id, j.device_id, j.provider, j.account, j.message, j.state, j.enqueued_at_ms, j.due_at_ms, j.expires_at_ms, j.attempts, j.reason,
         j.finished_at_ms"
    };
}

statements! {
    ENQUEUE = "INSERT INTO push_jobs (job_id, device_id, provider, message, state, enqueued_at_ms, due_at_ms, expires_at_ms, attempts,
             account)
         SELECT n.id, n.device, n.provider, n.message, 'waiting', n.enqueued_at_ms, n.due_at_ms, n.expires_at_ms, n.attempts, n.account
         FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[], $9::text[])
             AS n (id, device, provider, message, enqueued_at_ms, due_at_ms, expires_at_ms, attempts, account)
         ORDER BY n.id
         ON CONFLICT (job_id) DO NOTHING RETURNING job_id";
    CLAIM = concat!("WITH due AS
             (SELECT job_id FROM push_jobs WHERE provider = $1 AND account = $5 AND state = 'waiting' AND due_at_ms <= $2
              ORDER BY due_at_ms LIMIT $4 FOR UPDATE SKIP LOCKED)
         UPDATE push_jobs j SET due_at_ms = $3, coalesced_as = NULL FROM due WHERE j.job_id = due.job_id
         RETURNING ", job_columns!());
    SETTLE = "UPDATE push_jobs j SET state = s.state, due_at_ms = s.due_at_ms, attempts = s.attempts, reason = s.reason,
             finished_at_ms = s.finished_at_ms, message = CASE s.state WHEN 'delivered' THEN NULL ELSE j.message END
         FROM unnest($1::text[], $2::bigint[], $3::text[], $4::bigint[], $5::bigint[], $6::text[], $7::bigint[])
             AS s (id, claimed_until_ms, state, due_at_ms, attempts, reason, finished_at_ms)
         WHERE j.job_id = s.id AND j.state = 'waiting' AND j.due_at_ms = s.claimed_until_ms";
    CANCEL = "DELETE FROM push_jobs WHERE state = 'waiting' AND job_id = ANY($1) RETURNING job_id";
    FIND = concat!("SELECT ", job_columns!(), " FROM push_jobs j WHERE j.job_id = ANY($1) ORDER BY j.job_id");
    DEAD = concat!("SELECT ", job_columns!(), " FROM push_jobs j WHERE j.state = 'dead' AND j.job_id > $1 ORDER BY j.job_id LIMIT $2");
    REDRIVE = "UPDATE push_jobs SET state = 'waiting', due_at_ms = $2, enqueued_at_ms = $2,
             expires_at_ms = $2 + (expires_at_ms - enqueued_at_ms), attempts = 0, reason = NULL, finished_at_ms = NULL
         WHERE state = 'dead' AND job_id = ANY($1) RETURNING job_id";
    REMOVE_DEAD = "DELETE FROM push_jobs WHERE state = 'dead' AND job_id = ANY($1) RETURNING job_id";
    AFTER = concat!("SELECT ", job_columns!(), " FROM push_jobs j WHERE j.job_id > $1 ORDER BY j.job_id LIMIT $2");
    EXPIRE = "UPDATE push_jobs SET state = 'dead', coalesced_as = NULL, reason = 'expired', finished_at_ms = $3 WHERE job_id IN
             (SELECT job_id FROM push_jobs WHERE provider = $1 AND account = $2 AND state = 'waiting' AND due_at_ms <= $3
                  AND expires_at_ms <= $3
              ORDER BY due_at_ms LIMIT $4 FOR UPDATE SKIP LOCKED)";
    NEXT_DUE = "SELECT min(due_at_ms) AS due_at_ms FROM push_jobs
         WHERE provider = $1 AND account = $2 AND state = 'waiting'";
    QUEUES = "SELECT provider, account, count(*) AS waiting, min(enqueued_at_ms) AS oldest_ms FROM push_jobs
         WHERE state = 'waiting' GROUP BY provider, account ORDER BY provider, account";
    FORGET = "DELETE FROM push_jobs WHERE job_id IN
             (SELECT job_id FROM push_jobs WHERE finished_at_ms <= $1 ORDER BY finished_at_ms LIMIT $2)";
}

#[async_trait]
impl PushJobStore for PostgresStore {
    async fn enqueue_jobs(&self, jobs: &[PushJob]) -> Result<Vec<JobId>, StoreError> {
        let enqueue = enqueueing(jobs)?;
        let mut transaction = self.begin_write(CommitLevel::Fsync).await?;
        let added = transaction.fetch_all(enqueue).await?;
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
        let mut transaction = self.begin_write(CommitLevel::Relaxed).await?;
        let settled = transaction.execute(settling(settlements)).await?;
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
        let next = query(NEXT_DUE).bind(lane.provider.as_str()).bind(lane.account.as_str());
        optional_integer(&self.pool.session().await?.fetch_one(next).await?, "due_at_ms")
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
        let rows = self.pool.session().await?.fetch_all(query(QUEUES)).await?;
        let queue = |row: &PgRow| {
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

impl PostgresStore {
    async fn job_records(&self, query: PgQuery<'_>) -> Result<Vec<JobRecord>, StoreError> {
        self.pool.session().await?.fetch_all(query).await?.iter().map(record).collect()
    }
}

fn enqueueing(jobs: &[PushJob]) -> Result<PgQuery<'static>, StoreError> {
    let messages = jobs.iter().map(|job| serde_json::to_string(&job.message)).collect::<Result<Vec<_>, _>>();
    let texts = |text: fn(&PushJob) -> String| jobs.iter().map(text).collect::<Vec<_>>();
    let numbers = |number: fn(&PushJob) -> i64| jobs.iter().map(number).collect::<Vec<_>>();
    Ok(query(ENQUEUE)
        .bind(texts(|job| job.id.to_string()))
        .bind(texts(|job| job.device.to_string()))
        .bind(texts(|job| job.provider.as_str().to_owned()))
        .bind(messages.map_err(|error| inconsistent("push_jobs", &error))?)
        .bind(numbers(|job| job.enqueued_at_ms))
        .bind(numbers(|job| job.due_at_ms))
        .bind(numbers(|job| job.expires_at_ms))
        .bind(numbers(|job| i64::from(job.attempts)))
        .bind(texts(|job| job.account.as_str().to_owned())))
}

fn settling(settlements: &[JobSettlement]) -> PgQuery<'static> {
    let results = settlements.iter().map(|settlement| match &settlement.result {
        JobResult::Retry { due_at_ms, reason } => (JobState::Waiting, *due_at_ms, Some(reason.clone()), None),
        JobResult::Delivered { at_ms } => (JobState::Delivered, *at_ms, None, Some(*at_ms)),
        JobResult::Dead { at_ms, reason } => (JobState::Dead, *at_ms, Some(reason.clone()), Some(*at_ms)),
    });
    let results: Vec<_> = results.collect();
    query(SETTLE)
        .bind(settlements.iter().map(|settlement| settlement.id.to_string()).collect::<Vec<_>>())
        .bind(settlements.iter().map(|settlement| settlement.claimed_until_ms).collect::<Vec<_>>())
        .bind(results.iter().map(|(state, ..)| state.as_str()).collect::<Vec<_>>())
        .bind(results.iter().map(|(_, due_at_ms, ..)| *due_at_ms).collect::<Vec<_>>())
        .bind(settlements.iter().map(|settlement| i64::from(settlement.attempts)).collect::<Vec<_>>())
        .bind(results.iter().map(|(_, _, reason, _)| reason.clone()).collect::<Vec<_>>())
        .bind(results.iter().map(|(.., finished_at_ms)| *finished_at_ms).collect::<Vec<_>>())
}

fn job(row: &PgRow) -> Result<PushJob, StoreError> {
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
fn record(row: &PgRow) -> Result<JobRecord, StoreError> {
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

fn provider(row: &PgRow) -> Result<PushProvider, StoreError> {
    let name = text(row, "provider")?;
    PushProvider::from_name(&name).ok_or_else(|| inconsistent("push_jobs", &format!("provider {name}")))
}

fn job_id(row: &PgRow) -> Result<JobId, StoreError> {
    text(row, "job_id")?.parse().map_err(|error| inconsistent("push_jobs", &error))
}
