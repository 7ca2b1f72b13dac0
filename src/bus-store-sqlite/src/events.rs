use async_trait::async_trait;
use bus_domain::{Event, NodeId, Payload, Seq};
use bus_store::{EventStore, Head, StoreError};
use futures::{Stream, TryStreamExt as _};
use sqlx::sqlite::SqliteRow;

use crate::SqliteStore;
use crate::error::store_error;
use crate::rows::{self, event_columns, signed};
use crate::statement::{query, statements};

statements! {
    HEAD = "SELECT epoch, seq, trimmed_through_seq, rules_version, recipients_version
         FROM heads WHERE node_id = ?1";
    HEADS = "SELECT node_id, epoch, seq, trimmed_through_seq, rules_version, recipients_version
         FROM heads WHERE node_id IN (SELECT value FROM jsonb_each(?1))";
    EVENTS_AFTER = concat!("SELECT ", event_columns!(), " FROM events e
         WHERE e.node_id = ?1
           AND e.seq > max(?2, (SELECT trimmed_through_seq FROM heads WHERE node_id = ?1))
         ORDER BY e.seq LIMIT ?3");
}

#[async_trait]
impl EventStore for SqliteStore {
    async fn head(&self, node: NodeId) -> Result<Option<Head>, StoreError> {
        query(HEAD)
            .bind(node.0)
            .fetch_optional(&self.readers)
            .await
            .map_err(store_error)?
            .map(|row| rows::head(&row))
            .transpose()
    }

    async fn heads(&self, nodes: &[NodeId]) -> Result<Vec<(NodeId, Head)>, StoreError> {
        let nodes: Vec<i64> = nodes.iter().map(|node| node.0).collect();
        query(HEADS)
            .bind(serde_json::json!(nodes).to_string())
            .fetch_all(&self.readers)
            .await
            .map_err(store_error)?
            .iter()
            .map(|row| Ok((NodeId(rows::integer(row, "node_id")?), rows::head(row)?)))
            .collect()
    }

    async fn events_after(
        &self,
        node: NodeId,
        after_seq: Seq,
        events_max: u32,
        bytes_max: usize,
    ) -> Result<Vec<Event>, StoreError> {
        let query = query(EVENTS_AFTER).bind(node.0).bind(signed(after_seq)).bind(i64::from(events_max));
        let (events, _) = collect_bounded(query.fetch(&self.readers), bytes_max).await?;
        Ok(events)
    }
}

/// Reads events until their payloads reach the bound, and at least one; says whether there are more.
pub(crate) async fn collect_bounded(
    mut stream: impl Stream<Item = Result<SqliteRow, sqlx::Error>> + Unpin,
    bytes_max: usize,
) -> Result<(Vec<Event>, bool), StoreError> {
    let mut events = Vec::new();
    let mut bytes = 0;
    while let Some(row) = stream.try_next().await.map_err(store_error)? {
        if bytes >= bytes_max && !events.is_empty() {
            return Ok((events, true));
        }
        let event = rows::event(&row)?;
        bytes += event.kind.payload().map_or(0, Payload::len_bytes);
        events.push(event);
    }
    Ok((events, false))
}
