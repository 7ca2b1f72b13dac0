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
        let visible = Visible::read(&mut reader, node, window.expired_through_ms).await?;
        let scan = scan(window.at, window.items_max);
        let sql = format!(
            "SELECT {EVENT_COLUMNS} FROM items i JOIN events e ON e.node_id = i.node_id AND e.seq = i.seq
             WHERE i.node_id = ?1 AND i.seq > ?2 AND i.seq < ?3 AND e.published_at_ms > ?4
             ORDER BY i.seq {} LIMIT ?5 OFFSET ?6",
            if scan.backwards { "DESC" } else { "ASC" }
        );
        let query = sqlx::query(AssertSqlSafe(sql))
            .bind(node.0)
            .bind(scan.after.max(visible.purged_through_seq))
            .bind(scan.before)
            .bind(visible.expired_through_ms.unwrap_or(i64::MIN))
            .bind(scan.limit)
            .bind(scan.offset);
        let (mut items, _) = collect_bounded(query.fetch(&mut *reader), window.bytes_max).await?;
        if scan.backwards {
            items.reverse();
        }
        let count = visible.count(&mut reader, node).await?;
        let first_index = match items.first() {
            None => None,
            Some(first) => Some(match window.at {
                PageAt::First => 0,
                PageAt::Index(index) => index,
                PageAt::Last => count.saturating_sub(items.len() as u64), // the bounds keep the newest
                PageAt::After(_) | PageAt::Before(_) => {
                    visible.count_before(&mut reader, node, first).await?
                }
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
             WHERE i.node_id = ?1 AND i.item_id IN (SELECT value FROM json_each(?2))
               AND +i.seq > (SELECT purged_through_seq FROM heads WHERE node_id = ?1)
             ORDER BY i.seq"
        );
        let query = sqlx::query(AssertSqlSafe(sql)).bind(node.0).bind(serde_json::json!(ids).to_string());
        let (items, truncated) = collect_bounded(query.fetch(&self.readers), bytes_max).await?;
        Ok(FoundItems { items, truncated })
    }
}

/// How a window is read from the index of positions.
struct Scan {
    after: i64,
    before: i64,
    backwards: bool,
    limit: i64,
    offset: i64,
}

fn scan(at: PageAt, items_max: u32) -> Scan {
    let all = Scan { after: 0, before: i64::MAX, backwards: false, limit: i64::from(items_max), offset: 0 };
    match at {
        PageAt::First => all,
        PageAt::After(seq) => Scan { after: signed(seq), ..all },
        PageAt::Index(index) => Scan { offset: signed(index), ..all },
        PageAt::Before(seq) => Scan { before: signed(seq), backwards: true, ..all },
        PageAt::Last => Scan { backwards: true, ..all },
    }
}

/// Expired items that are looked for when items are counted: as many as two steps of their removal.
const EXPIRED_COUNTED_MAX: i64 = 4_000;

/// Which of a node's items are there for readers.
struct Visible {
    item_count: u64,
    purged_through_seq: i64,
    expired_through_ms: Option<i64>,
}

impl Visible {
    async fn read(
        reader: &mut SqliteConnection,
        node: NodeId,
        expired_through_ms: Option<i64>,
    ) -> Result<Self, StoreError> {
        let row = sqlx::query("SELECT item_count, purged_through_seq FROM heads WHERE node_id = ?1")
            .bind(node.0)
            .fetch_optional(reader)
            .await
            .map_err(store_error)?;
        let (item_count, purged_through_seq) = match &row {
            None => (0, 0),
            Some(row) => (rows::unsigned(row, "item_count")?, rows::integer(row, "purged_through_seq")?),
        };
        Ok(Self { item_count, purged_through_seq, expired_through_ms })
    }

    async fn count(&self, reader: &mut SqliteConnection, node: NodeId) -> Result<u64, StoreError> {
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
        let row =
            sqlx::query("SELECT count(*) AS items FROM items WHERE node_id = ?1 AND seq > ?2 AND seq < ?3")
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
        let row = sqlx::query(
            "SELECT count(*) AS items
             FROM (SELECT seq FROM items WHERE node_id = ?1 AND seq > ?2 AND seq < ?3 ORDER BY seq LIMIT ?5) i
             JOIN events e ON e.node_id = ?1 AND e.seq = i.seq WHERE e.published_at_ms <= ?4",
        )
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
