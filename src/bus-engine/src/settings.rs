use std::collections::HashSet;

use bus_domain::{BareJid, Limits};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The bounds of the engine itself; those of the rules are in [`Limits`]. Configurable under `[limits]` alike.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct EngineLimits {
    /// Commands that may wait for their commit; one more is refused as busy.
    pub queued_commands_max: usize,
    /// Bytes of commands that may wait for their commit.
    pub queued_bytes_max: usize,
    /// Events in one transaction.
    pub batch_events_max: usize,
    /// Bytes of commands in one transaction.
    pub batch_bytes_max: usize,
    /// Nodes whose rules are kept in memory.
    pub cached_nodes_max: usize,
    /// Bytes of events kept in memory for delivery. Who falls behind reads the log; of nodes with durability `memory` this
    /// is all that there is.
    pub recent_bytes_max: usize,
    /// Events read from the log at once.
    pub log_page_events_max: u32,
    /// Bytes of payload read from the log at once.
    pub log_page_bytes_max: usize,
    /// Recipients kept in memory, of all nodes together.
    pub cached_recipients_max: usize,
    /// At most this often are delivery cursors written.
    pub cursor_interval_ms: u64,
    /// How long retention rests after a look at some nodes that have nothing left to remove.
    pub retention_interval_ms: u64,
}

impl Default for EngineLimits {
    fn default() -> Self {
        Self {
            queued_commands_max: 20_000,
            queued_bytes_max: 64 * 1024 * 1024,
            batch_events_max: 2_000,
            batch_bytes_max: 8 * 1024 * 1024,
            cached_nodes_max: 10_000,
            recent_bytes_max: 64 * 1024 * 1024,
            log_page_events_max: 500,
            log_page_bytes_max: 1024 * 1024,
            cached_recipients_max: 1_000_000,
            cursor_interval_ms: 200,
            retention_interval_ms: 500,
        }
    }
}

/// What the engine is started with.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// Bounds of the rules.
    pub limits: Limits,
    /// Bounds of the engine.
    pub engine: EngineLimits,
    /// Who counts as an owner of every node, also when events are delivered.
    pub admins: HashSet<BareJid>,
}
