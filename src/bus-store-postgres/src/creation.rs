//! Items in the order of their creation (XEP-0413): those that were overwritten have an index of their own, the others
//! are in the order of their positions, and a window is merged of both.

use bus_domain::NodeId;
use bus_domain::retrieve::PageAt;
use bus_store::{ItemPage, ItemWindow, StoreError};

use crate::items::Visible;
use crate::rows::{self, event_columns, signed};
use crate::statement::{query, statements};
use crate::transaction::PostgresTransaction;

/// A window in one direction, bounded in bytes from where it begins.
macro_rules! window {
    ($order:literal) => {
        concat!(
            "SELECT ",
            event_columns!(),
            ", e.created_seq FROM
                 (SELECT p.*, sum(octet_length(p.payload)) OVER
                      (ORDER BY p.created_seq ",
            $order,
            " ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS bytes_before
                  FROM (SELECT l.*, w.created_seq FROM
                            (SELECT * FROM
                                 ((SELECT i.seq AS seq, i.seq AS created_seq
                                   FROM items i JOIN events x ON x.node_id = i.node_id AND x.seq = i.seq
                                   WHERE i.node_id = $1 AND i.created_seq IS NULL AND i.seq > greatest($2::bigint, $7::bigint)
                                     AND i.seq < $3 AND x.published_at_ms > $4
                                   ORDER BY i.seq ",
            $order,
            " LIMIT $5::bigint + $6::bigint)
                                  UNION ALL
                                  (SELECT i.seq, i.created_seq
                                   FROM items i JOIN events x ON x.node_id = i.node_id AND x.seq = i.seq
                                   WHERE i.node_id = $1 AND i.created_seq > $2 AND i.created_seq < $3
                                     AND i.seq > $7 AND x.published_at_ms > $4
                                   ORDER BY i.created_seq ",
            $order,
            " LIMIT $5::bigint + $6::bigint)) both_kinds
                             ORDER BY created_seq ",
            $order,
            " LIMIT $5 OFFSET $6) w
                        JOIN events l ON l.node_id = $1 AND l.seq = w.seq) p) e
             WHERE e.bytes_before IS NULL OR e.bytes_before < $8 ORDER BY e.created_seq"
        )
    };
}

statements! {
    FORWARDS = window!("ASC");
    BACKWARDS = window!("DESC");
    // Reads as many index entries as there are items before this one.
    ITEMS_BEFORE = "SELECT (SELECT count(*) FROM items
                    WHERE node_id = $1 AND created_seq IS NULL AND seq > $2 AND seq < $3)
                 + (SELECT count(*) FROM items WHERE node_id = $1 AND created_seq < $3 AND seq > $2) AS items";
}

/// Reads a window within a transaction that sees one state of the node.
pub(crate) async fn list(
    reader: &mut PostgresTransaction,
    node: NodeId,
    visible: &Visible,
    window: ItemWindow,
) -> Result<ItemPage, StoreError> {
    let (after, before, offset) = bounds(window.at);
    let query_window = query(if window.at.is_from_end() { BACKWARDS } else { FORWARDS })
        .bind(node.0)
        .bind(after)
        .bind(before)
        .bind(visible.expired_through_ms.unwrap_or(i64::MIN))
        .bind(i64::from(window.items_max))
        .bind(offset)
        .bind(visible.purged_through_seq)
        .bind(rows::size(window.bytes_max));
    let found = reader.fetch_all(query_window).await?;
    let items = found.iter().map(rows::event).collect::<Result<Vec<_>, _>>()?;
    let places: Result<Vec<_>, _> = found.iter().map(|row| rows::unsigned(row, "created_seq")).collect();
    let places = places?;
    let count = visible.count(reader, node).await?;
    let first_index = match (places.first(), window.expired_through_ms) {
        (None, _) | (Some(_), Some(_)) => None,
        (Some(first), None) => {
            let query =
                query(ITEMS_BEFORE).bind(node.0).bind(visible.purged_through_seq).bind(signed(*first));
            let row = reader.fetch_optional(query).await?;
            row.map(|row| rows::unsigned(&row, "items")).transpose()?
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
