use async_trait::async_trait;
use bus_domain::retention::{LogState, LoggedEvent};
use bus_domain::{BareJid, NodeConfig, NodeId, Seq};

use crate::StoreError;

/// Taking away what a node need not keep. Which rows may go is the caller's decision, on bus-domain's rules.
///
/// * Each method that removes or empties is one transaction of its own, bounded by its last argument (0 counts as 1), and says
///   how many rows it dealt with: as many as the bound means that there may be more.
/// * It takes the node's head lock before anything else, and waits for it.
/// * What was decided on a configuration ([`NodeRules`]) is done only while that holds: it may say something else by now.
/// * Behind `trimmed_through_seq` the log keeps a row only for as long as an item points at it. This holds for every
///   method of the store: whoever removes such a pointer removes the row with it.
#[async_trait]
pub trait RetentionStore {
    /// Looks at up to `nodes_max` nodes, and at least at one, behind `after` in the order of their ids. Deleted nodes
    /// are left out, and so are nodes whose rows cannot be read.
    async fn retained(&self, after: Option<NodeId>, nodes_max: u32) -> Result<RetainedPage, StoreError>;

    /// The oldest events of the log, in order, at most `events_max`.
    async fn oldest_events(&self, node: NodeId, events_max: u32) -> Result<Vec<LoggedEvent>, StoreError>;

    /// Moves the old end of the log through `through_seq`, but not beyond the head and by at most `events_max`
    /// positions. Never moves it back.
    async fn trim_log(&self, node: NodeRules, through_seq: Seq, events_max: u32) -> Result<u64, StoreError>;

    /// Looks at the node's `items_max` oldest items and removes those that were published up to this moment, in
    /// milliseconds since 1970. Looking at a few, not only at the oldest, keeps one that was published by a wrong clock
    /// from holding up the others.
    async fn expire_items(
        &self,
        node: NodeRules,
        published_through_ms: i64,
        items_max: u32,
    ) -> Result<u64, StoreError>;

    /// Removes the node's oldest items over `items_kept`.
    async fn evict_items(&self, node: NodeRules, items_kept: u32, items_max: u32) -> Result<u64, StoreError>;

    /// Removes the pointers that the node's purge mark has made void.
    async fn sweep_purged(&self, node: NodeId, items_max: u32) -> Result<u64, StoreError>;

    /// Empties the payloads of events whose items were retracted at or before `retracted_through_seq`.
    async fn blank_retracted(
        &self,
        node: NodeId,
        retracted_through_seq: Seq,
        events_max: u32,
    ) -> Result<u64, StoreError>;
}

/// A node, and the version of its rules that a decision saw.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NodeRules {
    /// The node.
    pub node: NodeId,
    /// Nothing is done when the head has another one.
    pub rules_version: u64,
}

/// A node as retention sees it.
#[derive(Debug, Clone, PartialEq)]
pub struct RetainedNode {
    /// The node.
    pub node: NodeId,
    /// Whose it was first.
    pub creator: BareJid,
    /// Its configuration.
    pub config: NodeConfig,
    /// The version that the configuration is of.
    pub rules_version: u64,
    /// Its log.
    pub log: LogState,
    /// The newest event that has been taken from the log; 0 if none.
    pub trimmed_through_seq: Seq,
    /// The oldest event of the log.
    pub oldest_event: Option<LoggedEvent>,
    /// Items that the node counts.
    pub item_count: u64,
    /// Where items expire: when the first of the few oldest was published, in milliseconds since 1970.
    pub oldest_item_published_at_ms: Option<i64>,
    /// Whether pointers are there that a purge has made void.
    pub has_purged_items: bool,
    /// The oldest retraction whose item's payload is not blanked yet.
    pub oldest_retraction_seq: Option<Seq>,
}

/// A page of nodes.
#[derive(Debug, Clone, PartialEq)]
pub struct RetainedPage {
    /// In the order of their ids; may be empty before the last page.
    pub nodes: Vec<RetainedNode>,
    /// Where the next page goes on; `None` on the last one.
    pub next_after: Option<NodeId>,
}

impl RetainedNode {
    /// What decisions on its configuration rest on.
    pub fn rules(&self) -> NodeRules {
        NodeRules { node: self.node, rules_version: self.rules_version }
    }
}
