use bus_domain::subscribe::Existing;
use bus_domain::{BareJid, NodeId, Subscription, SubscriptionId};
use bus_store::StoreError;

use super::PostgresTransaction;
use crate::rows;
use crate::statement::{query, statements};

statements! {
    OF_BARE = "SELECT subscription_id, jid, state, since_seq FROM subscriptions
         WHERE node_id = $1 AND bare_jid = $2 ORDER BY subscription_id";
    IN_ALL = "SELECT subscription_count FROM heads WHERE node_id = $1";
    INSERT = "INSERT INTO subscriptions (node_id, subscription_id, jid, bare_jid, state, since_seq)
         VALUES ($1, $2, $3, $4, $5, $6)";
    REMOVE = "DELETE FROM subscriptions WHERE node_id = $1 AND subscription_id = $2";
}

pub(super) async fn existing(
    transaction: &mut PostgresTransaction,
    node: NodeId,
    subscriber: &BareJid,
) -> Result<Existing, StoreError> {
    let of_bare = transaction.fetch_all(query(OF_BARE).bind(node.0).bind(subscriber.as_str())).await?;
    let in_all = transaction.fetch_optional(query(IN_ALL).bind(node.0)).await?;
    Ok(Existing {
        of_bare: of_bare.iter().map(rows::subscription).collect::<Result<_, _>>()?,
        in_all: in_all.map_or(Ok(0), |row| rows::unsigned(&row, "subscription_count"))?,
    })
}

pub(super) async fn insert(
    transaction: &mut PostgresTransaction,
    node: NodeId,
    subscription: &Subscription,
) -> Result<(), StoreError> {
    let bare = subscription.jid.to_bare();
    let query = query(INSERT)
        .bind(node.0)
        .bind(subscription.id.0)
        .bind(subscription.jid.as_str())
        .bind(bare.as_str())
        .bind(subscription.state.as_str())
        .bind(rows::signed(subscription.since_seq));
    transaction.execute(query).await.map(drop)
}

pub(super) async fn remove(
    transaction: &mut PostgresTransaction,
    node: NodeId,
    subscription: SubscriptionId,
) -> Result<(), StoreError> {
    transaction.execute(query(REMOVE).bind(node.0).bind(subscription.0)).await.map(drop)
}
