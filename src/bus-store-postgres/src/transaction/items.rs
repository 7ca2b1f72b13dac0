use bus_domain::retract::StoredItem;
use bus_domain::{Event, ItemId, NodeId, Seq};
use bus_store::{ItemPointer, RemovedItem, StoreError};

use super::PostgresTransaction;
use crate::rows::{self, event_columns, signed};
use crate::statement::{query, statements};

/// A statement that removes item pointers, and with them the event rows that retention has left for these only. Whoever
/// sends it holds the lock of the head, and reads the last part's rows.
macro_rules! removing_items {
    ($which:literal, $answer:literal) => {
        concat!(
            "WITH removed AS (DELETE FROM items i ",
            $which,
            " RETURNING i.node_id, i.item_id, i.seq, i.created_seq),
             unpinned AS
                 (DELETE FROM events e USING removed r
                  WHERE e.node_id = r.node_id AND e.seq = r.seq
                    AND r.seq <= (SELECT trimmed_through_seq FROM heads h WHERE h.node_id = r.node_id))
             ",
            $answer
        )
    };
}
pub(crate) use removing_items;

statements! {
    PLACE = "INSERT INTO items (node_id, item_id, seq, created_seq)
         SELECT * FROM unnest($1::bigint[], $2::text[], $3::bigint[], $4::bigint[])";
    // The plus keeps the planner from reading all positions behind the purge.
    FIND = concat!("SELECT ", event_columns!(), " FROM items i JOIN events e ON e.node_id = i.node_id AND e.seq = i.seq
         WHERE i.node_id = $1 AND i.item_id = ANY($2::text[])
           AND +i.seq > (SELECT purged_through_seq FROM heads WHERE node_id = $1)");
    OLDEST = "SELECT i.item_id, e.seq, e.publisher, e.published_at_ms
         FROM items i JOIN events e ON e.node_id = i.node_id AND e.seq = i.seq
         WHERE i.node_id = $1 AND i.seq > (SELECT purged_through_seq FROM heads WHERE node_id = $1)
         ORDER BY i.seq LIMIT $2";
    COUNT = "SELECT item_count FROM heads WHERE node_id = $1";
    LAST = concat!("SELECT ", event_columns!(), " FROM items i JOIN events e ON e.node_id = i.node_id AND e.seq = i.seq
         WHERE i.node_id = $1 AND i.seq > (SELECT purged_through_seq FROM heads WHERE node_id = $1)
         ORDER BY i.seq DESC LIMIT 1");
    NOTE_RETRACTED = "INSERT INTO retracted_payloads (node_id, seq, retracted_at_seq)
         SELECT $1, a.seq, a.retracted_at_seq
         FROM unnest($2::bigint[], $3::bigint[]) AS a (seq, retracted_at_seq)";
    REMOVE = removing_items!(
        "USING unnest($1::bigint[], $2::text[]) AS a (node_id, item_id)
         WHERE i.node_id = a.node_id AND i.item_id = a.item_id",
        "SELECT node_id, item_id, coalesce(created_seq, seq) AS created_seq,
                seq > (SELECT purged_through_seq FROM heads h WHERE h.node_id = removed.node_id) AS is_live
         FROM removed"
    );
    REMOVE_OLDEST = removing_items!(
        "WHERE i.node_id = $1 AND i.seq IN
             (SELECT seq FROM items
              WHERE node_id = $1 AND seq > (SELECT purged_through_seq FROM heads WHERE node_id = $1)
              ORDER BY seq LIMIT $2)",
        "SELECT count(*) AS removed FROM removed"
    );
    LOWER_COUNTS = "UPDATE heads h SET item_count = h.item_count - a.items
         FROM unnest($1::bigint[], $2::bigint[]) AS a (node_id, items) WHERE h.node_id = a.node_id";
}

pub(super) async fn place(
    transaction: &mut PostgresTransaction,
    pointers: &[ItemPointer],
) -> Result<(), StoreError> {
    let query = query(PLACE)
        .bind(pointers.iter().map(|pointer| pointer.node.0).collect::<Vec<_>>())
        .bind(pointers.iter().map(|pointer| pointer.item_id.as_str()).collect::<Vec<_>>())
        .bind(pointers.iter().map(|pointer| signed(pointer.seq)).collect::<Vec<_>>())
        .bind(pointers.iter().map(|pointer| pointer.created_seq.map(signed)).collect::<Vec<_>>());
    transaction.execute(query).await.map(drop)
}

pub(super) async fn find(
    transaction: &mut PostgresTransaction,
    node: NodeId,
    ids: &[ItemId],
) -> Result<Vec<StoredItem>, StoreError> {
    let ids: Vec<&str> = ids.iter().map(ItemId::as_str).collect();
    let rows = transaction.fetch_all(query(FIND).bind(node.0).bind(ids)).await?;
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
    transaction: &mut PostgresTransaction,
    node: NodeId,
    items_max: u64,
) -> Result<Vec<StoredItem>, StoreError> {
    let query = query(OLDEST).bind(node.0).bind(signed(items_max));
    transaction.fetch_all(query).await?.iter().map(rows::stored_item).collect()
}

pub(super) async fn count(transaction: &mut PostgresTransaction, node: NodeId) -> Result<u64, StoreError> {
    let found = transaction.fetch_all(query(COUNT).bind(node.0)).await?;
    found.first().map_or(Ok(0), |row| rows::unsigned(row, "item_count"))
}

/// Who is older than the newest item has expired with it.
pub(super) async fn last(
    transaction: &mut PostgresTransaction,
    node: NodeId,
    expired_through_ms: Option<i64>,
) -> Result<Option<Event>, StoreError> {
    let found = transaction.fetch_all(query(LAST).bind(node.0)).await?;
    let newest = found.first().map(rows::event).transpose()?;
    Ok(newest.filter(|item| expired_through_ms.is_none_or(|moment| item.published_at_ms > moment)))
}

pub(super) async fn note_retracted(
    transaction: &mut PostgresTransaction,
    node: NodeId,
    events: &[(Seq, Seq)],
) -> Result<(), StoreError> {
    let query = query(NOTE_RETRACTED)
        .bind(node.0)
        .bind(events.iter().map(|(seq, _)| signed(*seq)).collect::<Vec<_>>())
        .bind(events.iter().map(|(_, retraction)| signed(*retraction)).collect::<Vec<_>>());
    transaction.execute(query).await.map(drop)
}

pub(super) async fn remove(
    transaction: &mut PostgresTransaction,
    items: &[(NodeId, ItemId)],
) -> Result<Vec<RemovedItem>, StoreError> {
    let query = query(REMOVE)
        .bind(items.iter().map(|(node, _)| node.0).collect::<Vec<_>>())
        .bind(items.iter().map(|(_, id)| id.as_str()).collect::<Vec<_>>());
    let rows = transaction.fetch_all(query).await?;
    let mut removed = Vec::with_capacity(rows.len());
    for row in &rows {
        if rows::boolean(row, "is_live")? {
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
    transaction: &mut PostgresTransaction,
    node: NodeId,
    count: u64,
) -> Result<(), StoreError> {
    transaction.execute(query(REMOVE_OLDEST).bind(node.0).bind(signed(count))).await.map(drop)
}

pub(super) async fn lower_counts(
    transaction: &mut PostgresTransaction,
    counts: &[(NodeId, u64)],
) -> Result<(), StoreError> {
    let query = query(LOWER_COUNTS)
        .bind(counts.iter().map(|(node, _)| node.0).collect::<Vec<_>>())
        .bind(counts.iter().map(|(_, count)| signed(*count)).collect::<Vec<_>>());
    transaction.execute(query).await.map(drop)
}
