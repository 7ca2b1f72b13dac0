use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::text::{TextError, check_text};

/// A position in a node's log: 1 for the first event, gap-free within the node's epoch.
pub type Seq = u64;

/// Random 64-bit name of one life of a node's log. Positions of different epochs cannot be compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Epoch(pub u64);

/// The store's number of a node. Never used again after the node is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct NodeId(pub i64);

/// Number of a subscription within its node, ascending, never used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SubscriptionId(pub i64);

/// XEP-0060's NodeID: compared exactly, never trimmed or folded.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct NodeName(Arc<str>);

/// XEP-0060's ItemID: a key within its node, compared exactly.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ItemId(Arc<str>);

impl NodeName {
    /// The longest node id, in bytes of UTF-8: what fits into a JID's resource (RFC 7622 §3.4).
    pub const BYTES_MAX: usize = 1023;

    /// Checks length and characters.
    pub fn new(text: &str) -> Result<Self, TextError> {
        check_text(text, Self::BYTES_MAX)?;
        Ok(Self(text.into()))
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for NodeName {
    type Error = TextError;

    fn try_from(text: String) -> Result<Self, TextError> {
        Self::new(&text)
    }
}

impl From<NodeName> for String {
    fn from(name: NodeName) -> Self {
        name.as_str().to_owned()
    }
}

impl ItemId {
    /// The longest item id, in bytes of UTF-8.
    pub const BYTES_MAX: usize = 1023;

    /// Checks length and characters.
    pub fn new(text: &str) -> Result<Self, TextError> {
        check_text(text, Self::BYTES_MAX)?;
        Ok(Self(text.into()))
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for NodeName {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

impl fmt::Debug for NodeName {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, out)
    }
}

impl fmt::Display for ItemId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

impl fmt::Debug for ItemId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, out)
    }
}
