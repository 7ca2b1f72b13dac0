use async_trait::async_trait;
use bus_domain::retrieve::{ItemOrder, PageAt};
use bus_domain::{Event, ItemId, NodeId};
use bus_store::{FoundItems, ItemPage, ItemStore, ItemWindow, StoreError};
use sqlx::sqlite::SqliteConnection;

use crate::SqliteStore;
use crate::creation;
use crate::error::store_error;
use crate::events::collect_bounded;
use crate::rows::{self, event_columns, signed};
use crate::statement::{Statement, query, statements};

/// A window in one direction.
macro_rules! window {
    ($order:literal) => {
        concat!(
            "SELECT ",
            event_columns!(),
            " FROM items i JOIN events e ON e.node_id = i.node_id AND e.seq = i.seq
             WHERE i.node_id = ?1 AND i.seq > ?2 AND i.seq < ?3 AND e.published_at_ms > ?4
             ORDER BY i.seq ",
            $order,
            " LIMIT ?5 OFFSET ?6"
        )
    };
}

statements! {
    WINDOW_FORWARDS = window!("ASC");
    WINDOW_BACKWARDS = window!("DESC");
    // CROSS JOIN fixes the order, and the plus keeps the positions behind the purge out of it: else the planner reads all
    // items of the node to save itself the sort of a page.
    FIND = concat!("SELECT ", event_columns!(), " FROM (SELECT DISTINCT value FROM jsonb_each(?2)) wanted
         CROSS JOIN items i ON i.node_id = ?1 AND i.item_id = wanted.value
         JOIN events e ON e.node_id = i.node_id AND e.seq = i.seq
         WHERE +i.seq > (SELECT purged_through_seq FROM heads WHERE node_id = ?1)
         ORDER BY i.seq");
    HEAD = "SELECT item_count, purged_through_seq FROM heads WHERE node_id = ?1";
    ITEMS_BEFORE = "SELECT count(*) AS items FROM items WHERE node_id = ?1 AND seq > ?2 AND seq < ?3";
    EXPIRED_BEFORE = "SELECT count(*) AS items
         FROM (SELECT seq FROM items WHERE node_id = ?1 AND seq > ?2 AND seq < ?3 ORDER BY seq LIMIT ?5) i
         JOIN events e ON e.node_id = ?1 AND e.seq = i.seq WHERE e.published_at_ms <= ?4";
}

#[async_trait]
impl ItemStore for SqliteStore {
    async fn list_items(&self, node: NodeId, window: ItemWindow) -> Result<ItemPage, StoreError> {
        // One read transaction: count, index and items must fit each other.
        let mut reader = self.readers.begin().await.map_err(store_error)?;
        let visible = Visible::read(&mut reader, node, window.expired_through_ms).await?;
        if window.order == ItemOrder::Creation {
            return creation::list(&mut reader, node, &visible, window).await;
        }
        let scan = scan(window.at);
        let query = query(scan.statement)
            .bind(node.0)
            .bind(scan.after.max(visible.purged_through_seq))
            .bind(scan.before)
            .bind(visible.expired_through_ms.unwrap_or(i64::MIN))
            .bind(i64::from(window.items_max))
            .bind(scan.offset);
        let (mut items, _) = collect_bounded(query.fetch(&mut *reader), window.bytes_max).await?;
        if scan.is_backwards {
            items.reverse();
        }
        let count = visible.count(&mut reader, node).await?;
        let first_index = match items.first() {
            None => None,
            Some(first) => Some(match window.at {
                PageAt::First => 0,
                PageAt::Index(index) => index,
                PageAt::Last => count.saturating_sub(items.len() as u64), // the bounds keep the newest
                PageAt::IndexFromEnd(index) => count.saturating_sub(index.saturating_add(items.len() as u64)),
                PageAt::After(_) | PageAt::Before(_) => {
                    visible.count_before(&mut reader, node, first).await?
                }
            }),
        };
        Ok(ItemPage::by_modification(items, count, first_index))
    }

    async fn find_items(
        &self,
        node: NodeId,
        ids: &[ItemId],
        bytes_max: usize,
    ) -> Result<FoundItems, StoreError> {
        let ids: Vec<&str> = ids.iter().map(ItemId::as_str).collect();
        let query = query(FIND).bind(node.0).bind(serde_json::json!(ids).to_string());
        let (items, truncated) = collect_bounded(query.fetch(&self.readers), bytes_max).await?;
        Ok(FoundItems { items, truncated })
    }
}

/// How a window is read from the index of positions.
struct Scan {
    statement: Statement,
    after: i64,
    before: i64,
    is_backwards: bool,
    offset: i64,
}

fn scan(at: PageAt) -> Scan {
    let forwards =
        Scan { statement: WINDOW_FORWARDS, after: 0, before: i64::MAX, is_backwards: false, offset: 0 };
    let backwards = |before| Scan { statement: WINDOW_BACKWARDS, before, is_backwards: true, ..forwards };
    match at {
        PageAt::First => forwards,
        PageAt::After(seq) => Scan { after: signed(seq), ..forwards },
        PageAt::Index(index) => Scan { offset: signed(index), ..forwards },
        PageAt::Before(seq) => backwards(signed(seq)),
        PageAt::Last => backwards(i64::MAX),
        PageAt::IndexFromEnd(index) => Scan { offset: signed(index), ..backwards(i64::MAX) },
    }
}

/// Expired items that are looked for when items are counted: as many as two steps of their removal.
const EXPIRED_COUNTED_MAX: i64 = 4_000;

/// Which of a node's items are there for readers.
pub(crate) struct Visible {
    item_count: u64,
    /// The newest purge.
    pub(crate) purged_through_seq: i64,
    /// Items from before have expired.
    pub(crate) expired_through_ms: Option<i64>,
}

impl Visible {
    pub(crate) async fn read(
        reader: &mut SqliteConnection,
        node: NodeId,
        expired_through_ms: Option<i64>,
    ) -> Result<Self, StoreError> {
        let row = query(HEAD).bind(node.0).fetch_optional(reader).await.map_err(store_error)?;
        let (item_count, purged_through_seq) = match &row {
            None => (0, 0),
            Some(row) => (rows::unsigned(row, "item_count")?, rows::integer(row, "purged_through_seq")?),
        };
        Ok(Self { item_count, purged_through_seq, expired_through_ms })
    }

    pub(crate) async fn count(&self, reader: &mut SqliteConnection, node: NodeId) -> Result<u64, StoreError> {
        Ok(self.item_count.saturating_sub(self.expired_before(reader, node, i64::MAX).await?))
    }

    /// Reads as many index entries as there are items before this one.
    async fn count_before(
        &self,
        reader: &mut SqliteConnection,
        node: NodeId,
        first: &Event,
    ) -> Result<u64, StoreError> {
        let before = signed(first.seq);
        let row = query(ITEMS_BEFORE)
            .bind(node.0)
            .bind(self.purged_through_seq)
            .bind(before)
            .fetch_one(&mut *reader)
            .await
            .map_err(store_error)?;
        let expired = self.expired_before(reader, node, before).await?;
        Ok(rows::unsigned(&row, "items")?.saturating_sub(expired))
    }

    /// Expired items wait for their removal at the old end.
    async fn expired_before(
        &self,
        reader: &mut SqliteConnection,
        node: NodeId,
        before: i64,
    ) -> Result<u64, StoreError> {
        let Some(expired_through_ms) = self.expired_through_ms else { return Ok(0) };
        let row = query(EXPIRED_BEFORE)
            .bind(node.0)
            .bind(self.purged_through_seq)
            .bind(before)
            .bind(expired_through_ms)
            .bind(EXPIRED_COUNTED_MAX)
            .fetch_one(reader)
            .await
            .map_err(store_error)?;
        rows::unsigned(&row, "items")
    }
}
