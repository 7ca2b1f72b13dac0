//! Group commit: commands queue per node while a batch is being written, and the next batch takes what has come.

mod batch;
mod driver;
mod plan;
mod queue;
mod state;

pub use batch::{Batch, Entry, EntryResult, FactsAfter, Work};
pub(crate) use driver::run;
pub(crate) use queue::CommitQueue;
pub use state::{Action, BatchFailure, Committer};
