use async_trait::async_trait;
use bus_domain::retrieve::PageAt;
use bus_domain::{Event, ItemId, NodeId};
use bus_store::{FoundItems, ItemPage, ItemStore, ItemWindow, StoreError};

use crate::PostgresStore;
use crate::rows::{self, event_columns, signed};
use crate::statement::{Statement, query, statements};
use crate::transaction::PostgresTransaction;

/// A window in one direction, bounded in bytes from where it begins.
macro_rules! window {
    ($comparison:literal, $order:literal) => {
        concat!(
            "SELECT ",
            event_columns!(),
            " FROM (SELECT p.*, sum(octet_length(p.payload)) OVER
                     (ORDER BY p.seq ",
            $order,
            " ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS bytes_before
              FROM (SELECT e.* FROM items i JOIN events e ON e.node_id = i.node_id AND e.seq = i.seq
                    WHERE i.node_id = $1 AND i.seq ",
            $comparison,
            " $2 ORDER BY i.seq ",
            $order,
            " LIMIT $3 OFFSET $4) p) e
             WHERE e.bytes_before IS NULL OR e.bytes_before < $5 ORDER BY e.seq"
        )
    };
}

statements! {
    WINDOW_FORWARDS = window!(">", "ASC");
    WINDOW_BACKWARDS = window!("<", "DESC");
    ITEM_COUNT = "SELECT item_count FROM heads WHERE node_id = $1";
    // Reads as many index entries as there are items before this one.
    ITEMS_BEFORE = "SELECT count(*) AS items FROM items WHERE node_id = $1 AND seq < $2";
    FIND = concat!("SELECT ", event_columns!(), ", e.found FROM
             (SELECT p.*, count(*) OVER () AS found, sum(octet_length(p.payload)) OVER
                     (ORDER BY p.seq ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS bytes_before
              FROM (SELECT e.* FROM items i JOIN events e ON e.node_id = i.node_id AND e.seq = i.seq
                    WHERE i.node_id = $1 AND i.item_id = ANY($2::text[])) p) e
         WHERE e.bytes_before IS NULL OR e.bytes_before < $3 ORDER BY e.seq");
}

#[async_trait]
impl ItemStore for PostgresStore {
    async fn list_items(&self, node: NodeId, window: ItemWindow) -> Result<ItemPage, StoreError> {
        // One snapshot: count, index and items must fit each other.
        let mut reader = PostgresTransaction::begin_snapshot(&self.pool).await?;
        let count = item_count(&mut reader, node).await?;
        let Scan { statement, bound, offset } = scan(window.at);
        let query = query(statement)
            .bind(node.0)
            .bind(bound)
            .bind(i64::from(window.items_max))
            .bind(offset)
            .bind(rows::size(window.bytes_max));
        let items = reader.fetch_all(query).await?.iter().map(rows::event).collect::<Result<Vec<_>, _>>()?;
        let first_index = match items.first() {
            None => None,
            Some(first) => Some(match window.at {
                PageAt::First => 0,
                PageAt::Index(index) => index,
                PageAt::Last => count.saturating_sub(items.len() as u64), // the bounds keep the newest
                PageAt::After(_) | PageAt::Before(_) => items_before(&mut reader, node, first).await?,
            }),
        };
        reader.rollback().await?;
        Ok(ItemPage { items, count, first_index })
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
    bound: i64,
    offset: i64,
}

fn scan(at: PageAt) -> Scan {
    let forwards = |bound, offset| Scan { statement: WINDOW_FORWARDS, bound, offset };
    let backwards = |bound| Scan { statement: WINDOW_BACKWARDS, bound, offset: 0 };
    match at {
        PageAt::First => forwards(0, 0),
        PageAt::After(seq) => forwards(signed(seq), 0),
        PageAt::Index(index) => forwards(0, signed(index)),
        PageAt::Before(seq) => backwards(signed(seq)),
        PageAt::Last => backwards(i64::MAX),
    }
}

async fn item_count(reader: &mut PostgresTransaction, node: NodeId) -> Result<u64, StoreError> {
    let row = reader.fetch_optional(query(ITEM_COUNT).bind(node.0)).await?;
    row.map_or(Ok(0), |row| rows::unsigned(&row, "item_count"))
}

async fn items_before(
    reader: &mut PostgresTransaction,
    node: NodeId,
    first: &Event,
) -> Result<u64, StoreError> {
    let query = query(ITEMS_BEFORE).bind(node.0).bind(signed(first.seq));
    reader.fetch_optional(query).await?.map_or(Ok(0), |row| rows::unsigned(&row, "items"))
}
