//! Consumers: the named, durable subscriptions of services. A service reads with them at its own pace, says what it has
//! dealt with, and finds its place again after a restart on either side.
//!
//! In mode [`Mode::Stream`] one reader gets the log in order and commits a position. In mode [`Mode::Queue`] any number of
//! workers share the events: each is leased to one of them, until it is acknowledged, refused, or its lease runs out.

pub mod create;
pub mod destination;
pub mod filter;
pub mod lease;
mod name;
pub mod pattern;
pub mod redrive;
pub mod retry;
pub mod start;

use jid::BareJid;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::{Actor, NodeName, Role};

pub use destination::{Destination, Standing, StandingState};
pub use filter::Filter;
pub use name::ConsumerName;
pub use pattern::NodePattern;

/// The store's number of a consumer. Never used again after the consumer is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConsumerId(pub i64);

/// Of which events of a node an event is one that are handed out one after the other: a hash of their key. Two keys of one hash
/// share their order, which harms nobody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct OrderKey(pub u64);

/// How a consumer is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// By one reader, in order; it commits positions.
    Stream,
    /// By any number of workers; each event is leased and acknowledged by itself.
    Queue,
}

/// How a consumer behaves. Stored as JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConsumerConfig {
    /// The nodes that are read: names, or patterns of them.
    pub nodes: Vec<NodePattern>,
    /// How it is read.
    pub mode: Mode,
    /// How long a worker has for an event, in milliseconds.
    pub lease_ms: u64,
    /// How long an event rests after its first failure, its second one and so on, in milliseconds; the last entry holds
    /// for all further ones. Holds for leases that run out and for refusals alike.
    pub retry_schedule_ms: Vec<u64>,
    /// How often an event is handed out before it becomes a dead letter; 0 for no bound.
    pub attempts_max: u32,
    /// The node that takes dead letters.
    pub dead_letter_node: Option<DeadLetterNode>,
    /// Events that may be leased at a time.
    pub in_flight_max: u32,
    /// Which events are handed out; `None` for all. Those that do not pass are settled by being passed over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filter: Option<Filter>,
    /// Whether events of one key (of one node) are handed out one after the other, each once the one in front of it is settled.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub key_ordered: bool,
    /// Where events are brought; `None` if they are fetched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub destination: Option<Destination>,
}

/// A node's name in a stored configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct DeadLetterNode(pub NodeName);

/// A consumer as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Consumer {
    /// Its number.
    pub id: ConsumerId,
    /// Its name.
    pub name: ConsumerName,
    /// Whose it is.
    pub owner: BareJid,
    /// How it behaves.
    pub config: ConsumerConfig,
    /// Whether it hands nothing out for now.
    pub is_paused: bool,
    /// When it was made, in milliseconds since 1970.
    pub created_at_ms: i64,
    /// How it stands with its destination; `None` before that was tried.
    pub standing: Option<Standing>,
}

/// What is wrong with a request about a consumer.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ConsumerError {
    /// There is none of this name, or it is somebody else's.
    #[error("there is no such subscription")]
    NotFound,
    /// The name is taken.
    #[error("a subscription of this name exists already")]
    Exists,
    /// It cannot be like this.
    #[error("the subscription cannot be like this: {reason}")]
    Invalid {
        /// What is wrong with it.
        reason: String,
    },
    /// The principal has as many as it may.
    #[error("no more than {consumers_max} subscriptions may be of one principal")]
    TooMany {
        /// The bound.
        consumers_max: u64,
    },
    /// What was asked for is of the other mode.
    #[error("the subscription is of another mode: {reason}")]
    WrongMode {
        /// What goes with which mode.
        reason: &'static str,
    },
    /// A stream of another worker reads it.
    #[error(
        "another reader has the subscription; a STREAM subscription has one, and gives way only to the same worker_id"
    )]
    InUse,
    /// A stream of the same worker has taken its place.
    #[error("another stream of the same worker reads the subscription now")]
    TakenOver,
    /// It was moved to another place, and streams begin anew.
    #[error("the subscription was moved to another position; open it again to go on from there")]
    Moved,
    /// Its events are brought to its destination.
    #[error("the events of this subscription are brought to its destination; nobody else reads it")]
    HasDestination,
    /// The principal must not have the bus send to addresses that it names.
    #[error("destinations outside of the bus are for admins, and for those whom [outbound] principals names")]
    DestinationForbidden,
    /// Another instance of the bus serves it.
    #[error("another instance of the bus serves the subscription at the moment; try again there, or later")]
    Elsewhere,
    /// A client has not read for long.
    #[error("the client has not read its stream for {seconds} seconds; what it was sent is given to others")]
    Stalled {
        /// How long.
        seconds: u64,
    },
    /// The position to go to is gone.
    #[error("the log begins at {first_seq}, behind the position asked for")]
    Trimmed {
        /// The oldest position that there still is.
        first_seq: u64,
    },
}

/// Whether an actor may read, manage or delete a consumer: its owner may, and the operator's admins. To everybody else it
/// is not there.
pub fn may_use(owner: &BareJid, actor: &Actor) -> Result<(), ConsumerError> {
    if actor.bare() == owner || actor.role() == Role::Admin { Ok(()) } else { Err(ConsumerError::NotFound) }
}

impl ConsumerConfig {
    /// Whether a node of this name is read.
    pub fn covers(&self, node: &NodeName) -> bool {
        self.nodes.iter().any(|pattern| pattern.matches(node))
    }

    /// Whether only nodes are read that are named one by one.
    pub fn names_nodes(&self) -> bool {
        self.nodes.iter().all(|pattern| pattern.exact().is_some())
    }
}

impl Mode {
    /// Refuses what is only for one mode.
    pub fn expect(self, wanted: Self) -> Result<(), ConsumerError> {
        let reason = match wanted {
            _ if self == wanted => return Ok(()),
            Self::Queue => "leases, acknowledgements and pulls are for QUEUE; a STREAM commits positions",
            Self::Stream => "commits are for STREAM; events of a QUEUE are acknowledged one by one",
        };
        Err(ConsumerError::WrongMode { reason })
    }
}

impl TryFrom<String> for DeadLetterNode {
    type Error = crate::TextError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        NodeName::new(&text).map(Self)
    }
}

impl From<DeadLetterNode> for String {
    fn from(node: DeadLetterNode) -> Self {
        node.0.as_str().to_owned()
    }
}

#[cfg(test)]
mod tests;
