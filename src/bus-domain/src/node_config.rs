use serde::{Deserialize, Serialize};

use crate::retention::{History, WhenUndeliveredFull};

/// How a node behaves. Stored with the node as JSON; a field that an older daemon wrote without keeps its default.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct NodeConfig {
    /// Who may subscribe and retrieve (`pubsub#access_model`).
    pub access_model: AccessModel,
    /// Who may publish (`pubsub#publish_model`).
    pub publish_model: PublishModel,
    /// Items kept, newest first (`pubsub#max_items`); at least 1.
    pub items_max: u32,
    /// Whether notifications carry the payload (`pubsub#deliver_payloads`).
    pub deliver_payloads: bool,
    /// Whether subscribers hear of retractions that did not ask for it (`pubsub#notify_retract`).
    pub notify_retract: bool,
    /// When a publish is acknowledged.
    pub durability: Durability,
    /// Seconds after which an item is gone by itself (`pubsub#item_expire`); `None` keeps it, otherwise at least 1.
    pub item_expire_seconds: Option<u32>,
    /// How far the log reaches back.
    pub history: History,
    /// What happens when too much of the log waits for its delivery.
    pub when_undelivered_full: WhenUndeliveredFull,
}

/// XEP-0060 §4.5. The models that need a roster or an approval are not offered yet, so they cannot be set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AccessModel {
    /// Everyone but outcasts.
    Open,
    /// Members, publishers and owners.
    Whitelist,
}

/// XEP-0060 §16.4.4, `pubsub#publish_model`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PublishModel {
    /// Owners, publishers and publish-only.
    Publishers,
    /// Everyone but outcasts.
    Open,
}

/// What holds when a publish is acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Durability {
    /// The transaction is committed and synced to disk.
    Fsync,
}

impl AccessModel {
    /// Every model, for tables.
    pub const ALL: [Self; 2] = [Self::Open, Self::Whitelist];

    /// The value of `pubsub#access_model`; the stored configuration uses it too.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Whitelist => "whitelist",
        }
    }
}

impl NodeConfig {
    /// Items kept where nobody says otherwise.
    pub const ITEMS_MAX_DEFAULT: u32 = 1_000;
}

impl Default for NodeConfig {
    fn default() -> Self {
        Self {
            access_model: AccessModel::Open,
            publish_model: PublishModel::Publishers,
            items_max: Self::ITEMS_MAX_DEFAULT,
            deliver_payloads: true,
            notify_retract: false,
            durability: Durability::Fsync,
            item_expire_seconds: None,
            history: History::default(),
            when_undelivered_full: WhenUndeliveredFull::Wait,
        }
    }
}
