use std::collections::HashSet;
use std::hash::Hasher as _;

use bus_domain::push::{Device, DeviceId, JobId, JobState, PushAct, PushJob, PushLane, PushMessage};
use bus_domain::{Actor, BareJid};
use bus_store::{JobRecord, PushQueue};
use sha2::{Digest as _, Sha256};
use siphasher::sip128::{Hasher128 as _, SipHasher24};

use super::lane::Lane;
use super::{PushError, Pushes};

/// A message to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PushOrder {
    /// The sender's own name for it: the same order again sends nothing again, for as long as jobs are remembered.
    pub id: Option<[u8; 16]>,
    /// To whom.
    pub targets: PushTargets,
    /// What.
    pub message: PushMessage,
}

/// Who gets a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PushTargets {
    /// All devices of these addresses.
    Owners(Vec<BareJid>),
    /// These devices.
    Devices(Vec<DeviceId>),
}

/// Which jobs are meant: all that fit everything that is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct JobFilter {
    /// For this device.
    pub device: Option<DeviceId>,
    /// Standing so.
    pub state: Option<JobState>,
}

/// What became of an order for one device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueuedPush {
    /// The job.
    pub job: JobId,
    /// The device.
    pub device: DeviceId,
    /// Whether it was enqueued by this order, and not by the same one before.
    pub is_new: bool,
    /// Why nothing is sent to this device, if nothing is.
    pub refused: Option<String>,
}

/// Owners or devices of an order.
const TARGETS_MAX: usize = 1_000;
/// Devices that an order reaches.
const DEVICES_MAX: usize = 10_000;
/// Devices that are read at once.
const PAGE_MAX: u32 = 500;
/// Jobs of one commit: what is published meanwhile waits for it.
const COMMIT_MAX: usize = 500;
/// Jobs of a request.
const JOBS_MAX: usize = 1_000;
/// Pages that are read to fill one.
const PAGES_READ_MAX: usize = 10;

impl Pushes {
    /// Enqueues a message, one job for each device, and returns once they are on disk. A device that cannot take it, or is not
    /// there, is named with the reason; the others get it. An order for many devices is several commits: one that fails may be
    /// repeated under its id.
    ///
    /// # Errors
    /// Who may not, and what is wrong with the message whoever it is for.
    pub async fn send(&self, actor: &Actor, order: PushOrder) -> Result<Vec<QueuedPush>, PushError> {
        self.0.check(actor, PushAct::Send)?;
        order.message.check()?;
        let (devices, mut queued) = self.targets(&order.targets).await?;
        let order_id = order.id.unwrap_or_else(|| self.0.ids.random_bytes());
        for push in &mut queued {
            push.job = job_id(order_id, push.device);
        }
        let mut jobs = Vec::with_capacity(devices.len().min(COMMIT_MAX));
        for devices in devices.chunks(COMMIT_MAX) {
            let first = queued.len();
            queued.extend(devices.iter().map(|device| self.queued(order_id, device, &order.message)));
            let accepted = devices.iter().zip(&queued[first..]).filter(|(_, push)| push.refused.is_none());
            jobs.clear();
            jobs.extend(accepted.map(|(device, push)| self.job(push.job, device, &order.message)));
            let new: HashSet<_> = self.0.store.enqueue_jobs(&jobs).await?.into_iter().collect();
            for push in &mut queued[first..] {
                push.is_new = new.contains(&push.job);
            }
            self.wake(&jobs);
        }
        Ok(queued)
    }

    /// Takes back what has not been sent yet, and says which. What is under way may arrive all the same.
    ///
    /// # Errors
    /// Who may not.
    pub async fn cancel(&self, actor: &Actor, jobs: &[JobId]) -> Result<Vec<JobId>, PushError> {
        self.0.check(actor, PushAct::ManageJobs)?;
        bounded(jobs)?;
        Ok(self.0.store.cancel_jobs(jobs).await?)
    }

