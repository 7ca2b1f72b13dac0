//! Group commit: commands queue per node while a batch is being written, and the next batch takes what has come.
//! Publishes on nodes in memory take no part in that, but keep their place among the commands of their node.

mod batch;
mod driver;
mod emit;
mod plan;
mod progress;
mod queue;
mod state;

pub use batch::{Batch, Entry, EntryResult, FactsAfter, Work};
pub(crate) use driver::run;
pub(crate) use progress::BatchProgress;
pub(crate) use queue::CommitQueue;
pub use state::{Action, BatchFailure, Committer, Emission};
