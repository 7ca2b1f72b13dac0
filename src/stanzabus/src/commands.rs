//! The commands that talk to a running daemon.

pub(crate) mod doctor;
pub(crate) mod node;
pub(crate) mod publish;
pub(crate) mod tail;
pub(crate) mod token;