    /// Where jobs stand. Those that are not known, or not any more, are left out.
    ///
    /// # Errors
    /// Who may not.
    pub async fn jobs(&self, actor: &Actor, jobs: &[JobId]) -> Result<Vec<JobRecord>, PushError> {
        self.0.check(actor, PushAct::ManageJobs)?;
        bounded(jobs)?;
        Ok(self.0.store.find_jobs(jobs).await?)
    }

    /// A page of the jobs that stand so, or of all, in the order of their ids. It may hold fewer than asked for, or none, and still not
    /// be the last one: that is said by the place where the next one begins, which is `None` at the end.
    ///
    /// # Errors
    /// Who may not.
    pub async fn list_jobs(
        &self,
        actor: &Actor,
        filter: JobFilter,
        after: Option<JobId>,
        jobs_max: u32,
    ) -> Result<(Vec<JobRecord>, Option<JobId>), PushError> {
        self.0.check(actor, PushAct::ManageJobs)?;
        let jobs_max = usize::try_from(jobs_max.min(PAGE_MAX)).unwrap_or(usize::MAX);
        let (mut jobs, mut after) = (Vec::new(), after);
        for _ in 0..PAGES_READ_MAX {
            let page = self.0.store.jobs_after(after, PAGE_MAX).await?;
            let is_last = page.len() < usize::try_from(PAGE_MAX).unwrap_or(usize::MAX);
            for job in page {
                after = Some(job.id);
                if filter.takes(&job) {
                    jobs.push(job);
                }
                if jobs.len() >= jobs_max {
                    return Ok((jobs, after));
                }
            }
            if is_last {
                return Ok((jobs, None));
            }
        }
        Ok((jobs, after))
    }

    /// Has jobs that were given up begin anew, with as much time as they had at first, and says which.
    ///
    /// # Errors
    /// Who may not.
    pub async fn redrive(&self, actor: &Actor, jobs: &[JobId]) -> Result<Vec<JobId>, PushError> {
        self.0.check(actor, PushAct::ManageJobs)?;
        bounded(jobs)?;
        let redriven = self.0.store.redrive_jobs(jobs, self.now_ms()).await?;
        for lane in &self.0.lanes {
            lane.enqueued.notify_one();
        }
        Ok(redriven)
    }

    /// Removes jobs that were given up, and says which. Their ids may come again from then on.
    ///
    /// # Errors
    /// Who may not.
    pub async fn remove_dead(&self, actor: &Actor, jobs: &[JobId]) -> Result<Vec<JobId>, PushError> {
        self.0.check(actor, PushAct::ManageJobs)?;
        bounded(jobs)?;
        Ok(self.0.store.remove_dead_jobs(jobs).await?)
    }

    /// A page of the jobs that were given up, in the order of their ids: at most 500.
    ///
    /// # Errors
    /// Who may not.
    pub async fn dead(
        &self,
        actor: &Actor,
        after: Option<JobId>,
        jobs_max: u32,
    ) -> Result<Vec<JobRecord>, PushError> {
        self.0.check(actor, PushAct::ManageJobs)?;
        Ok(self.0.store.dead_jobs(after, jobs_max.min(PAGE_MAX)).await?)
    }

    /// How much waits.
    ///
    /// # Errors
    /// The store's.
    pub async fn queues(&self) -> Result<Vec<PushQueue>, PushError> {
        Ok(self.0.store.push_queues().await?)
    }

    /// The devices that are meant, each once, and what is to be said of those that are not there.
    async fn targets(&self, targets: &PushTargets) -> Result<(Vec<Device>, Vec<QueuedPush>), PushError> {
        let (mut devices, mut missing) = (Vec::new(), Vec::new());
        match targets {
            PushTargets::Devices(ids) if ids.len() <= TARGETS_MAX => {
                devices = self.0.store.find_devices(ids).await?;
                let found: HashSet<_> = devices.iter().map(|device| device.id).collect();
                let mut named = HashSet::new();
                let unknown = ids.iter().filter(|id| !found.contains(id) && named.insert(**id));
                missing.extend(unknown.map(|&device| QueuedPush {
                    job: JobId([0; 16]),
                    device,
                    is_new: false,
                    refused: Some(PushError::NoSuchDevice.to_string()),
                }));
            }
            PushTargets::Owners(owners) if owners.len() <= TARGETS_MAX => {
                let mut named = HashSet::new();
                for owner in owners.iter().filter(|owner| named.insert(*owner)) {
                    self.devices_of(owner, &mut devices).await?;
                }
            }
            _ => return Err(PushError::TooMany { what: "owners or devices", most: TARGETS_MAX }),
        }
        Ok((devices, missing))
    }

