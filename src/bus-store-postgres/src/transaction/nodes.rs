use bus_domain::{Affiliation, BareJid, NodeConfig, NodeId};
use bus_store::{NodeRow, StoreError};

use super::{PostgresTransaction, redirects};
use crate::rows;
use crate::statement::{query, statements};

statements! {
    INSERT = "INSERT INTO nodes (name, creator, created_at_ms, config) VALUES ($1, $2, $3, $4::text::jsonb)
         ON CONFLICT (name) WHERE deleted_at_ms IS NULL DO NOTHING RETURNING node_id";
    INSERT_HEAD = "INSERT INTO heads (node_id, epoch) VALUES ($1, $2)";
    PUT_CONFIG = "UPDATE nodes SET config = $2::text::jsonb WHERE node_id = $1";
    RETIRE = "UPDATE nodes SET deleted_at_ms = $2 WHERE node_id = $1";
    PUT_AFFILIATIONS = "INSERT INTO affiliations (node_id, jid, affiliation)
         SELECT $1, a.jid, a.affiliation FROM unnest($2::text[], $3::text[]) AS a (jid, affiliation)
         ON CONFLICT (node_id, jid) DO UPDATE SET affiliation = excluded.affiliation";
    REMOVE_NONE = "DELETE FROM affiliations WHERE node_id = $1 AND affiliation = 'none'";
}

pub(super) async fn insert(
    transaction: &mut PostgresTransaction,
    node: &NodeRow,
) -> Result<Option<NodeId>, StoreError> {
    let inserted = query(INSERT)
        .bind(node.name.as_str())
        .bind(node.owner.as_str())
        .bind(node.created_at_ms)
        .bind(json_of(&node.config)?);
    let Some(row) = transaction.fetch_optional(inserted).await? else { return Ok(None) };
    let id = NodeId(rows::integer(&row, "node_id")?);
    transaction.execute(query(INSERT_HEAD).bind(id.0).bind(node.epoch.0.cast_signed())).await?;
    put_affiliations(transaction, id, &[(node.owner.clone(), Affiliation::Owner)]).await?;
    redirects::forget(transaction, &node.name).await?;
    Ok(Some(id))
}

pub(super) async fn put_config(
    transaction: &mut PostgresTransaction,
    node: NodeId,
    config: &NodeConfig,
) -> Result<(), StoreError> {
    transaction.execute(query(PUT_CONFIG).bind(node.0).bind(json_of(config)?)).await.map(drop)
}

pub(super) async fn retire(
    transaction: &mut PostgresTransaction,
    node: NodeId,
    deleted_at_ms: i64,
) -> Result<(), StoreError> {
    transaction.execute(query(RETIRE).bind(node.0).bind(deleted_at_ms)).await.map(drop)
}

pub(super) async fn put_affiliations(
    transaction: &mut PostgresTransaction,
    node: NodeId,
    entries: &[(BareJid, Affiliation)],
) -> Result<(), StoreError> {
    let put = query(PUT_AFFILIATIONS)
        .bind(node.0)
        .bind(entries.iter().map(|(jid, _)| jid.as_str()).collect::<Vec<_>>())
        .bind(entries.iter().map(|(_, affiliation)| affiliation.as_str()).collect::<Vec<_>>());
    transaction.execute(put).await?;
    transaction.execute(query(REMOVE_NONE).bind(node.0)).await.map(drop)
}

fn json_of(config: &NodeConfig) -> Result<String, StoreError> {
    serde_json::to_string(config)
        .map_err(|error| StoreError::Inconsistent { table: "nodes", message: error.to_string() })
}
