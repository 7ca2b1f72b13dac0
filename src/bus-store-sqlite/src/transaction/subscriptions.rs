use bus_domain::subscribe::{Existing, Health};
use bus_domain::{BareJid, NodeId, Subscription, SubscriptionId};
use bus_store::StoreError;
use serde_json::json;
use sqlx::sqlite::SqliteRow;

use super::{SqliteTransaction, array};
use crate::rows;
use crate::statement::{query, statements};

statements! {
    // Unless it is told, SQLite reads all of the node in the order of the table's own key, to save itself a sort.
    pub(super) OF_BARE_JID = "SELECT subscription_id, jid, state, since_seq, sub_id, options, expires_at_ms, failing_since_ms, failed_seq, parked_at_ms
         FROM subscriptions INDEXED BY subscriptions_by_subscriber
         WHERE node_id = ?1 AND bare_jid = ?2 ORDER BY subscription_id";
    COUNT = "SELECT subscription_count FROM heads WHERE node_id = ?1";
    pub(super) AMONG = "SELECT subscription_id, jid, state, since_seq, sub_id, options, expires_at_ms
         FROM subscriptions INDEXED BY subscriptions_by_subscriber
         WHERE node_id = ?1 AND bare_jid IN (SELECT value FROM jsonb_each(?2)) ORDER BY subscription_id";
    INSERT = "INSERT INTO subscriptions
                (node_id, subscription_id, jid, bare_jid, state, since_seq, sub_id, options, expires_at_ms)
         SELECT ?1, value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6,
                value ->> 7
         FROM jsonb_each(?2)";
    REMOVE = "DELETE FROM subscriptions
         WHERE node_id = ?1 AND subscription_id IN (SELECT value FROM jsonb_each(?2))";
    PARK = "UPDATE subscriptions SET parked_at_ms = ?3 WHERE node_id = ?1 AND subscription_id = ?2";
    CONTINUE = "UPDATE subscriptions
         SET parked_at_ms = NULL, failing_since_ms = NULL, failed_seq = NULL, options = ?3, expires_at_ms = ?4
         WHERE node_id = ?1 AND subscription_id = ?2";
    END_LAGGING = "DELETE FROM lagging
         WHERE node_id = ?1 AND subscription_id IN (SELECT value FROM jsonb_each(?2))";
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

pub(super) async fn among(
    transaction: &mut SqliteTransaction,
    node: NodeId,
    subscribers: &[BareJid],
) -> Result<Vec<Subscription>, StoreError> {
    let query = query(AMONG).bind(node.0).bind(array(subscribers.iter().map(|jid| json!(jid.as_str()))));
    transaction.fetch_all(query).await?.iter().map(rows::subscription).collect()
}

pub(super) async fn insert(
    transaction: &mut SqliteTransaction,
    node: NodeId,
    subscriptions: &[Subscription],
) -> Result<(), StoreError> {
    let values = subscriptions.iter().map(|it| {
        let Subscription { id, jid, state, since_seq, sub_id, options } = it;
        let (sub_id, stored) = (sub_id.map(|id| id.0), rows::stored_options(options));
        let bare_jid = jid.to_bare();
        json!([
            id.0,
            jid.as_str(),
            bare_jid.as_str(),
            state.as_str(),
            since_seq,
            sub_id,
            stored,
            options.expires_at_ms
        ])
    });
    transaction.execute(query(INSERT).bind(node.0).bind(array(values))).await?;
    Ok(())
}

pub(super) async fn remove(
    transaction: &mut SqliteTransaction,
    node: NodeId,
    subscriptions: &[SubscriptionId],
) -> Result<(), StoreError> {
    let ids = array(subscriptions.iter().map(|id| json!(id.0)));
    for statement in [REMOVE, END_LAGGING] {
        transaction.execute(query(statement).bind(node.0).bind(ids.clone())).await?;
    }
    Ok(())
}

pub(super) async fn park(
    transaction: &mut SqliteTransaction,
    node: NodeId,
    subscription: SubscriptionId,
    parked_at_ms: i64,
) -> Result<(), StoreError> {
    let park = query(PARK).bind(node.0).bind(subscription.0).bind(parked_at_ms);
    transaction.execute(park).await?;
    let end = query(END_LAGGING).bind(node.0).bind(array([json!(subscription.0)].into_iter()));
    transaction.execute(end).await?;
    Ok(())
}

pub(super) async fn carry_on(
    transaction: &mut SqliteTransaction,
    node: NodeId,
    subscription: &Subscription,
) -> Result<(), StoreError> {
    let Subscription { id, options, .. } = subscription;
    let stored = rows::stored_options(options);
    transaction
        .execute(query(CONTINUE).bind(node.0).bind(id.0).bind(stored).bind(options.expires_at_ms))
        .await?;
    Ok(())
}

fn health(row: &SqliteRow) -> Result<(SubscriptionId, Health), StoreError> {
    let health = Health { failures: rows::failures(row)?, is_parked: rows::is_parked(row)? };
    Ok((SubscriptionId(rows::integer(row, "subscription_id")?), health))
}
