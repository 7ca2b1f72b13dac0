use async_trait::async_trait;
use bus_domain::relation::Subtree;
use bus_domain::{NodeId, NodeName, Relation, RelationKind};
use bus_store::{RelationTransaction, StoreError};
use serde_json::json;
use sqlx::sqlite::SqliteRow;

use super::{SqliteTransaction, array};
use crate::rows;
use crate::statement::{query, statements};

statements! {
    ABOVE = "WITH RECURSIVE above (node_id, step) AS (
             SELECT ?1, 0
             UNION ALL SELECT r.target_id, above.step + 1
             FROM above JOIN relations r ON r.node_id = above.node_id WHERE above.step < ?2)
         SELECT r.kind, t.node_id, t.name
         FROM above JOIN relations r ON r.node_id = above.node_id JOIN nodes t ON t.node_id = r.target_id
         WHERE above.step < ?2 ORDER BY above.step";
    SUBTREE = "WITH RECURSIVE below (node_id, level) AS (
             SELECT r.node_id, 1 FROM relations r JOIN nodes n ON n.node_id = r.node_id
             WHERE r.target_id = ?1 AND n.deleted_at_ms IS NULL
             UNION ALL SELECT r.node_id, below.level + 1
             FROM below JOIN relations r ON r.target_id = below.node_id
             JOIN nodes n ON n.node_id = r.node_id AND n.deleted_at_ms IS NULL LIMIT ?2)
         SELECT count(*) AS nodes, coalesce(max(level), 0) AS levels FROM below";
    POINT = "INSERT INTO relations (node_id, kind, target_id) VALUES (?1, ?2, ?3)
         ON CONFLICT (node_id) DO UPDATE SET kind = excluded.kind, target_id = excluded.target_id";
    POINT_NOWHERE = "DELETE FROM relations WHERE node_id = ?1";
    MOVE_RULES = "WITH RECURSIVE below (node_id) AS (
             SELECT node_id FROM relations WHERE target_id IN (SELECT value FROM jsonb_each(?1))
             UNION SELECT r.node_id FROM below JOIN relations r ON r.target_id = below.node_id)
         UPDATE heads SET rules_version = rules_version + 1 WHERE node_id IN (SELECT node_id FROM below)
         RETURNING node_id, (SELECT n.name FROM nodes n WHERE n.node_id = heads.node_id) AS name";
}

#[async_trait]
impl RelationTransaction for SqliteTransaction {
    async fn relations_above(
        &mut self,
        node: NodeId,
        relations_max: u32,
    ) -> Result<Vec<Relation>, StoreError> {
        let query = query(ABOVE).bind(node.0).bind(i64::from(relations_max));
        self.fetch_all(query).await?.iter().map(relation).collect()
    }

    async fn subtree(&mut self, node: NodeId, nodes_max: u32) -> Result<Subtree, StoreError> {
        let found = self.fetch_all(query(SUBTREE).bind(node.0).bind(i64::from(nodes_max))).await?;
        let Some(row) = found.first() else { return Ok(Subtree::default()) };
        Ok(Subtree { nodes: rows::count(row, "nodes")?, levels: rows::count(row, "levels")? })
    }

    /// `BEGIN IMMEDIATE` has locked the whole file.
    async fn heads_around(&mut self, _: &[NodeId], _: &[NodeName]) -> Result<Vec<NodeId>, StoreError> {
        Ok(Vec::new())
    }

    async fn point(&mut self, node: NodeId, at: Option<(RelationKind, NodeId)>) -> Result<(), StoreError> {
        let query = match at {
            Some((kind, target)) => query(POINT).bind(node.0).bind(kind.as_str()).bind(target.0),
            None => query(POINT_NOWHERE).bind(node.0),
        };
        self.execute(query).await.map(drop)
    }

    async fn move_rules_below(&mut self, nodes: &[NodeId]) -> Result<Vec<(NodeId, NodeName)>, StoreError> {
        let query = query(MOVE_RULES).bind(array(nodes.iter().map(|node| json!(node.0))));
        let moved = self.fetch_all(query).await?;
        moved.iter().map(|row| Ok((NodeId(rows::integer(row, "node_id")?), rows::node_name(row)?))).collect()
    }
}

fn relation(row: &SqliteRow) -> Result<Relation, StoreError> {
    let kind = rows::text(row, "kind")?;
    Ok(Relation {
        kind: kind.parse().map_err(|error| rows::inconsistent("relations", &error))?,
        node: NodeId(rows::integer(row, "node_id")?),
        name: rows::node_name(row)?,
    })
}
