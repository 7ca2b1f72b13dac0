use async_trait::async_trait;
use bus_domain::retrieve::{ItemOrder, PageAt};
use bus_domain::{Event, ItemId, NodeId};
use bus_store::{FoundItems, ItemPage, ItemStore, ItemWindow, StoreError};
use sqlx::postgres::PgRow;

use crate::PostgresStore;
use crate::creation;
use crate::rows::{self, event_columns, signed};
use crate::statement::{Statement, query, statements};
use crate::transaction::PostgresTransaction;

/// A window in one direction, bounded in bytes from where it begins.
macro_rules! window {
    ($order:literal) => {
        concat!(
            "SELECT ",
            event_columns!(),
            " FROM (SELECT p.*, sum(octet_length(p.payload)) OVER
                     (ORDER BY p.seq ",
            $order,
            " ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS bytes_before
              FROM (SELECT e.* FROM items i JOIN events e ON e.node_id = i.node_id AND e.seq = i.seq
                    WHERE i.node_id = $1 AND i.seq > $2 AND i.seq < $3 AND e.published_at_ms > $4 ORDER BY i.seq ",
            $order,
            " LIMIT $5 OFFSET $6) p) e
             WHERE e.bytes_before IS NULL OR e.bytes_before < $7 ORDER BY e.seq"
        )
    };
}

statements! {
    WINDOW_FORWARDS = window!("ASC");
    WINDOW_BACKWARDS = window!("DESC");
    HEAD = "SELECT item_count, purged_through_seq FROM heads WHERE node_id = $1";
    // Reads as many index entries as there are items before this one.
    ITEMS_BEFORE = "SELECT count(*) AS items FROM items WHERE node_id = $1 AND seq > $2 AND seq < $3";
    EXPIRED_BEFORE = "SELECT count(*) AS items
         FROM (SELECT seq FROM items WHERE node_id = $1 AND seq > $2 AND seq < $3 ORDER BY seq LIMIT $5) i
         JOIN events e ON e.node_id = $1 AND e.seq = i.seq WHERE e.published_at_ms <= $4";
    // The plus keeps the planner from reading all positions behind the purge.
    FIND = concat!("SELECT ", event_columns!(), ", e.found FROM
             (SELECT p.*, count(*) OVER () AS found, sum(octet_length(p.payload)) OVER
                     (ORDER BY p.seq ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS bytes_before
              FROM (SELECT e.* FROM items i JOIN events e ON e.node_id = i.node_id AND e.seq = i.seq
                    WHERE i.node_id = $1 AND i.item_id = ANY($2::text[])
                      AND +i.seq > (SELECT purged_through_seq FROM heads WHERE node_id = $1)) p) e
         WHERE e.bytes_before IS NULL OR e.bytes_before < $3 ORDER BY e.seq");
}

#[async_trait]
impl ItemStore for PostgresStore {
    async fn list_items(&self, node: NodeId, window: ItemWindow) -> Result<ItemPage, StoreError> {
        // One snapshot: count, index and items must fit each other.
        let mut reader = PostgresTransaction::begin_snapshot(&self.pool).await?;
        let visible = Visible::read(&mut reader, node, window.expired_through_ms).await?;
        if window.order == ItemOrder::Creation {
            let page = creation::list(&mut reader, node, &visible, window).await?;
            reader.rollback().await?;
            return Ok(page);
        }
        let Scan { statement, after, before, offset } = scan(window.at);
        let query = query(statement)
            .bind(node.0)
            .bind(after.max(visible.purged_through_seq))
            .bind(before)
            .bind(visible.expired_through_ms.unwrap_or(i64::MIN))
            .bind(i64::from(window.items_max))
            .bind(offset)
            .bind(rows::size(window.bytes_max));
        let items = reader.fetch_all(query).await?.iter().map(rows::event).collect::<Result<Vec<_>, _>>()?;
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
        reader.rollback().await?;
        Ok(ItemPage::by_modification(items, count, first_index))
    }

    async fn find_items(
        &self,
        node: NodeId,
        ids: &[ItemId],
        bytes_max: usize,
    ) -> Result<FoundItems, StoreError> {
        let ids: Vec<&str> = ids.iter().map(ItemId::as_str).collect();
        let query = query(FIND).bind(node.0).bind(ids).bind(rows::size(bytes_max));
        let found = self.pool.session().await?.fetch_all(query).await?;
        let in_all = found.first().map_or(Ok(0), |row| rows::unsigned(row, "found"))?;
        let items = found.iter().map(rows::event).collect::<Result<Vec<_>, _>>()?;
        Ok(FoundItems { truncated: in_all > items.len() as u64, items })
    }
}

/// How a window is read from the index of positions.
struct Scan {
    statement: Statement,
    after: i64,
    before: i64,
    offset: i64,
}

fn scan(at: PageAt) -> Scan {
    let forwards = Scan { statement: WINDOW_FORWARDS, after: 0, before: i64::MAX, offset: 0 };
    let backwards = |before| Scan { statement: WINDOW_BACKWARDS, after: 0, before, offset: 0 };
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
        reader: &mut PostgresTransaction,
        node: NodeId,
        expired_through_ms: Option<i64>,
    ) -> Result<Self, StoreError> {
        let row = reader.fetch_optional(query(HEAD).bind(node.0)).await?;
        let (item_count, purged_through_seq) = match &row {
            None => (0, 0),
            Some(row) => (rows::unsigned(row, "item_count")?, rows::integer(row, "purged_through_seq")?),
        };
        Ok(Self { item_count, purged_through_seq, expired_through_ms })
    }

    pub(crate) async fn count(
        &self,
        reader: &mut PostgresTransaction,
        node: NodeId,
    ) -> Result<u64, StoreError> {
        Ok(self.item_count.saturating_sub(self.expired_before(reader, node, i64::MAX).await?))
    }

    async fn count_before(
        &self,
        reader: &mut PostgresTransaction,
        node: NodeId,
        first: &Event,
    ) -> Result<u64, StoreError> {
        let before = signed(first.seq);
        let query = query(ITEMS_BEFORE).bind(node.0).bind(self.purged_through_seq).bind(before);
        let items = items(reader.fetch_optional(query).await?)?;
        Ok(items.saturating_sub(self.expired_before(reader, node, before).await?))
    }

    /// Expired items wait for their removal at the old end.
    async fn expired_before(
        &self,
        reader: &mut PostgresTransaction,
        node: NodeId,
        before: i64,
    ) -> Result<u64, StoreError> {
        let Some(expired_through_ms) = self.expired_through_ms else { return Ok(0) };
        let query = query(EXPIRED_BEFORE)
            .bind(node.0)
            .bind(self.purged_through_seq)
            .bind(before)
            .bind(expired_through_ms)
            .bind(EXPIRED_COUNTED_MAX);
        items(reader.fetch_optional(query).await?)
    }
}

fn items(row: Option<PgRow>) -> Result<u64, StoreError> {
    row.map_or(Ok(0), |row| rows::unsigned(&row, "items"))
}
