use bus_domain::push::{Device, DeviceId, PushAddress, PushMessage};
use bus_domain::{Actor, BareJid};

use super::{PushError, Pushes, may_manage};

/// A device that registers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registration {
    /// The device, if it has registered before: its address may be another one now.
    pub id: Option<DeviceId>,
    /// Whose it is.
    pub owner: BareJid,
    /// Where it is.
    pub address: PushAddress,
}

/// Devices on a page.
const PAGE_MAX: u32 = 500;

impl Pushes {
    /// Registers a device, or says once more that it is there. Who registers with the same token again gets the same device; the
    /// token of somebody else becomes theirs, and what was for its former owner goes nowhere. What set it aside is forgotten.
    ///
    /// # Errors
    /// Who may not, and what its provider would refuse for certain; [`PushError::NoSuchDevice`] for an id that is not the
    /// owner's.
    pub async fn register(&self, actor: &Actor, registration: Registration) -> Result<Device, PushError> {
        let Registration { id, owner, address } = registration;
        may_manage(actor, &owner)?;
        address.check()?;
        self.lane(address.provider())?.sink.check(&address, &PushMessage::default())?;
        let store = &self.0.store;
        let known = match id {
            Some(id) => Some(store.find_device(id).await?.ok_or(PushError::NoSuchDevice)?),
            None => store.find_device_by_token(address.provider(), address.token()).await?,
        };
        let known = match known {
            Some(device) if device.owner == owner => Some(device.id),
            Some(_) if id.is_some() => return Err(PushError::NoSuchDevice),
            _ => None,
        };
        let devices_max = self.0.limits.devices_per_owner_max;
        if known.is_none() && store.count_devices_of(&owner).await? >= devices_max {
            return Err(PushError::TooManyDevices { devices_max });
        }
        let now_ms = self.now_ms();
        let device = Device {
            id: known.unwrap_or_else(|| DeviceId(self.0.ids.random_bytes())),
            owner,
            address,
            registered_at_ms: now_ms,
            seen_at_ms: now_ms,
            quarantined: None,
        };
        store.put_device(&device).await?;
        Ok(device)
    }

    /// A page of somebody's devices, in the order of their ids: at most 500.
    ///
    /// # Errors
    /// Who may not.
    pub async fn devices(
        &self,
        actor: &Actor,
        owner: &BareJid,
        after: Option<DeviceId>,
        devices_max: u32,
    ) -> Result<Vec<Device>, PushError> {
        may_manage(actor, owner)?;
        Ok(self.0.store.devices_of(owner, after, devices_max.min(PAGE_MAX)).await?)
    }

    /// Removes a device. What is on its way to it goes nowhere.
    ///
    /// # Errors
    /// [`PushError::NoSuchDevice`] if it is not there, or not the actor's to remove.
    pub async fn remove_device(&self, actor: &Actor, id: DeviceId) -> Result<(), PushError> {
        let device = self.0.store.find_device(id).await?.ok_or(PushError::NoSuchDevice)?;
        // Whether an id of somebody else's exists is nobody's business.
        may_manage(actor, &device.owner).map_err(|_| PushError::NoSuchDevice)?;
        match self.0.store.remove_devices(&[id]).await? {
            0 => Err(PushError::NoSuchDevice),
            _ => Ok(()),
        }
    }
}
