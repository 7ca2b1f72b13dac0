use bus_domain::subscribe::{Existing, Health};
use bus_domain::{BareJid, NodeId, Subscription, SubscriptionId};
use bus_store::StoreError;

use sqlx::sqlite::SqliteRow;

use super::SqliteTransaction;
use crate::rows;
use crate::statement::{query, statements};

statements! {
    OF_BARE_JID = "SELECT subscription_id, jid, state, since_seq, failing_since_ms, failed_seq, parked_at_ms
         FROM subscriptions WHERE node_id = ?1 AND bare_jid = ?2 ORDER BY subscription_id";
    COUNT = "SELECT subscription_count FROM heads WHERE node_id = ?1";
    INSERT = "INSERT INTO subscriptions (node_id, subscription_id, jid, bare_jid, state, since_seq)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    REMOVE = "DELETE FROM subscriptions WHERE node_id = ?1 AND subscription_id = ?2";
    PARK = "UPDATE subscriptions SET parked_at_ms = ?3 WHERE node_id = ?1 AND subscription_id = ?2";
    REVIVE = "UPDATE subscriptions SET parked_at_ms = NULL, failing_since_ms = NULL, failed_seq = NULL
         WHERE node_id = ?1 AND subscription_id = ?2";
    END_LAGGING = "DELETE FROM lagging WHERE node_id = ?1 AND subscription_id = ?2";
}

pub(super) async fn existing(
    transaction: &mut SqliteTransaction,
    node: NodeId,
    subscriber: &BareJid,
) -> Result<Existing, StoreError> {
    let of_bare = query(OF_BARE_JID).bind(node.0).bind(subscriber.as_str().to_owned());
    let of_bare = transaction.fetch_all(of_bare).await?;
    let in_all = transaction.fetch_all(query(COUNT).bind(node.0)).await?;
    Ok(Existing {
        of_bare: of_bare.iter().map(rows::subscription).collect::<Result<_, _>>()?,
        health: of_bare.iter().map(health).collect::<Result<_, _>>()?,
        in_all: in_all.first().map_or(Ok(0), |row| rows::unsigned(row, "subscription_count"))?,
    })
}

pub(super) async fn insert(
    transaction: &mut SqliteTransaction,
    node: NodeId,
    subscription: &Subscription,
) -> Result<(), StoreError> {
    let query = query(INSERT)
        .bind(node.0)
        .bind(subscription.id.0)
        .bind(subscription.jid.as_str().to_owned())
        .bind(subscription.jid.to_bare().as_str().to_owned())
        .bind(subscription.state.as_str())
        .bind(rows::signed(subscription.since_seq));
    transaction.execute(query).await?;
    Ok(())
}

pub(super) async fn remove(
    transaction: &mut SqliteTransaction,
    node: NodeId,
    subscription: SubscriptionId,
) -> Result<(), StoreError> {
    let query = query(REMOVE).bind(node.0).bind(subscription.0);
    transaction.execute(query).await?;
    end_lagging(transaction, node, subscription).await
}

pub(super) async fn park(
    transaction: &mut SqliteTransaction,
    node: NodeId,
    subscription: SubscriptionId,
    parked_at_ms: i64,
) -> Result<(), StoreError> {
    let query = query(PARK).bind(node.0).bind(subscription.0).bind(parked_at_ms);
    transaction.execute(query).await?;
    end_lagging(transaction, node, subscription).await
}

pub(super) async fn revive(
    transaction: &mut SqliteTransaction,
    node: NodeId,
    subscription: SubscriptionId,
) -> Result<(), StoreError> {
    let query = query(REVIVE).bind(node.0).bind(subscription.0);
    transaction.execute(query).await?;
    Ok(())
}

async fn end_lagging(
    transaction: &mut SqliteTransaction,
    node: NodeId,
    subscription: SubscriptionId,
) -> Result<(), StoreError> {
    let query = query(END_LAGGING).bind(node.0).bind(subscription.0);
    transaction.execute(query).await?;
    Ok(())
}

fn health(row: &SqliteRow) -> Result<(SubscriptionId, Health), StoreError> {
    let health = Health { failures: rows::failures(row)?, is_parked: rows::is_parked(row)? };
    Ok((SubscriptionId(rows::integer(row, "subscription_id")?), health))
}
