use async_trait::async_trait;
use bus_domain::retrieve::{ItemOrder, PageAt};
use bus_domain::{Event, ItemId, NodeId, Seq};

use crate::StoreError;

/// Reading items: the newest event of each item id that is neither retracted, trimmed nor purged.
#[async_trait]
pub trait ItemStore {
    /// A window of the node's items.
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
    /// What the items are in the order of.
    pub order: ItemOrder,
    /// Where it lies, by the positions that the order goes by. It holds what is next to that place when the bounds cut it
    /// short.
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
    /// The positions that they are in the order of: of these events, or of the first ones of their items.
    pub places: Vec<Seq>,
    /// Items of the node in all. Where items expire it may be too high while very many of them wait to be removed.
    pub count: u64,
    /// How many items of the node are in front of the window. Where items expire it is not known in the order of their
    /// creation.
    pub first_index: Option<u64>,
}

impl ItemPage {
    /// Items that are in the order of their own positions.
    pub fn by_modification(items: Vec<Event>, count: u64, first_index: Option<u64>) -> Self {
        let places = items.iter().map(|item| item.seq).collect();
        Self { items, places, count, first_index }
    }
}
