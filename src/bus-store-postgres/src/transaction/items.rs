use bus_domain::retract::StoredItem;
use bus_domain::{ItemId, NodeId};
use bus_store::{ItemPointer, StoreError};

use super::PostgresTransaction;
use crate::rows::{self, event_columns, signed};
use crate::statement::{query, statements};

statements! {
    PLACE = "INSERT INTO items (node_id, item_id, seq)
         SELECT * FROM unnest($1::bigint[], $2::text[], $3::bigint[])";
    FIND = concat!("SELECT ", event_columns!(), " FROM items i JOIN events e ON e.node_id = i.node_id AND e.seq = i.seq
         WHERE i.node_id = $1 AND i.item_id = ANY($2::text[])");
    REMOVE = "DELETE FROM items i USING unnest($1::bigint[], $2::text[]) AS a (node_id, item_id)
         WHERE i.node_id = a.node_id AND i.item_id = a.item_id RETURNING i.node_id";
    REMOVE_OLDEST = "DELETE FROM items WHERE node_id = $1
         AND seq IN (SELECT seq FROM items WHERE node_id = $1 ORDER BY seq LIMIT $2)";
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
        .bind(pointers.iter().map(|pointer| signed(pointer.seq)).collect::<Vec<_>>());
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
            items.push(StoredItem { id: id.clone(), seq: event.seq, publisher: event.publisher });
        }
    }
    Ok(items)
}

pub(super) async fn remove(
    transaction: &mut PostgresTransaction,
    items: &[(NodeId, ItemId)],
) -> Result<Vec<NodeId>, StoreError> {
    let query = query(REMOVE)
        .bind(items.iter().map(|(node, _)| node.0).collect::<Vec<_>>())
        .bind(items.iter().map(|(_, id)| id.as_str()).collect::<Vec<_>>());
    let rows = transaction.fetch_all(query).await?;
    rows.iter().map(|row| Ok(NodeId(rows::integer(row, "node_id")?))).collect()
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
