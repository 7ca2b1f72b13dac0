use std::collections::HashSet;

use bus_domain::quota::Quotas;
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
    /// Addresses, and as many domains, of which is known how fast they publish.
    pub publish_rate_keys_max: usize,
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
    /// Subscriptions that may be fed by themselves because a notification came back with "not now"; what comes back for
    /// one more is not sent again. Digests take half of these places at most; then events go out at once.
    pub lagging_subscriptions_max: usize,
    /// Events that such a subscription is sent before it has proved to take them.
    pub lagging_window_events_max: u32,
    /// How long nothing must come back before they count as taken.
    pub lagging_quiet_ms: u64,
    /// The first wait before an event is sent again; each further one is twice as long.
    pub lagging_backoff_ms_min: u64,
    /// The longest wait before an event is sent again.
    pub lagging_backoff_ms_max: u64,
    /// How long word of somebody's presence is waited for over XMPP. Some servers say nothing of who is not there.
    pub presence_answer_ms_max: u64,
    /// At most this often are delivery cursors written.
    pub cursor_interval_ms: u64,
    /// How long retention rests after a look at some nodes that have nothing left to remove.
    pub retention_interval_ms: u64,
    /// At least this often is a shared store looked at for what other instances have committed.
    pub doorbell_poll_ms: u64,
}

impl Default for EngineLimits {
    fn default() -> Self {
        Self {
            queued_commands_max: 20_000,
            queued_bytes_max: 64 * 1024 * 1024,
            publish_rate_keys_max: 100_000,
            batch_events_max: 2_000,
            batch_bytes_max: 8 * 1024 * 1024,
            cached_nodes_max: 10_000,
            recent_bytes_max: 64 * 1024 * 1024,
            log_page_events_max: 500,
            log_page_bytes_max: 1024 * 1024,
            cached_recipients_max: 1_000_000,
            lagging_subscriptions_max: 10_000,
            lagging_window_events_max: 1_000,
            lagging_quiet_ms: 1_000,
            lagging_backoff_ms_min: 5_000,
            lagging_backoff_ms_max: 60 * 60 * 1_000,
            presence_answer_ms_max: 10_000,
            cursor_interval_ms: 200,
            retention_interval_ms: 500,
            doorbell_poll_ms: 1_000,
        }
    }
}

/// What the engine is started with.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// Bounds of the rules.
    pub limits: Limits,
    /// How much everybody may have, and how fast they may publish.
    pub quotas: Quotas,
    /// Bounds of the engine.
    pub engine: EngineLimits,
    /// Who counts as an owner of every node, also when events are delivered.
    pub admins: HashSet<BareJid>,
    /// Who besides them may have the bus send to addresses that they name.
    pub outbound_principals: HashSet<BareJid>,
    /// Where the nodes are, as their URIs say (XEP-0060 §12.22); `localhost` if it is not said.
    pub service: Option<BareJid>,
}

impl Settings {
    /// Where the nodes are.
    pub(crate) fn service(&self) -> BareJid {
        let unnamed = || BareJid::new("localhost").expect("the name of a host is an address");
        self.service.clone().unwrap_or_else(unnamed)
    }
}
