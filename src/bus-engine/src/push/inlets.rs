use bus_domain::push::{
    Device, DeviceId, Inlet, InletId, InletSecret, InletTarget, JobId, PushAct, PushAlert, PushLane,
    PushSummary,
};
use bus_domain::{Actor, BareJid, Jid};
use bus_store::FoundInlet;

use super::jobs::job_id;
use super::{PushError, Pushes};
use crate::Engine;

/// A push of an XMPP server (XEP-0357).
#[derive(Debug, Clone, Copy)]
pub struct IncomingPush<'a> {
    /// The inlet, if what the server names is the name of one.
    pub inlet: Option<InletId>,
    /// Who sends it.
    pub from: &'a Jid,
    /// What it shows.
    pub secret: Option<&'a str>,
    /// What it tells.
    pub summary: &'a PushSummary,
    /// What people are to see of it.
    pub alert: &'a PushAlert,
}

/// Inlets on a page.
const PAGE_MAX: u32 = 500;

impl Pushes {
    /// The inlet of a device, made if it has none: the same one for as long as the device is there.
    ///
    /// # Errors
    /// [`PushError::NoSuchDevice`] if it is not there, or not the actor's; [`PushError::TooManyInlets`].
    pub async fn open_inlet(&self, actor: &Actor, device: DeviceId) -> Result<Inlet, PushError> {
        let device = self.device(actor, device).await?;
        let inlet = self.new_inlet(device.owner, InletTarget::Device(device.id)).await?;
        self.0.store.put_inlet(&inlet).await?.ok_or(PushError::NoSuchDevice)
    }

    /// A page of somebody's inlets, in the order of their ids: at most 500.
    ///
    /// # Errors
    /// Who may not.
    pub async fn inlets(
        &self,
        actor: &Actor,
        owner: &BareJid,
        after: Option<InletId>,
        inlets_max: u32,
    ) -> Result<Vec<FoundInlet>, PushError> {
        self.0.check(actor, PushAct::ManageDevices(owner))?;
        Ok(self.0.store.inlets_of(owner, after, inlets_max.min(PAGE_MAX)).await?)
    }

    /// Removes an inlet, with the device or the node that it leads to: whoever pushes there hears that nobody is there any more.
    ///
    /// # Errors
    /// [`PushError::NoSuchInlet`] if it is not there, or not the actor's.
    pub async fn close_inlet(&self, engine: &Engine, actor: &Actor, id: InletId) -> Result<(), PushError> {
        let FoundInlet { inlet, device } =
            self.0.store.find_inlet(id).await?.ok_or(PushError::NoSuchInlet)?;
        // Whether an id of somebody else's exists is nobody's business.
        let checked = self.0.check(actor, PushAct::ManageDevices(&inlet.owner));
        checked.map_err(|_| PushError::NoSuchInlet)?;
        // First, so that who tries again after a failure finds the inlet.
        self.remove_web_node(engine, &inlet).await?;
        let is_removed = match device {
            Some(device) => self.0.store.remove_devices(&[device.id]).await? > 0,
            None => self.0.store.remove_inlet(id).await?,
        };
        if is_removed { Ok(()) } else { Err(PushError::NoSuchInlet) }
    }

    /// Takes a push of an XMPP server, and returns once it is on disk as a job.
    ///
    /// # Errors
    /// [`PushError::NoSuchInlet`] only where nobody will ever be reached again: servers forget the registration then. What is wrong
    /// with who pushes: [`PushError::NotLetIn`]. All else passes, or can be mended.
    pub async fn push_in(&self, incoming: IncomingPush<'_>) -> Result<JobId, PushError> {
        let taken = self.take_in(incoming).await;
        self.0.counts.add_in("xmpp", taken.as_ref().map_or_else(PushError::word, |_| "accepted"));
        taken
    }

    async fn take_in(&self, incoming: IncomingPush<'_>) -> Result<JobId, PushError> {
        let id = incoming.inlet.ok_or(PushError::NoSuchInlet)?;
        let found = self.0.store.find_inlet(id).await?.ok_or(PushError::NoSuchInlet)?;
        let device = found.device.ok_or(PushError::NoSuchInlet)?;
        found.inlet.admit(incoming.from, incoming.secret)?;
        let message = incoming.summary.message(id, incoming.alert);
        self.check_way(&device)?;
        if let Some(reason) = self.refusal(&device, &message) {
            return Err(PushError::NotNow { reason });
        }
        // Last: what goes nowhere takes nothing of what all have together.
        self.admit_rate(id)?;
        let job = self.job(job_id(self.0.ids.random_bytes(), device.id), &device, &message);
        let id = job.id;
        let jobs = [job];
        self.0.store.enqueue_jobs(&jobs).await?;
        self.wake(&jobs);
        Ok(id)
    }

    /// Whether there is room in the rates, of the inlet and of all.
    pub(super) fn admit_rate(&self, id: InletId) -> Result<(), PushError> {
        let admitted = self.0.inlet_rates.admit(id, self.now_ms());
        admitted.map_err(|retry_after_ms| PushError::TooFast { retry_after_ms })
    }

    /// Whether there is room in the queue that leads to a device, as last counted in the background.
    fn check_way(&self, device: &Device) -> Result<(), PushError> {
        let lane = PushLane { provider: device.address.provider(), account: device.account.clone() };
        let queues = self.measured_queues();
        let waiting = queues.iter().find(|queue| queue.lane == lane).map_or(0, |queue| queue.waiting);
        if waiting >= self.0.limits.waiting_max { Err(PushError::QueueFull { lane }) } else { Ok(()) }
    }

    /// An inlet that nobody knows yet.
    pub(super) async fn new_inlet(&self, owner: BareJid, target: InletTarget) -> Result<Inlet, PushError> {
        let inlets_max = self.0.limits.inlets_per_owner_max;
        // A device that has one gets the same again, however many there are.
        let is_bounded = matches!(target, InletTarget::Node { .. });
        if is_bounded && self.0.store.count_inlets_of(&owner).await? >= inlets_max {
            return Err(PushError::TooManyInlets { inlets_max });
        }
        let ids = &self.0.ids;
        Ok(Inlet {
            id: InletId(ids.random_bytes()),
            owner,
            secret: InletSecret(ids.random_bytes()),
            target,
            created_at_ms: self.now_ms(),
        })
    }
}
