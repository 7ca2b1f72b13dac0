use bus_domain::push::{AddressError, MessageError, PushProvider};
use bus_store::StoreError;
use thiserror::Error;

use super::Unfit;

/// Why a request about devices or pushes is refused.
#[derive(Debug, Error)]
pub enum PushError {
    /// It concerns somebody else.
    #[error("only service principals and admins send pushes, and see devices of others")]
    Forbidden,
    /// There is no such device.
    #[error("there is no such device")]
    NoSuchDevice,
    /// Nothing can be sent through this provider.
    #[error("nothing can be sent through {}: it has no section in [push]", provider.as_str())]
    ProviderNotConfigured {
        /// Which.
        provider: PushProvider,
    },
    /// The owner has as many as may be.
    #[error("the address has {devices_max} devices, which is the most; remove one first")]
    TooManyDevices {
        /// How many.
        devices_max: u64,
    },
    /// More than a request may concern.
    #[error("a request concerns {most} {what} at most")]
    TooMany {
        /// What.
        what: &'static str,
        /// How many.
        most: usize,
    },
    /// The address of the device.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// The message.
    #[error(transparent)]
    Message(#[from] MessageError),
    /// The provider would refuse it for certain.
    #[error(transparent)]
    Unfit(#[from] Unfit),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
}
