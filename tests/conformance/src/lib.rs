//! XEP-0060 and its companions as readable scripts of stanzas, which prove requirements by their ids.
//!
//! * [`script`] reads the files in `scripts/`; README.md beside this crate says what may stand in them.
//! * [`Case::play`] plays a case on a [`Stage`]: the service in process, or the daemon behind a real server.
//! * [`rows`] knows every requirement, and [`table`] which of them the scripts prove.

mod matching;
mod play;
pub mod rows;
pub mod script;
mod shorthand;
pub mod table;
mod words;

pub use play::{Failure, Stage};
pub use script::Case;
