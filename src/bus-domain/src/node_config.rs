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
    /// Whether items can be retrieved once they are published (`pubsub#persist_items`). Never on a node of
    /// [`Durability::Memory`]. This governs retrieval; `durability` governs the log.
    pub persist_items: bool,
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
    /// The transaction is committed; a crash of the machine or of the database may still lose it. The log then goes
    /// on in a new epoch.
    Relaxed,
    /// The event is in this process's memory and goes out from there. It has no row; each start is a new epoch.
    Memory,
}

impl Durability {
    /// Every level, for tables.
    pub const ALL: [Self; 3] = [Self::Fsync, Self::Relaxed, Self::Memory];

    /// The name on the command line, in metrics and in the stored configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Fsync => "fsync",
            Self::Relaxed => "relaxed",
            Self::Memory => "memory",
        }
    }
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
            persist_items: true,
            durability: Durability::Fsync,
            item_expire_seconds: None,
            history: History::default(),
            when_undelivered_full: WhenUndeliveredFull::Wait,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_configuration_of_an_older_daemon_keeps_its_meaning() {
        let stored = r#"{"access_model":"whitelist","publish_model":"open","items_max":7,"deliver_payloads":false,
                         "notify_retract":true,"durability":"fsync"}"#;
        let config: NodeConfig = serde_json::from_str(stored).unwrap();
        assert_eq!((config.access_model, config.items_max), (AccessModel::Whitelist, 7));
        assert_eq!((config.persist_items, config.durability), (true, Durability::Fsync));
    }

    #[test]
    fn levels_are_stored_under_their_names() {
        for durability in Durability::ALL {
            let stored = serde_json::to_value(durability).unwrap();
            assert_eq!(stored, durability.as_str());
        }
    }
}
