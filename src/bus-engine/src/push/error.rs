use bus_domain::push::{AddressError, MessageError, NotLetIn, PushLane, PushProvider};
use bus_domain::{BusError, ErrorClass};
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
    /// There is no such inlet.
    #[error("there is no such registration, or not any more")]
    NoSuchInlet,
    /// A push is not let in.
    #[error(transparent)]
    NotLetIn(#[from] NotLetIn),
    /// A push comes too soon behind others.
    #[error("pushes come too fast; the next one may come in {retry_after_ms} ms")]
    TooFast {
        /// When the next one may come.
        retry_after_ms: u64,
    },
    /// So much waits already that nothing more is taken in.
    #[error("too much waits to be pushed through {lane}")]
    QueueFull {
        /// Where.
        lane: PushLane,
    },
    /// Nothing can be sent to the device at this time: somebody has to mend something, and then it can.
    #[error("the device cannot be reached now: {reason}")]
    NotNow {
        /// Why.
        reason: String,
    },
    /// The owner has as many inlets as may be.
    #[error("the address has {inlets_max} registrations for Web Push, which is the most; remove one first")]
    TooManyInlets {
        /// How many.
        inlets_max: u64,
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
    /// What is to be signed with is no key.
    #[error(
        "the application server's key must be the 65 bytes of an uncompressed point on P-256, beginning with 4"
    )]
    SenderKey,
    /// The bus refused what an inlet's node was to do.
    #[error(transparent)]
    Bus(#[from] BusError),
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

impl PushError {
    /// What became of a push that came in, as a word for metrics.
    pub(super) fn word(&self) -> &'static str {
        match self {
            Self::NoSuchInlet
            | Self::NoSuchDevice
            | Self::Bus(BusError::NodeNotFound | BusError::NodeMoved { .. } | BusError::Forbidden) => {
                "unknown"
            }
            Self::NotLetIn(NotLetIn::Foreign) | Self::Forbidden => "foreign",
            Self::NotLetIn(NotLetIn::WrongSecret) => "wrong_secret",
            Self::TooFast { .. } | Self::Bus(BusError::LimitReached(_)) => "too_fast",
            Self::QueueFull { .. } => "queue_full",
            Self::Store(_) => "store",
            Self::Bus(error) if error.class() == ErrorClass::Wait => "store",
            Self::NotNow { .. } => "unreachable",
            _ => "refused",
        }
    }
}
