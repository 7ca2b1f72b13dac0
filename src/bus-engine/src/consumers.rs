//! Durable subscriptions of services ([`bus_domain::consumer`]). Each that somebody reads is served by a task of its own
//! ([`driver`]) around a state machine ([`state`]); what they all have moved is written together, in one transaction after
//! the other ([`flusher`]). One that nobody reads is rows, and nothing else.

mod changing;
mod driver;
mod flusher;
mod frames;
mod letters;
mod lookout;
mod manage;
mod ordering;
mod reading;
mod registry;
mod running;
mod session;
mod sieve;
mod state;

pub(crate) use flusher::run;
pub(crate) use reading::is_readable;
pub(crate) use registry::Consumers;

pub use frames::{ConsumerFrame, LeaseReport};
pub use letters::DeadLetterEntry;
pub use manage::{Backlog, BacklogOfNode, ConsumerList};
pub use session::ConsumerSession;
pub use state::{Credit, Delivered, LeaseOutcome};
