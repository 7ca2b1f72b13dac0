use async_trait::async_trait;
use bus_domain::{Event, NodeId, Seq};
use bus_store::{EventStore, Head, StoreError};

use crate::PostgresStore;
use crate::rows::{self, event_columns, signed};
use crate::statement::{query, statements};

statements! {
    HEAD = "SELECT epoch, seq, trimmed_through_seq, rules_version, recipients_version
         FROM heads WHERE node_id = $1";
    HEADS = "SELECT node_id, epoch, seq, trimmed_through_seq, rules_version, recipients_version
         FROM heads WHERE node_id = ANY($1)";
    // Bounded in bytes by the server, which need not read a payload to know its length.
    EVENTS_AFTER = concat!("SELECT ", event_columns!(), " FROM
             (SELECT p.*, sum(octet_length(p.payload)) OVER
                     (ORDER BY p.seq ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS bytes_before
              FROM (SELECT * FROM events WHERE node_id = $1 AND seq > $2 ORDER BY seq LIMIT $3) p) e
         WHERE e.bytes_before IS NULL OR e.bytes_before < $4 ORDER BY e.seq");
}

#[async_trait]
impl EventStore for PostgresStore {
    async fn head(&self, node: NodeId) -> Result<Option<Head>, StoreError> {
        let row = self.pool.session().await?.fetch_optional(query(HEAD).bind(node.0)).await?;
        row.map(|row| rows::head(&row)).transpose()
    }

    async fn heads(&self, nodes: &[NodeId]) -> Result<Vec<(NodeId, Head)>, StoreError> {
        let query = query(HEADS).bind(rows::numbers(nodes));
        let rows = self.pool.session().await?.fetch_all(query).await?;
        rows.iter().map(|row| Ok((NodeId(rows::integer(row, "node_id")?), rows::head(row)?))).collect()
    }

    async fn events_after(
        &self,
        node: NodeId,
        after_seq: Seq,
        events_max: u32,
        bytes_max: usize,
    ) -> Result<Vec<Event>, StoreError> {
        let query = query(EVENTS_AFTER)
            .bind(node.0)
            .bind(signed(after_seq))
            .bind(i64::from(events_max))
            .bind(rows::size(bytes_max));
        self.pool.session().await?.fetch_all(query).await?.iter().map(rows::event).collect()
    }
}
