use async_trait::async_trait;
use bus_domain::{NodeId, Subscription, SubscriptionId, SubscriptionState};
use bus_store::{Recipient, RecipientPage, StoreError, SubscriptionStore};
use sqlx::Row as _;

use crate::error::store_error;
use crate::statement::{Statement, query, statements};
use crate::{PostgresStore, rows};

statements! {
    SUBSCRIBED = "SELECT subscription_id, jid, state, since_seq, sub_id, options::text, expires_at_ms FROM subscriptions
         WHERE node_id = $1 AND subscription_id > $2 AND state = 'subscribed' ORDER BY subscription_id LIMIT $3";
    // The state is in the text, because only so the index of those who wait is certain to be of use.
    PENDING = "SELECT subscription_id, jid, state, since_seq, sub_id, options::text, expires_at_ms FROM subscriptions
         WHERE node_id = $1 AND subscription_id > $2 AND state = 'pending' ORDER BY subscription_id LIMIT $3";
    COUNT = "SELECT subscription_count FROM heads WHERE node_id = $1";
    COUNT_SUBSCRIBED = "SELECT subscription_count
                - (SELECT count(*) FROM subscriptions s WHERE s.node_id = h.node_id AND s.state = 'pending')
                AS subscription_count
         FROM heads h WHERE h.node_id = $1";
    // One statement, because the page must be of the version. A node without recipients has one row of NULLs.
    RECIPIENTS = "SELECT h.recipients_version, s.subscription_id, s.jid, s.state, s.since_seq, s.sub_id, s.options::text, s.expires_at_ms, a.affiliation
         FROM heads h
         LEFT JOIN LATERAL (SELECT * FROM subscriptions
                            WHERE node_id = h.node_id AND subscription_id > $2 AND parked_at_ms IS NULL
                              AND state = 'subscribed'
                            ORDER BY subscription_id LIMIT $3) s ON true
         LEFT JOIN affiliations a ON a.node_id = h.node_id AND a.jid = s.bare_jid
         WHERE h.node_id = $1 ORDER BY s.subscription_id";
}

#[async_trait]
impl SubscriptionStore for PostgresStore {
    async fn recipients(
        &self,
        node: NodeId,
        after: Option<SubscriptionId>,
        recipients_max: u32,
    ) -> Result<RecipientPage, StoreError> {
        let query =
            query(RECIPIENTS).bind(node.0).bind(after.map_or(0, |id| id.0)).bind(i64::from(recipients_max));
        let found = self.pool.session().await?.fetch_all(query).await?;
        let Some(first) = found.first() else {
            return Ok(RecipientPage { recipients_version: 0, recipients: Vec::new() });
        };
        let recipients_version = rows::unsigned(first, "recipients_version")?;
        let mut recipients = Vec::with_capacity(found.len());
        for row in &found {
            let id: Option<i64> = row.try_get("subscription_id").map_err(store_error)?;
            if id.is_some() {
                recipients.push(Recipient {
                    subscription: rows::subscription(row)?,
                    affiliation: rows::affiliation(row)?,
                });
            }
        }
        Ok(RecipientPage { recipients_version, recipients })
    }

    async fn subscriptions(
        &self,
        node: NodeId,
        state: SubscriptionState,
        after: Option<SubscriptionId>,
        subscriptions_max: u32,
    ) -> Result<Vec<Subscription>, StoreError> {
        let query = query(of_state(state))
            .bind(node.0)
            .bind(after.map_or(0, |id| id.0))
            .bind(i64::from(subscriptions_max));
        self.pool.session().await?.fetch_all(query).await?.iter().map(rows::subscription).collect()
    }

    async fn count_subscriptions(&self, node: NodeId) -> Result<u64, StoreError> {
        self.count(COUNT, node).await
    }

    async fn count_subscribers(&self, node: NodeId) -> Result<u64, StoreError> {
        self.count(COUNT_SUBSCRIBED, node).await
    }
}

impl PostgresStore {
    async fn count(&self, statement: Statement, node: NodeId) -> Result<u64, StoreError> {
        let head = self.pool.session().await?.fetch_optional(query(statement).bind(node.0)).await?;
        head.map_or(Ok(0), |head| rows::unsigned(&head, "subscription_count"))
    }
}

fn of_state(state: SubscriptionState) -> Statement {
    match state {
        SubscriptionState::Subscribed => SUBSCRIBED,
        SubscriptionState::Pending => PENDING,
    }
}
