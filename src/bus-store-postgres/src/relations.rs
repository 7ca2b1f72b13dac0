use async_trait::async_trait;
use bus_domain::relation::Orphan;
use bus_domain::{Jid, NodeId};
use bus_store::{RelationStore, StoreError};
use sqlx::postgres::PgRow;

use crate::statement::{query, statements};
use crate::{PostgresStore, rows};

statements! {
    ORPHANS = "SELECT n.node_id, n.name,
                coalesce((SELECT e.publisher FROM heads h JOIN events e ON e.node_id = h.node_id AND e.seq = h.seq
                          WHERE h.node_id = t.node_id), n.creator) AS deleted_by
         FROM relations r LEFT JOIN nodes t ON t.node_id = r.target_id
         JOIN nodes n ON n.node_id = r.node_id AND n.deleted_at_ms IS NULL
         WHERE (t.node_id IS NULL OR t.deleted_at_ms IS NOT NULL) AND r.node_id > $1 ORDER BY r.node_id LIMIT $2";
}

#[async_trait]
impl RelationStore for PostgresStore {
    async fn orphans(&self, after: Option<NodeId>, nodes_max: u32) -> Result<Vec<Orphan>, StoreError> {
        let query = query(ORPHANS).bind(after.map_or(0, |node| node.0)).bind(i64::from(nodes_max.max(1)));
        self.pool.session().await?.fetch_all(query).await?.iter().map(orphan).collect()
    }
}

fn orphan(row: &PgRow) -> Result<Orphan, StoreError> {
    let deleted_by = rows::text(row, "deleted_by")?;
    Ok(Orphan {
        id: NodeId(rows::integer(row, "node_id")?),
        name: rows::node_name(row)?,
        deleted_by: Jid::new(&deleted_by).map_err(|error| rows::inconsistent("relations", &error))?,
    })
}
