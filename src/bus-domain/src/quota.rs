//! Quotas: how much an address, its domain and everybody together may have, and how fast they may publish.
//!
//! [`Quotas`] is the one table. What is had is counted by stores and summed up by retention; how fast somebody publishes
//! is known by [`Rate`], a bucket that is one number per key. The operator's admins are counted, and never refused
//! ([`binds`]).

mod rate;
mod stored;
mod table;
mod usage;

pub use rate::Rate;
pub use stored::{StoredBytes, StoredFull};
pub use table::{Counted, Quota, Quotas, Scope};
pub use usage::{UsageChange, UsageKey, moves, owner_in, sum};

use crate::{Actor, Role};

/// Whether quotas bind this actor: the operator's admins know what they do.
pub fn binds(actor: &Actor) -> bool {
    actor.role() != Role::Admin
}
