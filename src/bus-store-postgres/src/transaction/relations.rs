use async_trait::async_trait;
use bus_domain::relation::Subtree;
use bus_domain::{NodeId, NodeName, Relation, RelationKind};
use bus_store::{RelationTransaction, StoreError};
use sqlx::postgres::PgRow;

use super::PostgresTransaction;
use crate::rows;
use crate::statement::{query, statements};

statements! {
    ABOVE = "WITH RECURSIVE above (node_id, step) AS (
             SELECT $1::bigint, 0::bigint
             UNION ALL SELECT r.target_id, above.step + 1
             FROM above JOIN relations r ON r.node_id = above.node_id WHERE above.step < $2)
         SELECT r.kind, t.node_id, t.name
         FROM above JOIN relations r ON r.node_id = above.node_id JOIN nodes t ON t.node_id = r.target_id
         WHERE above.step < $2 ORDER BY above.step";
    SUBTREE = "WITH RECURSIVE below (node_id, level) AS (
             SELECT r.node_id, 1::bigint FROM relations r JOIN nodes n ON n.node_id = r.node_id
             WHERE r.target_id = $1 AND n.deleted_at_ms IS NULL
             UNION ALL SELECT r.node_id, below.level + 1
             FROM below JOIN relations r ON r.target_id = below.node_id
             JOIN nodes n ON n.node_id = r.node_id AND n.deleted_at_ms IS NULL)
         SELECT count(*) AS nodes, coalesce(max(level), 0) AS levels FROM (SELECT level FROM below LIMIT $2) counted";
    AROUND = "WITH RECURSIVE below (node_id) AS (
             SELECT node_id FROM relations WHERE target_id = ANY($1)
             UNION SELECT r.node_id FROM below JOIN relations r ON r.target_id = below.node_id),
         above (node_id) AS (
             SELECT node_id FROM nodes WHERE name = ANY($2) AND deleted_at_ms IS NULL
             UNION SELECT r.target_id FROM above JOIN relations r ON r.node_id = above.node_id)
         SELECT node_id FROM below UNION SELECT node_id FROM above";
    POINT = "INSERT INTO relations (node_id, kind, target_id) VALUES ($1, $2, $3)
         ON CONFLICT (node_id) DO UPDATE SET kind = excluded.kind, target_id = excluded.target_id";
    POINT_NOWHERE = "DELETE FROM relations WHERE node_id = $1";
    MOVE_RULES = "WITH RECURSIVE below (node_id) AS (
             SELECT node_id FROM relations WHERE target_id = ANY($1)
             UNION SELECT r.node_id FROM below JOIN relations r ON r.target_id = below.node_id),
         locked AS MATERIALIZED (
             SELECT node_id FROM heads WHERE node_id IN (SELECT node_id FROM below) ORDER BY node_id FOR UPDATE)
         UPDATE heads h SET rules_version = h.rules_version + 1 FROM locked l JOIN nodes n ON n.node_id = l.node_id
         WHERE h.node_id = l.node_id RETURNING h.node_id, n.name";
}

#[async_trait]
impl RelationTransaction for PostgresTransaction {
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

    async fn heads_around(
        &mut self,
        rules_of: &[NodeId],
        targets: &[NodeName],
    ) -> Result<Vec<NodeId>, StoreError> {
        let targets: Vec<&str> = targets.iter().map(NodeName::as_str).collect();
        let found = self.fetch_all(query(AROUND).bind(rows::numbers(rules_of)).bind(targets)).await?;
        found.iter().map(|row| Ok(NodeId(rows::integer(row, "node_id")?))).collect()
    }

    async fn point(&mut self, node: NodeId, at: Option<(RelationKind, NodeId)>) -> Result<(), StoreError> {
        let Some((kind, target)) = at else {
            return self.execute(query(POINT_NOWHERE).bind(node.0)).await.map(drop);
        };
        self.execute(query(POINT).bind(node.0).bind(kind.as_str()).bind(target.0)).await.map(drop)
    }

    async fn move_rules_below(&mut self, nodes: &[NodeId]) -> Result<Vec<(NodeId, NodeName)>, StoreError> {
        let moved = self.fetch_all(query(MOVE_RULES).bind(rows::numbers(nodes))).await?;
        moved.iter().map(|row| Ok((NodeId(rows::integer(row, "node_id")?), rows::node_name(row)?))).collect()
    }
}

fn relation(row: &PgRow) -> Result<Relation, StoreError> {
    let kind = rows::text(row, "kind")?;
    Ok(Relation {
        kind: kind.parse().map_err(|error| rows::inconsistent("relations", &error))?,
        node: NodeId(rows::integer(row, "node_id")?),
        name: rows::node_name(row)?,
    })
}
