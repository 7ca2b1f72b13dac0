use async_trait::async_trait;
use bus_domain::BareJid;
use bus_domain::push::{Device, DeviceId, PushProvider};

use crate::StoreError;

/// Where people can be reached. A provider and a token name one device at a time.
#[async_trait]
pub trait DeviceStore {
    /// Writes a device over the one of the same id. Another one with the same token is removed: an app that its next owner
    /// registers must not go on getting what was for the last one.
    async fn put_device(&self, device: &Device) -> Result<(), StoreError>;

    /// The device of this id.
    async fn find_device(&self, id: DeviceId) -> Result<Option<Device>, StoreError>;

    /// The devices of these ids, in the order of their ids, each once. Those that are not there are left out.
    async fn find_devices(&self, ids: &[DeviceId]) -> Result<Vec<Device>, StoreError>;

    /// The device of this token.
    async fn find_device_by_token(
        &self,
        provider: PushProvider,
        token: &str,
    ) -> Result<Option<Device>, StoreError>;

    /// A page of somebody's devices, in the order of their ids.
    async fn devices_of(
        &self,
        owner: &BareJid,
        after: Option<DeviceId>,
        devices_max: u32,
    ) -> Result<Vec<Device>, StoreError>;

    /// How many devices somebody has.
    async fn count_devices_of(&self, owner: &BareJid) -> Result<u64, StoreError>;

    /// Removes devices, and says how many there were.
    async fn remove_devices(&self, ids: &[DeviceId]) -> Result<u64, StoreError>;

    /// Removes or sets aside devices that have not registered anew since they were judged, and says which.
    async fn judge_devices(&self, judgements: &[DeviceJudgement]) -> Result<Vec<DeviceId>, StoreError>;

    /// Removes devices whose apps have not shown themselves since, as many as may be at once, and says how many there were.
    async fn remove_devices_unseen_since(&self, since_ms: i64, devices_max: u32) -> Result<u64, StoreError>;
}

/// What a provider's answer does to a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceJudgement {
    /// Which.
    pub id: DeviceId,
    /// The registration that was judged ([`Device::registered_at_ms`]).
    pub registered_at_ms: i64,
    /// Why it is set aside; `None` removes it.
    pub quarantine: Option<String>,
}
