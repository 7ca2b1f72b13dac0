use async_trait::async_trait;
use bus_domain::retrieve::PageAt;
use bus_domain::{Event, ItemId, NodeId};
use bus_store::{FoundItems, ItemPage, ItemStore, ItemWindow, StoreError};
use sqlx::AssertSqlSafe;
use sqlx::sqlite::SqliteConnection;

use crate::SqliteStore;
use crate::error::store_error;
use crate::events::collect_bounded;
use crate::rows::{self, EVENT_COLUMNS, signed};

#[async_trait]
impl ItemStore for SqliteStore {
    async fn list_items(&self, node: NodeId, window: ItemWindow) -> Result<ItemPage, StoreError> {
        // One read transaction: count, index and items must fit each other.
        let mut reader = self.readers.begin().await.map_err(store_error)?;
        let count = item_count(&mut reader, node).await?;
        let scan = scan(window.at, window.items_max);
        let sql = format!(
            "SELECT {EVENT_COLUMNS} FROM items i JOIN events e ON e.node_id = i.node_id AND e.seq = i.seq
             WHERE i.node_id = ?1 AND i.seq {} ?2 ORDER BY i.seq {} LIMIT ?3 OFFSET ?4",
            scan.comparison, scan.order
        );
        let query =
            sqlx::query(AssertSqlSafe(sql)).bind(node.0).bind(scan.bound).bind(scan.limit).bind(scan.offset);
        let (mut items, _) = collect_bounded(query.fetch(&mut *reader), window.bytes_max).await?;
        if scan.backwards() {
            items.reverse();
        }
        let first_index = match items.first() {
            None => None,
            Some(first) => Some(match window.at {
                PageAt::First => 0,
                PageAt::Index(index) => index,
                PageAt::Last => count.saturating_sub(items.len() as u64), // the bounds keep the newest
                PageAt::After(_) | PageAt::Before(_) => items_before(&mut reader, node, first).await?,
            }),
        };
        Ok(ItemPage { items, count, first_index })
    }

    async fn find_items(
        &self,
        node: NodeId,
        ids: &[ItemId],
        bytes_max: usize,
    ) -> Result<FoundItems, StoreError> {
        let ids: Vec<&str> = ids.iter().map(ItemId::as_str).collect();
        let sql = format!(
            "SELECT {EVENT_COLUMNS} FROM items i JOIN events e ON e.node_id = i.node_id AND e.seq = i.seq
             WHERE i.node_id = ?1 AND i.item_id IN (SELECT value FROM json_each(?2)) ORDER BY i.seq"
        );
        let query = sqlx::query(AssertSqlSafe(sql)).bind(node.0).bind(serde_json::json!(ids).to_string());
        let (items, truncated) = collect_bounded(query.fetch(&self.readers), bytes_max).await?;
        Ok(FoundItems { items, truncated })
    }
}

/// How a window is read from the index of positions.
struct Scan {
    comparison: &'static str,
    bound: i64,
    order: &'static str,
    limit: i64,
    offset: i64,
}

impl Scan {
    fn backwards(&self) -> bool {
        self.order == "DESC"
    }
}

fn scan(at: PageAt, items_max: u32) -> Scan {
    let limit = i64::from(items_max);
    let forwards = |bound, offset| Scan { comparison: ">", bound, order: "ASC", limit, offset };
    let backwards = |bound| Scan { comparison: "<", bound, order: "DESC", limit, offset: 0 };
    match at {
        PageAt::First => forwards(0, 0),
        PageAt::After(seq) => forwards(signed(seq), 0),
        PageAt::Index(index) => forwards(0, signed(index)),
        PageAt::Before(seq) => backwards(signed(seq)),
        PageAt::Last => backwards(i64::MAX),
    }
}

async fn item_count(reader: &mut SqliteConnection, node: NodeId) -> Result<u64, StoreError> {
    let row = sqlx::query("SELECT item_count FROM heads WHERE node_id = ?1")
        .bind(node.0)
        .fetch_optional(reader)
        .await
        .map_err(store_error)?;
    row.map_or(Ok(0), |row| rows::unsigned(&row, "item_count"))
}

/// Reads as many index entries as there are items before this one.
async fn items_before(reader: &mut SqliteConnection, node: NodeId, first: &Event) -> Result<u64, StoreError> {
    let row = sqlx::query("SELECT count(*) AS items FROM items WHERE node_id = ?1 AND seq < ?2")
        .bind(node.0)
        .bind(signed(first.seq))
        .fetch_one(reader)
        .await
        .map_err(store_error)?;
    rows::unsigned(&row, "items")
}