    /// What is said of a device, before anything is on disk.
    fn queued(&self, order: [u8; 16], device: &Device, message: &PushMessage) -> QueuedPush {
        let refused = self.refusal(device, message);
        QueuedPush { job: job_id(order, device.id), device: device.id, is_new: false, refused }
    }

    pub(super) fn job(&self, id: JobId, device: &Device, message: &PushMessage) -> PushJob {
        let now_ms = self.now_ms();
        let time_ms = match message.ttl_s {
            0 => self.0.limits.once_ms,
            ttl_s => i64::from(ttl_s) * 1_000,
        };
        PushJob {
            id,
            device: device.id,
            provider: device.address.provider(),
            account: device.account.clone(),
            message: message.clone(),
            enqueued_at_ms: now_ms,
            due_at_ms: now_ms,
            expires_at_ms: now_ms.saturating_add(time_ms),
            attempts: 0,
        }
    }

    /// Has the senders of these jobs look at once.
    pub(super) fn wake(&self, jobs: &[PushJob]) {
        for lane in &self.0.lanes {
            if jobs.iter().any(|job| job.provider == lane.id.provider && job.account == lane.id.account) {
                lane.enqueued.notify_one();
            }
        }
    }

    async fn devices_of(&self, owner: &BareJid, devices: &mut Vec<Device>) -> Result<(), PushError> {
        let mut after = None;
        loop {
            let page = self.0.store.devices_of(owner, after, PAGE_MAX).await?;
            let Some(last) = page.last() else { return Ok(()) };
            after = Some(last.id);
            devices.extend(page);
            if devices.len() > DEVICES_MAX {
                return Err(PushError::TooMany {
                    what: "devices, those of all its owners together,",
                    most: DEVICES_MAX,
                });
            }
        }
    }

    pub(super) fn refusal(&self, device: &Device, message: &PushMessage) -> Option<String> {
        if let Some(reason) = &device.quarantined {
            return Some(format!("its provider refuses it ({reason}) until it registers anew"));
        }
        let id = PushLane { provider: device.address.provider(), account: device.account.clone() };
        match self.0.lane(&id).map(Lane::sink) {
            Ok(Some(sink)) => sink.check(&device.address, message).err().map(|unfit| unfit.to_string()),
            // What is wrong with the credentials is nothing that who sends can mend.
            Ok(None) => None,
            Err(error) => Some(error.to_string()),
        }
    }
}

impl PushOrder {
    /// The id of an order that its sender calls so. Names are each sender's own.
    pub fn id_of(sender: &BareJid, name: &str) -> [u8; 16] {
        let mut hash = Sha256::new();
        // An address has no zero byte.
        hash.update(sender.as_str());
        hash.update([0]);
        hash.update(name);
        let digest: [u8; 32] = hash.finalize().into();
        let mut id = [0; 16];
        id.copy_from_slice(&digest[..16]);
        id
    }
}

impl JobFilter {
    fn takes(&self, job: &JobRecord) -> bool {
        self.device.is_none_or(|device| device == job.device)
            && self.state.is_none_or(|state| state == job.state)
    }
}

fn bounded(jobs: &[JobId]) -> Result<(), PushError> {
    if jobs.len() > JOBS_MAX { Err(PushError::TooMany { what: "jobs", most: JOBS_MAX }) } else { Ok(()) }
}

/// The same order makes the same job for a device. It only has to tell jobs apart, and hides nothing.
pub(crate) fn job_id(order: [u8; 16], device: DeviceId) -> JobId {
    let mut hasher = SipHasher24::new_with_key(&order);
    hasher.write(&device.0);
    JobId(hasher.finish128().as_bytes())
}
