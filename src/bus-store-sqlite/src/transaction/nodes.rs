use bus_domain::{Affiliation, BareJid, NodeConfig, NodeId};
use bus_store::{NodeRow, StoreError};
use serde_json::json;

use super::{SqliteTransaction, array, redirects};
use crate::rows;
use crate::statement::{query, statements};

statements! {
    INSERT = "INSERT INTO nodes (name, creator, created_at_ms, config) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT DO NOTHING RETURNING node_id";
    INSERT_HEAD = "INSERT INTO heads (node_id, epoch) VALUES (?1, ?2)";
    PUT_CONFIG = "UPDATE nodes SET config = ?2 WHERE node_id = ?1";
    RETIRE = "UPDATE nodes SET deleted_at_ms = ?2 WHERE node_id = ?1";
    PUT_AFFILIATIONS = "INSERT INTO affiliations (node_id, jid, affiliation)
         SELECT ?1, value ->> 0, value ->> 1 FROM jsonb_each(?2) WHERE true
         ON CONFLICT (node_id, jid) DO UPDATE SET affiliation = excluded.affiliation";
    REMOVE_NO_AFFILIATIONS = "DELETE FROM affiliations WHERE node_id = ?1 AND affiliation = 'none'";
}

pub(super) async fn insert(
    transaction: &mut SqliteTransaction,
    node: &NodeRow,
) -> Result<Option<NodeId>, StoreError> {
    let config = json_of(&node.config)?;
    let insert = query(INSERT)
        .bind(node.name.as_str().to_owned())
        .bind(node.owner.as_str().to_owned())
        .bind(node.created_at_ms)
        .bind(config);
    let rows = transaction.fetch_all(insert).await?;
    let Some(row) = rows.first() else { return Ok(None) };
    let id = NodeId(rows::integer(row, "node_id")?);
    let head = query(INSERT_HEAD).bind(id.0).bind(node.epoch.0.cast_signed());
    transaction.execute(head).await?;
    put_affiliations(transaction, id, &[(node.owner.clone(), Affiliation::Owner)]).await?;
    redirects::forget(transaction, &node.name).await?;
    Ok(Some(id))
}

pub(super) async fn put_config(
    transaction: &mut SqliteTransaction,
    node: NodeId,
    config: &NodeConfig,
) -> Result<(), StoreError> {
    let query = query(PUT_CONFIG).bind(node.0).bind(json_of(config)?);
    transaction.execute(query).await?;
    Ok(())
}

pub(super) async fn retire(
    transaction: &mut SqliteTransaction,
    node: NodeId,
    deleted_at_ms: i64,
) -> Result<(), StoreError> {
    let query = query(RETIRE).bind(node.0).bind(deleted_at_ms);
    transaction.execute(query).await?;
    Ok(())
}

pub(super) async fn put_affiliations(
    transaction: &mut SqliteTransaction,
    node: NodeId,
    entries: &[(BareJid, Affiliation)],
) -> Result<(), StoreError> {
    let all = array(entries.iter().map(|(jid, affiliation)| json!([jid.as_str(), affiliation.as_str()])));
    transaction.execute(query(PUT_AFFILIATIONS).bind(node.0).bind(all)).await?;
    transaction.execute(query(REMOVE_NO_AFFILIATIONS).bind(node.0)).await?;
    Ok(())
}

fn json_of(config: &NodeConfig) -> Result<String, StoreError> {
    serde_json::to_string(config)
        .map_err(|error| StoreError::Inconsistent { table: "nodes", message: error.to_string() })
}
