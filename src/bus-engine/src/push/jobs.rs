use std::hash::Hasher as _;

use bus_domain::push::{Device, DeviceId, JobId, PushJob, PushMessage};
use bus_domain::{Actor, BareJid};
use bus_store::{JobRecord, PushQueue};
use siphasher::sip128::{Hasher128 as _, SipHasher24};

use super::{PushError, Pushes, may_send};

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
/// Devices that are read at once.
const PAGE_MAX: u32 = 500;
/// Jobs of a request.
const JOBS_MAX: usize = 1_000;

impl Pushes {
    /// Enqueues a message, one job for each device, and returns once they are on disk. A device that cannot take it is named
    /// with the reason; the others get it.
    ///
    /// # Errors
    /// Who may not, and what is wrong with the message whoever it is for.
    pub async fn send(&self, actor: &Actor, order: PushOrder) -> Result<Vec<QueuedPush>, PushError> {
        may_send(actor)?;
        order.message.check()?;
        let devices = self.targets(&order.targets).await?;
        let order_id = order.id.unwrap_or_else(|| self.0.ids.random_bytes());
        let now_ms = self.now_ms();
        let expires_at_ms = match order.message.ttl_s {
            0 => now_ms.saturating_add(self.0.limits.once_ms),
            ttl_s => now_ms.saturating_add(i64::from(ttl_s) * 1_000),
        };
        let mut queued = Vec::with_capacity(devices.len());
        let mut jobs = Vec::with_capacity(devices.len());
        for device in &devices {
            let id = job_id(order_id, device.id);
            let refused = self.refusal(device, &order.message);
            if refused.is_none() {
                jobs.push(PushJob {
                    id,
                    device: device.id,
                    provider: device.address.provider(),
                    message: order.message.clone(),
                    enqueued_at_ms: now_ms,
                    due_at_ms: now_ms,
                    expires_at_ms,
                    attempts: 0,
                });
            }
            queued.push(QueuedPush { job: id, device: device.id, is_new: false, refused });
        }
        let new = self.0.store.enqueue_jobs(&jobs).await?;
        let new: std::collections::HashSet<_> = new.into_iter().collect();
        for push in &mut queued {
            push.is_new = new.contains(&push.job);
        }
        for lane in jobs.iter().filter_map(|job| self.0.lanes.get(&job.provider)) {
            lane.enqueued.notify_one();
        }
        Ok(queued)
    }

    /// Takes back what has not been sent yet, and says which. What is under way may arrive all the same.
    ///
    /// # Errors
    /// Who may not.
    pub async fn cancel(&self, actor: &Actor, jobs: &[JobId]) -> Result<Vec<JobId>, PushError> {
        may_send(actor)?;
        bounded(jobs)?;
        Ok(self.0.store.cancel_jobs(jobs).await?)
    }

    /// Where jobs stand. Those that are not known, or not any more, are left out.
    ///
    /// # Errors
    /// Who may not.
    pub async fn jobs(&self, actor: &Actor, jobs: &[JobId]) -> Result<Vec<JobRecord>, PushError> {
        may_send(actor)?;
        bounded(jobs)?;
        Ok(self.0.store.find_jobs(jobs).await?)
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
        may_send(actor)?;
        Ok(self.0.store.dead_jobs(after, jobs_max.min(PAGE_MAX)).await?)
    }

    /// How much waits.
    ///
    /// # Errors
    /// The store's.
    pub async fn queues(&self) -> Result<Vec<PushQueue>, PushError> {
        Ok(self.0.store.push_queues().await?)
    }

    async fn targets(&self, targets: &PushTargets) -> Result<Vec<Device>, PushError> {
        let mut devices = Vec::new();
        match targets {
            PushTargets::Devices(ids) if ids.len() <= TARGETS_MAX => {
                for id in ids {
                    devices.push(self.0.store.find_device(*id).await?.ok_or(PushError::NoSuchDevice)?);
                }
            }
            PushTargets::Owners(owners) if owners.len() <= TARGETS_MAX => {
                for owner in owners {
                    self.devices_of(owner, &mut devices).await?;
                }
            }
            _ => return Err(PushError::TooMany { what: "owners or devices", most: TARGETS_MAX }),
        }
        Ok(devices)
    }

    async fn devices_of(&self, owner: &BareJid, devices: &mut Vec<Device>) -> Result<(), PushError> {
        let mut after = None;
        loop {
            let page = self.0.store.devices_of(owner, after, PAGE_MAX).await?;
            let Some(last) = page.last() else { return Ok(()) };
            after = Some(last.id);
            devices.extend(page);
        }
    }

    fn refusal(&self, device: &Device, message: &PushMessage) -> Option<String> {
        if let Some(reason) = &device.quarantined {
            return Some(format!("its provider refuses it ({reason}) until it registers anew"));
        }
        let lane = match self.lane(device.address.provider()) {
            Ok(lane) => lane,
            Err(error) => return Some(error.to_string()),
        };
        lane.sink.check(&device.address, message).err().map(|unfit| unfit.to_string())
    }
}

fn bounded(jobs: &[JobId]) -> Result<(), PushError> {
    if jobs.len() > JOBS_MAX { Err(PushError::TooMany { what: "jobs", most: JOBS_MAX }) } else { Ok(()) }
}

/// The same order makes the same job for a device. It only has to tell jobs apart, and hides nothing.
fn job_id(order: [u8; 16], device: DeviceId) -> JobId {
    let mut hasher = SipHasher24::new_with_key(&order);
    hasher.write(&device.0);
    JobId(hasher.finish128().as_bytes())
}
