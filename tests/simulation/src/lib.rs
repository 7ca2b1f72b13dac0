//! A deterministic simulation of the committer, the cursors, the barriers and the dispatcher over a store, a link and a
//! clock that do what the seed says.
//!
//! The state machines, the transaction protocol and the caches are the bus's own. The drivers around them are this
//! crate's: [`World`] takes one step at a time, whichever the seed draws, so that what waits in one task is overtaken by
//! another, the store is seen as it was a while ago, and everything dies at any place. A [`model`] that shares no code
//! with the bus but its table of rights says what must come of it.

mod commands;
mod instance;
mod link;
mod model;
mod mutation;
mod random;
mod scenario;
pub mod store;
mod subscribers;
mod trace;
mod violation;
mod world;

pub use mutation::Mutation;
pub use random::{Random, SimulatedIds};
pub use scenario::Scenario;
pub use trace::Trace;
pub use violation::{Promise, Violation};
pub use world::{Counts, FIRST_MANAGED_SEED, World};
