use async_trait::async_trait;
use bus_domain::archive::Extent;
use bus_domain::{Event, NodeId, Seq};
use bus_store::{ArchiveHead, ArchiveStore, ArchiveStretch, StoreError};

use crate::PostgresStore;
use crate::rows::{self, event_columns, signed};
use crate::statement::{query, statements};

/// A stretch in one direction, bounded in bytes from where it begins.
macro_rules! stretch {
    ($order:literal) => {
        concat!(
            "SELECT ",
            event_columns!(),
            " FROM (SELECT p.*, sum(octet_length(p.payload)) OVER
                     (ORDER BY p.seq ",
            $order,
            " ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS bytes_before
              FROM (SELECT l.seq, l.kind, l.item_id, l.publisher, l.published_at_ms, l.recipients_version,
                           l.due_after_seq, l.origin,
                           CASE WHEN NOT EXISTS (SELECT 1 FROM retracted_payloads r
                                                 WHERE r.node_id = l.node_id AND r.seq = l.seq)
                                THEN l.payload END AS payload
                    FROM events l
                    WHERE l.node_id = $1 AND l.seq <= $3
                      AND l.seq > greatest($2 - 1, (SELECT trimmed_through_seq FROM heads WHERE node_id = $1))
                   ) p) e
             WHERE e.bytes_before IS NULL OR e.bytes_before < $4 ORDER BY e.seq"
        )
    };
}

statements! {
    HEAD = "SELECT epoch, seq, trimmed_through_seq, purged_through_seq FROM heads WHERE node_id = $1";
    FORWARDS = stretch!("ASC");
    BACKWARDS = stretch!("DESC");
    COMMIT_TIMES = "SELECT seq, published_at_ms FROM events
         WHERE node_id = $1 AND seq = ANY($2)
           AND seq > (SELECT trimmed_through_seq FROM heads WHERE node_id = $1)";
}

#[async_trait]
impl ArchiveStore for PostgresStore {
    async fn archive_head(&self, node: NodeId) -> Result<Option<ArchiveHead>, StoreError> {
        let row = self.pool.session().await?.fetch_optional(query(HEAD).bind(node.0)).await?;
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
        let query = query(if is_from_end { BACKWARDS } else { FORWARDS })
            .bind(node.0)
            .bind(signed(first_seq))
            .bind(signed(last_seq))
            .bind(rows::size(bytes_max));
        self.pool.session().await?.fetch_all(query).await?.iter().map(rows::event).collect()
    }

    async fn commit_times(&self, node: NodeId, seqs: &[Seq]) -> Result<Vec<(Seq, i64)>, StoreError> {
        let seqs: Vec<i64> = seqs.iter().copied().map(signed).collect();
        let rows = self.pool.session().await?.fetch_all(query(COMMIT_TIMES).bind(node.0).bind(seqs)).await?;
        rows.iter()
            .map(|row| Ok((rows::unsigned(row, "seq")?, rows::integer(row, "published_at_ms")?)))
            .collect()
    }
}
