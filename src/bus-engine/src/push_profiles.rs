//! Push profiles ([`bus_domain::push::profile`]): what is published becomes push jobs. A profile is a consumer that the bus
//! itself reads. [`watch`] knows which nodes are to be looked at, [`fan_out`] what comes of a stretch of a log (a state machine
//! without I/O), [`reach`] whom an event is for, and [`driver`] carries it all out. Jobs are added in the transaction that moves
//! the profile's cursor, so that each event is pushed once, whatever ends in the middle.

mod driver;
mod fan_out;
mod fields;
mod manage;
mod reach;
mod watch;

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex};

use bus_domain::consumer::ConsumerId;
use bus_domain::push::ProfileError;
use bus_domain::{BareJid, BusError};
use bus_store::{PushStore, StoreError};
use thiserror::Error;

use crate::{Engine, Pushes};

pub use manage::ProfileList;
pub(crate) use watch::ProfileWatch;

/// Push profiles as legs see them. Cheap to clone.
#[derive(Clone)]
pub struct PushProfiles(Arc<Shared>);

struct Shared {
    engine: Engine,
    pushes: Pushes,
    service: BareJid,
    instance: [u8; 16],
    claims: Mutex<HashMap<ConsumerId, driver::Held>>,
}

/// Why a request about a profile is refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PushProfileError {
    /// By the rules of profiles.
    #[error(transparent)]
    Profile(#[from] ProfileError),
    /// By a node, or the store.
    #[error(transparent)]
    Bus(#[from] BusError),
}

impl PushProfiles {
    /// Profiles over an engine, whose pushes go out there. `service` is the address of the service, whose principals have no
    /// presence. Both keep their rows in one database.
    pub fn new(engine: Engine, pushes: Pushes, service: BareJid) -> Self {
        let instance = engine.ids().random_bytes();
        Self(Arc::new(Shared { engine, pushes, service, instance, claims: Mutex::default() }))
    }

    /// What a caller hears of a store's error; the log has the cause.
    pub fn unavailable(&self, error: &StoreError) -> BusError {
        self.engine().unavailable(error)
    }

    fn engine(&self) -> &Engine {
        &self.0.engine
    }

    /// Where the pushes go out.
    pub fn pushes(&self) -> &Pushes {
        &self.0.pushes
    }

    fn push_store(&self) -> &dyn PushStore {
        self.0.pushes.store()
    }

    fn service(&self) -> &BareJid {
        &self.0.service
    }
}

impl fmt::Debug for PushProfiles {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("PushProfiles").finish_non_exhaustive()
    }
}
