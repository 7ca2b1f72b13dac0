//! The use cases of the bus: facts, decision, group commit, reply, delivery.
//!
//! * [`Engine`] is what legs call. Commands ([`Command`]) change nodes and are answered once they are on disk;
//!   queries read.
//! * [`committer`] takes what queued up while the last commit was in flight and writes it in one transaction. It is
//!   a state machine without I/O; `transact` carries a batch out on a store.
//! * [`dispatcher`] hands committed events to a [`NotificationSink`] and moves the delivery cursors. It is a state
//!   machine without I/O as well, and pulls: from memory while it keeps up, from the log when it does not.
//! * [`Tail`] is a reader of one node's log for the other legs.
//!
//! Time, ids and randomness come in through [`Clock`] and [`IdSource`].

mod clock;
mod command;
pub mod committer;
pub mod dispatcher;
mod doorbell;
mod engine;
mod facts_cache;
mod ids;
mod payload;
mod queries;
mod recent;
mod settings;
mod statistics;
mod tail;
mod transact;

pub use clock::{Clock, IdSource, SystemClock, SystemIds};
pub use command::{Command, Created, Outcome, Published, Verb};
pub use dispatcher::{Delivery, DeliveryInput, DeliveryNode, HandOff, NotificationSink, SinkFull};
pub use engine::{Engine, EngineParts};
pub use ids::{EventIds, EventRef};
pub use payload::{payload_from_element, payload_from_text};
pub use queries::{ItemListing, NodeList, NodeView};
pub use settings::{EngineLimits, Settings};
pub use statistics::{Statistics, StatisticsSnapshot};
pub use tail::{Tail, TailFrame, TailStart};
