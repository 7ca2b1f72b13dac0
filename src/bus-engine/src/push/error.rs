use bus_domain::push::{AddressError, MessageError, PushLane, PushProvider};
use bus_store::StoreError;
use thiserror::Error;

use super::Unfit;

/// Why a request about devices or pushes is refused.
#[derive(Debug, Error)]
pub enum PushError {
    /// It concerns somebody else.
    #[error(
        "who is no admin manages only devices of its own address, and sends pushes and sees jobs only if push.senders names it"
    )]
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
    /// There is no such account.
    #[error("there is no account {lane} in [push]")]
    AccountNotConfigured {
        /// Which.
        lane: PushLane,
    },
    /// The app is not one that can be reached.
    #[error("the app {bundle_id:?} is not among the bundle_ids of {place}")]
    AppNotConfigured {
        /// Which.
        bundle_id: String,
        /// Of which account or accounts.
        place: String,
    },
    /// There is no such job, or it has been forgotten.
    #[error("there is no such push job, or not any more")]
    NoSuchJob,
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
