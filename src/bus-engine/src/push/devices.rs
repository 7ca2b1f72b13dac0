use bus_domain::push::{AccountName, Device, DeviceId, PushAct, PushAddress, PushMessage};
use bus_domain::{Actor, BareJid};
use bus_store::DevicePreferences;

use super::{PushError, Pushes};

/// A device that registers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registration {
    /// The device, if it has registered before: its address may be another one now.
    pub id: Option<DeviceId>,
    /// Whose it is.
    pub owner: BareJid,
    /// Where it is.
    pub address: PushAddress,
    /// Through which of our accounts it is reached; that of before, or the first that can, if it is not said.
    pub account: Option<AccountName>,
}

/// Devices on a page.
const PAGE_MAX: u32 = 500;
/// Topics of one device.
const TOPICS_MAX: usize = 100;

impl Pushes {
    /// Registers a device, or says once more that it is there. Who registers with the same token again gets the same device; the
    /// token of somebody else becomes theirs, and what was for its former owner goes nowhere. What set it aside is forgotten.
    ///
    /// # Errors
    /// Who may not, and what its provider would refuse for certain; [`PushError::NoSuchDevice`] for an id that is not the
    /// owner's.
    pub async fn register(&self, actor: &Actor, registration: Registration) -> Result<Device, PushError> {
        let Registration { id, owner, address, account } = registration;
        self.0.check(actor, PushAct::ManageDevices(&owner))?;
        address.check()?;
        let store = &self.0.store;
        let known = match id {
            Some(id) => Some(store.find_device(id).await?.ok_or(PushError::NoSuchDevice)?),
            None => store.find_device_by_token(address.provider(), address.token()).await?,
        };
        let known = match known {
            Some(device) if device.owner == owner => Some(device),
            Some(_) if id.is_some() => return Err(PushError::NoSuchDevice),
            _ => None,
        };
        let of_before = known.as_ref().filter(|device| device.address.provider() == address.provider());
        let account = account.or_else(|| of_before.map(|device| device.account.clone()));
        let lane = self.account_for(&address, account)?;
        if let Some(sink) = lane.sink() {
            sink.check(&address, &PushMessage::default())?;
        }
        let devices_max = self.0.limits.devices_per_owner_max;
        if known.is_none() && store.count_devices_of(&owner).await? >= devices_max {
            return Err(PushError::TooManyDevices { devices_max });
        }
        let now_ms = self.now_ms();
        let device = Device {
            id: known.map_or_else(|| DeviceId(self.0.ids.random_bytes()), |device| device.id),
            owner,
            address,
            account: lane.id.account.clone(),
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
        self.0.check(actor, PushAct::ManageDevices(owner))?;
        Ok(self.0.store.devices_of(owner, after, devices_max.min(PAGE_MAX)).await?)
    }

    /// A device.
    ///
    /// # Errors
    /// [`PushError::NoSuchDevice`] if it is not there, or not the actor's to see.
    pub async fn device(&self, actor: &Actor, id: DeviceId) -> Result<Device, PushError> {
        let device = self.0.store.find_device(id).await?.ok_or(PushError::NoSuchDevice)?;
        // Whether an id of somebody else's exists is nobody's business.
        let checked = self.0.check(actor, PushAct::ManageDevices(&device.owner));
        checked.map(|()| device).map_err(|_| PushError::NoSuchDevice)
    }

    /// Sets in which language a device is told by push profiles, and under which topics.
    ///
    /// # Errors
    /// [`PushError::NoSuchDevice`] if it is not there, or not the actor's to change; [`PushError::TooMany`] topics.
    pub async fn set_device_preferences(
        &self,
        actor: &Actor,
        id: DeviceId,
        preferences: &DevicePreferences,
    ) -> Result<(), PushError> {
        if preferences.topics.len() > TOPICS_MAX {
            return Err(PushError::TooMany { what: "topics", most: TOPICS_MAX });
        }
        self.device(actor, id).await?;
        let is_set = self.0.store.set_device_preferences(id, preferences).await?;
        if is_set { Ok(()) } else { Err(PushError::NoSuchDevice) }
    }

    /// Removes a device. What is on its way to it goes nowhere.
    ///
    /// # Errors
    /// [`PushError::NoSuchDevice`] if it is not there, or not the actor's to remove.
    pub async fn remove_device(&self, actor: &Actor, id: DeviceId) -> Result<(), PushError> {
        self.device(actor, id).await?;
        match self.0.store.remove_devices(&[id]).await? {
            0 => Err(PushError::NoSuchDevice),
            _ => Ok(()),
        }
    }
}
