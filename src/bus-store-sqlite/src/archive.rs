use async_trait::async_trait;
use bus_domain::archive::Extent;
use bus_domain::{Event, NodeId, Seq};
use bus_store::{ArchiveHead, ArchiveStore, ArchiveStretch, StoreError};

use crate::SqliteStore;
use crate::error::store_error;
use crate::events::collect_bounded;
use crate::rows::{self, signed};
use crate::statement::{query, statements};

/// A stretch in one direction.
macro_rules! stretch {
    ($order:literal) => {
        concat!(
            "SELECT e.seq, e.kind, e.item_id, e.publisher, e.published_at_ms, e.recipients_version, e.due_after_seq, e.origin,
                    CASE WHEN NOT EXISTS (SELECT 1 FROM retracted_payloads r
                                          WHERE r.node_id = e.node_id AND r.seq = e.seq)
                         THEN e.payload END AS payload
             FROM events e
             WHERE e.node_id = ?1 AND e.seq <= ?3
               AND e.seq >= max(?2, (SELECT trimmed_through_seq FROM heads WHERE node_id = ?1) + 1)
             ORDER BY e.seq ",
            $order
        )
    };
}

statements! {
    HEAD = "SELECT epoch, seq, trimmed_through_seq, purged_through_seq FROM heads WHERE node_id = ?1";
    pub(crate) FORWARDS = stretch!("ASC");
    BACKWARDS = stretch!("DESC");
    COMMIT_TIMES = "SELECT seq, published_at_ms FROM events
         WHERE node_id = ?1 AND seq IN (SELECT value FROM jsonb_each(?2))
           AND seq > (SELECT trimmed_through_seq FROM heads WHERE node_id = ?1)";
}

#[async_trait]
impl ArchiveStore for SqliteStore {
    async fn archive_head(&self, node: NodeId) -> Result<Option<ArchiveHead>, StoreError> {
        let row = query(HEAD).bind(node.0).fetch_optional(&self.readers).await.map_err(store_error)?;
        let Some(row) = row else { return Ok(None) };
        let extent = Extent::of_log(
            rows::unsigned(&row, "seq")?,
            rows::unsigned(&row, "trimmed_through_seq")?,
            rows::unsigned(&row, "purged_through_seq")?,
        );
        Ok(Some(ArchiveHead { epoch: rows::epoch(&row)?, extent }))
    }

    async fn archived(
        &self,
        node: NodeId,
        stretch: ArchiveStretch,
        bytes_max: usize,
    ) -> Result<Vec<Event>, StoreError> {
        let ArchiveStretch { first_seq, last_seq, is_from_end } = stretch;
        let statement = if is_from_end { BACKWARDS } else { FORWARDS };
        let query = query(statement).bind(node.0).bind(signed(first_seq)).bind(signed(last_seq));
        let (mut events, _) = collect_bounded(query.fetch(&self.readers), bytes_max).await?;
        if is_from_end {
            events.reverse();
        }
        Ok(events)
    }

    async fn commit_times(&self, node: NodeId, seqs: &[Seq]) -> Result<Vec<(Seq, i64)>, StoreError> {
        query(COMMIT_TIMES)
            .bind(node.0)
            .bind(serde_json::json!(seqs).to_string())
            .fetch_all(&self.readers)
            .await
            .map_err(store_error)?
            .iter()
            .map(|row| Ok((rows::unsigned(row, "seq")?, rows::integer(row, "published_at_ms")?)))
            .collect()
    }
}
