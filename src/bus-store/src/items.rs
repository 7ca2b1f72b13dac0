use async_trait::async_trait;
use bus_domain::{Event, ItemId, NodeId, retrieve::PageAt};

use crate::StoreError;

/// Reading items: the newest event of each item id that is neither retracted, trimmed nor purged.
#[async_trait]
pub trait ItemStore {
    /// A window of the node's items in the order of their positions.
    async fn list_items(&self, node: NodeId, window: ItemWindow) -> Result<ItemPage, StoreError>;

    /// The items of these ids that there are, expired or not, in the order of their positions, up to `bytes_max` of payload but
    /// at least one if there is one.
    async fn find_items(
        &self,
        node: NodeId,
        ids: &[ItemId],
        bytes_max: usize,
    ) -> Result<FoundItems, StoreError>;
}

/// Items found by their ids.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundItems {
    /// In the order of their positions.
    pub items: Vec<Event>,
    /// Whether the bound kept out items that are there.
    pub truncated: bool,
}

/// A window of a node's items.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ItemWindow {
    /// Where it lies. It holds what is next to that place when the bounds cut it short.
    pub at: PageAt,
    /// At most so many items.
    pub items_max: u32,
    /// No more items once so many bytes of payload are reached; at least one if there is one.
    pub bytes_max: usize,
    /// Items published up to this moment, in milliseconds since 1970, are not there any more.
    pub expired_through_ms: Option<i64>,
}

/// A window's content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ItemPage {
    /// Oldest first.
    pub items: Vec<Event>,
    /// Items of the node in all. Where items expire it may be too high while very many of them wait to be removed.
    pub count: u64,
    /// How many items of the node are in front of the window.
    pub first_index: Option<u64>,
}
