use bus_domain::retract::StoredItem;
use bus_domain::{Event, ItemId, NodeId, Seq};
use bus_store::{ItemPointer, RemovedItem, StoreError};
use serde_json::json;

use super::{SqliteTransaction, array};
use crate::rows::{self, event_columns};
use crate::statement::{query, statements};

statements! {
    pub(crate) PLACE = "INSERT INTO items (node_id, item_id, seq, created_seq)
         SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3 FROM jsonb_each(?1)";
    // The plus keeps the planner from reading all positions behind the purge.
    pub(crate) FIND = "SELECT e.item_id, e.kind, e.payload, e.seq, e.publisher, e.published_at_ms,
                e.recipients_version, e.due_after_seq, e.origin
         FROM items i JOIN events e ON e.node_id = i.node_id AND e.seq = i.seq
         WHERE i.node_id = ?1 AND i.item_id IN (SELECT value FROM jsonb_each(?2))
           AND +i.seq > (SELECT purged_through_seq FROM heads WHERE node_id = ?1)";
    OLDEST = "SELECT i.item_id, e.seq, e.publisher, e.published_at_ms
         FROM items i JOIN events e ON e.node_id = i.node_id AND e.seq = i.seq
         WHERE i.node_id = ?1 AND i.seq > (SELECT purged_through_seq FROM heads WHERE node_id = ?1)
         ORDER BY i.seq LIMIT ?2";
    COUNT = "SELECT item_count FROM heads WHERE node_id = ?1";
    pub(crate) LAST = concat!("SELECT ", event_columns!(), " FROM items i JOIN events e ON e.node_id = i.node_id AND e.seq = i.seq
         WHERE i.node_id = ?1 AND i.seq > (SELECT purged_through_seq FROM heads WHERE node_id = ?1)
         ORDER BY i.seq DESC LIMIT 1");
    pub(crate) NOTE_RETRACTED = "INSERT INTO retracted_payloads (node_id, seq, retracted_at_seq)
         SELECT ?1, value ->> 0, value ->> 1 FROM jsonb_each(?2)";
    pub(crate) REMOVE = "DELETE FROM items
         WHERE (node_id, item_id) IN (SELECT value ->> 0, value ->> 1 FROM jsonb_each(?1))
         RETURNING node_id, item_id, coalesce(created_seq, seq) AS created_seq,
             seq > (SELECT purged_through_seq FROM heads h WHERE h.node_id = items.node_id) AS is_live";
    // Left to itself, the planner reads all items of the node.
    pub(crate) REMOVE_OLDEST = "DELETE FROM items INDEXED BY items_by_seq WHERE node_id = ?1
         AND seq IN (SELECT seq FROM items WHERE node_id = ?1
             AND seq > (SELECT purged_through_seq FROM heads WHERE node_id = ?1) ORDER BY seq LIMIT ?2)";
    pub(crate) LOWER_COUNTS = "UPDATE heads SET item_count = item_count - a.count
         FROM (SELECT value ->> 0 AS node, value ->> 1 AS count FROM jsonb_each(?1)) a
         WHERE heads.node_id = a.node";
}

pub(super) async fn place(
    transaction: &mut SqliteTransaction,
    pointers: &[ItemPointer],
) -> Result<(), StoreError> {
    let batch = array(pointers.iter().map(|it| (it.node.0, it.item_id.as_str(), it.seq, it.created_seq)));
    transaction.execute(query(PLACE).bind(batch)).await?;
    Ok(())
}

pub(super) async fn find(
    transaction: &mut SqliteTransaction,
    node: NodeId,
    ids: &[ItemId],
) -> Result<Vec<StoredItem>, StoreError> {
    let query = query(FIND).bind(node.0).bind(array(ids.iter().map(|id| json!(id.as_str()))));
    let rows = transaction.fetch_all(query).await?;
    let mut items = Vec::with_capacity(rows.len());
    for row in &rows {
        let event = rows::event(row)?;
        if let Some(id) = event.kind.item_id() {
            let (seq, published_at_ms) = (event.seq, event.published_at_ms);
            items.push(StoredItem { id: id.clone(), seq, publisher: event.publisher, published_at_ms });
        }
    }
    Ok(items)
}

pub(super) async fn oldest(
    transaction: &mut SqliteTransaction,
    node: NodeId,
    items_max: u64,
) -> Result<Vec<StoredItem>, StoreError> {
    let query = query(OLDEST).bind(node.0).bind(rows::signed(items_max));
    transaction.fetch_all(query).await?.iter().map(rows::stored_item).collect()
}

pub(super) async fn count(transaction: &mut SqliteTransaction, node: NodeId) -> Result<u64, StoreError> {
    let found = transaction.fetch_all(query(COUNT).bind(node.0)).await?;
    found.first().map_or(Ok(0), |row| rows::unsigned(row, "item_count"))
}

/// Who is older than the newest item has expired with it.
pub(super) async fn last(
    transaction: &mut SqliteTransaction,
    node: NodeId,
    expired_through_ms: Option<i64>,
) -> Result<Option<Event>, StoreError> {
    let found = transaction.fetch_all(query(LAST).bind(node.0)).await?;
    let newest = found.first().map(rows::event).transpose()?;
    Ok(newest.filter(|item| expired_through_ms.is_none_or(|moment| item.published_at_ms > moment)))
}

pub(super) async fn note_retracted(
    transaction: &mut SqliteTransaction,
    node: NodeId,
    events: &[(Seq, Seq)],
) -> Result<(), StoreError> {
    let query = query(NOTE_RETRACTED).bind(node.0).bind(array(events.iter().map(|pair| json!(pair))));
    transaction.execute(query).await?;
    Ok(())
}

pub(super) async fn remove(
    transaction: &mut SqliteTransaction,
    items: &[(NodeId, ItemId)],
) -> Result<Vec<RemovedItem>, StoreError> {
    let query = query(REMOVE).bind(array(items.iter().map(|(node, id)| json!([node.0, id.as_str()]))));
    let rows = transaction.fetch_all(query).await?;
    let mut removed = Vec::with_capacity(rows.len());
    for row in &rows {
        if rows::integer(row, "is_live")? != 0 {
            removed.push(RemovedItem {
                node: NodeId(rows::integer(row, "node_id")?),
                item_id: rows::item_id(row)?,
                created_seq: rows::unsigned(row, "created_seq")?,
            });
        }
    }
    Ok(removed)
}

pub(super) async fn remove_oldest(
    transaction: &mut SqliteTransaction,
    node: NodeId,
    count: u64,
) -> Result<(), StoreError> {
    let query = query(REMOVE_OLDEST).bind(node.0).bind(rows::signed(count));
    transaction.execute(query).await?;
    Ok(())
}

pub(super) async fn lower_counts(
    transaction: &mut SqliteTransaction,
    counts: &[(NodeId, u64)],
) -> Result<(), StoreError> {
    let query = query(LOWER_COUNTS).bind(array(counts.iter().map(|(node, count)| json!([node.0, count]))));
    transaction.execute(query).await?;
    Ok(())
}
