//! Services of users that the bus reads into nodes ([`bus_domain::source`]). What a service sends is published with its token
//! in one transaction (`Verb::PublishSourced`), so that neither a crash nor a lost answer loses or doubles anything.

mod manage;
mod runner;
mod supervisor;

use async_trait::async_trait;
use bus_domain::publish::NewItem;
use bus_domain::source::{Source, SourceMove};

pub use manage::{NewSource, SourceList};

/// How services are read.
#[async_trait]
pub trait SourceReader: Send + Sync + 'static {
    /// Opens the stream of a source behind its token.
    async fn open(&self, source: &Source) -> Result<Box<dyn SourceStream>, SourceTrouble>;
}

/// A stream of a source.
#[async_trait]
pub trait SourceStream: Send {
    /// The next events; `None` when the service has ended the stream.
    async fn next(&mut self) -> Result<Option<SourceBatch>, SourceTrouble>;
}

/// Why a source is not read for now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceTrouble(pub String);

/// What a service sends at a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceBatch {
    /// Published together, in their order.
    pub items: Vec<NewItem>,
    /// What stands for all up to here.
    pub resume_token: Vec<u8>,
}

/// Items of a source on their way to its node, with the token that moves with them.
#[derive(Debug, Clone)]
pub struct Sourced {
    /// The token.
    pub to: SourceMove,
    /// The items.
    pub items: Vec<NewItem>,
}
