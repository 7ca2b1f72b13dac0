use async_trait::async_trait;
use bus_domain::BareJid;
use bus_domain::push::{Device, Inlet, InletId};

use crate::StoreError;

/// Where pushes come in. An inlet that leads to a device goes with the device, and a device has one at most.
#[async_trait]
pub trait InletStore {
    /// Adds an inlet, and returns which one there is: this one, or the one that its device has already. `None` if its device is gone.
    async fn put_inlet(&self, inlet: &Inlet) -> Result<Option<Inlet>, StoreError>;

    /// The inlet of this id.
    async fn find_inlet(&self, id: InletId) -> Result<Option<FoundInlet>, StoreError>;

    /// A page of somebody's inlets, in the order of their ids.
    async fn inlets_of(
        &self,
        owner: &BareJid,
        after: Option<InletId>,
        inlets_max: u32,
    ) -> Result<Vec<FoundInlet>, StoreError>;

    /// How many inlets somebody has.
    async fn count_inlets_of(&self, owner: &BareJid) -> Result<u64, StoreError>;

    /// Removes an inlet, and says whether it was there.
    async fn remove_inlet(&self, id: InletId) -> Result<bool, StoreError>;
}

/// An inlet with the device that it leads to, if it leads to one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundInlet {
    /// The inlet.
    pub inlet: Inlet,
    /// Its device.
    pub device: Option<Device>,
}
