//! Items in the order of their creation (XEP-0413): those that were overwritten have an index of their own, the others
//! are in the order of their positions, and a window is merged of both.

use bus_domain::retrieve::PageAt;
use bus_domain::{NodeId, Payload};
use bus_store::{ItemPage, ItemWindow, StoreError};
use sqlx::sqlite::SqliteConnection;

use crate::error::store_error;
use crate::items::Visible;
use crate::rows::{self, event_columns, signed};
use crate::statement::{query, statements};

/// Where the events of a window are, in one direction.
macro_rules! places {
    ($order:literal) => {
        concat!(
            "SELECT seq, created_seq FROM
                 (SELECT * FROM
                      (SELECT i.seq AS seq, i.seq AS created_seq
                       FROM items i INDEXED BY items_never_overwritten
                            JOIN events e ON e.node_id = i.node_id AND e.seq = i.seq
                       WHERE i.node_id = ?1 AND i.created_seq IS NULL AND i.seq > max(?2, ?7) AND i.seq < ?3
                         AND e.published_at_ms > ?4 ORDER BY i.seq ",
            $order,
            " LIMIT ?5 + ?6)
                  UNION ALL SELECT * FROM
                      (SELECT i.seq, i.created_seq
                       FROM items i JOIN events e ON e.node_id = i.node_id AND e.seq = i.seq
                       WHERE i.node_id = ?1 AND i.created_seq > ?2 AND i.created_seq < ?3 AND i.seq > ?7
                         AND e.published_at_ms > ?4 ORDER BY i.created_seq ",
            $order,
            " LIMIT ?5 + ?6))
             ORDER BY created_seq ",
            $order,
            " LIMIT ?5 OFFSET ?6"
        )
    };
}

statements! {
    pub(crate) FORWARDS = places!("ASC");
    BACKWARDS = places!("DESC");
    EVENT = concat!("SELECT ", event_columns!(), " FROM events e WHERE e.node_id = ?1 AND e.seq = ?2");
    // Reads as many index entries as there are items before this one.
    ITEMS_BEFORE = "SELECT (SELECT count(*) FROM items
                    WHERE node_id = ?1 AND created_seq IS NULL AND seq > ?2 AND seq < ?3)
                 + (SELECT count(*) FROM items WHERE node_id = ?1 AND created_seq < ?3 AND seq > ?2) AS items";
}

/// Reads a window within a transaction that sees one state of the node.
pub(crate) async fn list(
    reader: &mut SqliteConnection,
    node: NodeId,
    visible: &Visible,
    window: ItemWindow,
) -> Result<ItemPage, StoreError> {
    let (after, before, offset) = bounds(window.at);
    let is_from_end = window.at.is_from_end();
    let found = query(if is_from_end { BACKWARDS } else { FORWARDS })
        .bind(node.0)
        .bind(after)
        .bind(before)
        .bind(visible.expired_through_ms.unwrap_or(i64::MIN))
        .bind(i64::from(window.items_max))
        .bind(offset)
        .bind(visible.purged_through_seq)
        .fetch_all(&mut *reader)
        .await
        .map_err(store_error)?;
    let (mut items, mut places, mut bytes) = (Vec::new(), Vec::new(), 0);
    for place in &found {
        if bytes >= window.bytes_max && !items.is_empty() {
            break;
        }
        let query = query(EVENT).bind(node.0).bind(rows::integer(place, "seq")?);
        let event = rows::event(&query.fetch_one(&mut *reader).await.map_err(store_error)?)?;
        bytes += event.kind.payload().map_or(0, Payload::len_bytes);
        places.push(rows::unsigned(place, "created_seq")?);
        items.push(event);
    }
    if is_from_end {
        items.reverse();
        places.reverse();
    }
    let count = visible.count(reader, node).await?;
    let first_index = match (places.first(), window.expired_through_ms) {
        (None, _) | (Some(_), Some(_)) => None,
        (Some(first), None) => {
            let query =
                query(ITEMS_BEFORE).bind(node.0).bind(visible.purged_through_seq).bind(signed(*first));
            let row = query.fetch_one(reader).await.map_err(store_error)?;
            Some(rows::unsigned(&row, "items")?)
        }
    };
    Ok(ItemPage { items, places, count, first_index })
}

/// Behind which place, in front of which one, and how many are passed over.
fn bounds(at: PageAt) -> (i64, i64, i64) {
    // Added to a number of items, it must not overflow.
    let offset = |index| signed(index).min(i64::MAX / 2);
    match at {
        PageAt::First | PageAt::Last => (0, i64::MAX, 0),
        PageAt::After(seq) => (signed(seq), i64::MAX, 0),
        PageAt::Before(seq) => (0, signed(seq), 0),
        PageAt::Index(index) | PageAt::IndexFromEnd(index) => (0, i64::MAX, offset(index)),
    }
}
