//! The commands that talk to a running daemon, or stand in for what it talks to.

pub(crate) mod dead_letter;
pub(crate) mod doctor;
pub(crate) mod node;
pub(crate) mod publish;
pub(crate) mod push;
pub(crate) mod push_mock;
pub(crate) mod push_profiles;
pub(crate) mod server;
pub(crate) mod source;
pub(crate) mod sub;
pub(crate) mod tail;
pub(crate) mod token;
