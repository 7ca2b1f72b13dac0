//! Push: what goes to devices through their makers' services, and what the answers of those services mean.
//!
//! [`PushAddress`] is where a device is reached, [`PushMessage`] what it is told, in words that all services share, and
//! [`PushVerdict`] what an answer means. Each provider's sender maps its own reasons to verdicts in one table; what then
//! becomes of the device and of the job is decided here. Who may do what is one table ([`may_push`]). A [`PushProfile`] says which
//! events become pushes, its [`Template`] how they read. An [`Inlet`] is where pushes of others come in.

mod access;
mod account;
mod address;
mod backoff;
mod device;
mod inlet;
mod message;
pub mod profile;
mod summary;
pub mod template;
mod verdict;
mod web_push;

pub use access::{PushAct, may_push};
pub use account::{AccountName, NotAnAccountName, PushLane};
pub use address::{AddressError, ApnsEnvironment, PushAddress, PushProvider};
pub use backoff::Backoff;
pub use device::{Device, DeviceId, JobId, JobState, NotAnId, PushJob};
pub use inlet::{Inlet, InletId, InletSecret, InletTarget, NotLetIn};
pub use message::{ApnsPushType, MessageError, PushMessage, Urgency};
pub use profile::{ProfileConfig, ProfileError, ProfileName, PushProfile};
pub use summary::{PushAlert, PushSummary};
pub use template::{Fields, Template};
pub use verdict::{PushVerdict, Settled};
pub use web_push::{WebPush, WebPushError};
