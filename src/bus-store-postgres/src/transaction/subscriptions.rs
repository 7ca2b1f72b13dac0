use bus_domain::subscribe::{Existing, Health};
use bus_domain::{BareJid, NodeId, Subscription, SubscriptionId};
use bus_store::StoreError;
use sqlx::postgres::PgRow;

use super::PostgresTransaction;
use crate::rows;
use crate::statement::{query, statements};

statements! {
    OF_BARE = "SELECT subscription_id, jid, state, since_seq, sub_id, options::text, expires_at_ms, failing_since_ms, failed_seq, parked_at_ms
         FROM subscriptions WHERE node_id = $1 AND bare_jid = $2 ORDER BY subscription_id";
    IN_ALL = "SELECT subscription_count FROM heads WHERE node_id = $1";
    AMONG = "SELECT subscription_id, jid, state, since_seq, sub_id, options::text, expires_at_ms FROM subscriptions
         WHERE node_id = $1 AND bare_jid = ANY($2) ORDER BY subscription_id";
    INSERT = "INSERT INTO subscriptions
                (node_id, subscription_id, jid, bare_jid, state, since_seq, sub_id, options, expires_at_ms)
         SELECT $1, id, jid, bare_jid, state, since_seq, sub_id, options::jsonb, expires_at_ms
         FROM unnest($2::bigint[], $3::text[], $4::text[], $5::text[], $6::bigint[], $7::bigint[], $8::text[], $9::bigint[])
              AS a (id, jid, bare_jid, state, since_seq, sub_id, options, expires_at_ms)";
    REMOVE = "DELETE FROM subscriptions WHERE node_id = $1 AND subscription_id = ANY($2)";
    PARK = "UPDATE subscriptions SET parked_at_ms = $3 WHERE node_id = $1 AND subscription_id = $2";
    CONTINUE = "UPDATE subscriptions
         SET parked_at_ms = NULL, failing_since_ms = NULL, failed_seq = NULL, options = $3::jsonb, expires_at_ms = $4
         WHERE node_id = $1 AND subscription_id = $2";
    END_LAGGING = "DELETE FROM lagging WHERE node_id = $1 AND subscription_id = ANY($2)";
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
        health: of_bare.iter().map(health).collect::<Result<_, _>>()?,
        in_all: in_all.map_or(Ok(0), |row| rows::unsigned(&row, "subscription_count"))?,
    })
}

pub(super) async fn among(
    transaction: &mut PostgresTransaction,
    node: NodeId,
    subscribers: &[BareJid],
) -> Result<Vec<Subscription>, StoreError> {
    let subscribers: Vec<_> = subscribers.iter().map(|jid| jid.as_str()).collect();
    let rows = transaction.fetch_all(query(AMONG).bind(node.0).bind(subscribers)).await?;
    rows.iter().map(rows::subscription).collect()
}

pub(super) async fn insert(
    transaction: &mut PostgresTransaction,
    node: NodeId,
    subscriptions: &[Subscription],
) -> Result<(), StoreError> {
    let of_all = |value: fn(&Subscription) -> String| subscriptions.iter().map(value).collect::<Vec<_>>();
    let query = query(INSERT)
        .bind(node.0)
        .bind(subscriptions.iter().map(|it| it.id.0).collect::<Vec<_>>())
        .bind(of_all(|it| it.jid.to_string()))
        .bind(of_all(|it| it.jid.to_bare().to_string()))
        .bind(of_all(|it| it.state.as_str().to_owned()))
        .bind(subscriptions.iter().map(|it| rows::signed(it.since_seq)).collect::<Vec<_>>())
        .bind(subscriptions.iter().map(|it| it.sub_id.map(|id| id.0)).collect::<Vec<_>>())
        .bind(of_all(|it| rows::stored_options(&it.options)))
        .bind(subscriptions.iter().map(|it| it.options.expires_at_ms).collect::<Vec<_>>());
    transaction.execute(query).await.map(drop)
}

pub(super) async fn remove(
    transaction: &mut PostgresTransaction,
    node: NodeId,
    subscriptions: &[SubscriptionId],
) -> Result<(), StoreError> {
    let ids: Vec<_> = subscriptions.iter().map(|id| id.0).collect();
    for statement in [REMOVE, END_LAGGING] {
        transaction.execute(query(statement).bind(node.0).bind(&ids)).await?;
    }
    Ok(())
}

pub(super) async fn park(
    transaction: &mut PostgresTransaction,
    node: NodeId,
    subscription: SubscriptionId,
    parked_at_ms: i64,
) -> Result<(), StoreError> {
    transaction.execute(query(PARK).bind(node.0).bind(subscription.0).bind(parked_at_ms)).await?;
    transaction.execute(query(END_LAGGING).bind(node.0).bind(vec![subscription.0])).await.map(drop)
}

pub(super) async fn carry_on(
    transaction: &mut PostgresTransaction,
    node: NodeId,
    subscription: &Subscription,
) -> Result<(), StoreError> {
    let Subscription { id, options, .. } = subscription;
    let query = query(CONTINUE).bind(node.0).bind(id.0).bind(rows::stored_options(options));
    transaction.execute(query.bind(options.expires_at_ms)).await.map(drop)
}

fn health(row: &PgRow) -> Result<(SubscriptionId, Health), StoreError> {
    let health = Health { failures: rows::failures(row)?, is_parked: rows::is_parked(row)? };
    Ok((SubscriptionId(rows::integer(row, "subscription_id")?), health))
}
