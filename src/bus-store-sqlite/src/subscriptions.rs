use async_trait::async_trait;
use bus_domain::{NodeId, Subscription, SubscriptionId, SubscriptionState};
use bus_store::{Recipient, RecipientPage, StoreError, SubscriptionStore};
use sqlx::Row as _;

use crate::error::store_error;
use crate::statement::{Statement, query, statements};
use crate::{SqliteStore, rows};

statements! {
    SUBSCRIBED = "SELECT subscription_id, jid, state, since_seq, sub_id, options, expires_at_ms FROM subscriptions
         WHERE node_id = ?1 AND subscription_id > ?2 AND state = 'subscribed' ORDER BY subscription_id LIMIT ?3";
    // Those who are subscribed may be very many more than those who wait. The state is in the text, because only so the
    // index is of use; and SQLite takes a table's own key before it unless it is told.
    pub(crate) PENDING = "SELECT subscription_id, jid, state, since_seq, sub_id, options, expires_at_ms
         FROM subscriptions INDEXED BY subscriptions_pending
         WHERE node_id = ?1 AND subscription_id > ?2 AND state = 'pending' ORDER BY subscription_id LIMIT ?3";
    COUNT = "SELECT subscription_count FROM heads WHERE node_id = ?1";
    pub(crate) COUNT_SUBSCRIBED = "SELECT subscription_count
                - (SELECT count(*) FROM subscriptions s INDEXED BY subscriptions_pending WHERE s.node_id = h.node_id AND s.state = 'pending')
                AS subscription_count
         FROM heads h WHERE h.node_id = ?1";
    VERSION = "SELECT recipients_version FROM heads WHERE node_id = ?1";
    RECIPIENTS = "SELECT s.subscription_id, s.jid, s.state, s.since_seq, s.sub_id, s.options, s.expires_at_ms, a.affiliation
         FROM subscriptions s LEFT JOIN affiliations a ON a.node_id = s.node_id AND a.jid = s.bare_jid
         WHERE s.node_id = ?1 AND s.subscription_id > ?2 AND s.parked_at_ms IS NULL AND s.state = 'subscribed'
         ORDER BY s.subscription_id LIMIT ?3";
}

#[async_trait]
impl SubscriptionStore for SqliteStore {
    async fn recipients(
        &self,
        node: NodeId,
        after: Option<SubscriptionId>,
        recipients_max: u32,
    ) -> Result<RecipientPage, StoreError> {
        // One read transaction: the page must be of the version.
        let mut reader = self.readers.begin().await.map_err(store_error)?;
        let version = query(VERSION).bind(node.0).fetch_optional(&mut *reader).await.map_err(store_error)?;
        let Some(version) = version else {
            return Ok(RecipientPage { recipients_version: 0, recipients: Vec::new() });
        };
        let recipients = query(RECIPIENTS)
            .bind(node.0)
            .bind(after.map_or(0, |id| id.0))
            .bind(i64::from(recipients_max))
            .fetch_all(&mut *reader)
            .await
            .map_err(store_error)?
            .iter()
            .map(|row| {
                Ok(Recipient { subscription: rows::subscription(row)?, affiliation: rows::affiliation(row)? })
            })
            .collect::<Result<_, StoreError>>()?;
        let version: i64 = version.try_get(0).map_err(store_error)?;
        Ok(RecipientPage { recipients_version: version.cast_unsigned(), recipients })
    }

    async fn subscriptions(
        &self,
        node: NodeId,
        state: SubscriptionState,
        after: Option<SubscriptionId>,
        subscriptions_max: u32,
    ) -> Result<Vec<Subscription>, StoreError> {
        let rows = query(of_state(state))
            .bind(node.0)
            .bind(after.map_or(0, |id| id.0))
            .bind(i64::from(subscriptions_max))
            .fetch_all(&self.readers)
            .await
            .map_err(store_error)?;
        rows.iter().map(rows::subscription).collect()
    }

    async fn count_subscriptions(&self, node: NodeId) -> Result<u64, StoreError> {
        self.count(COUNT, node).await
    }

    async fn count_subscribers(&self, node: NodeId) -> Result<u64, StoreError> {
        self.count(COUNT_SUBSCRIBED, node).await
    }
}

impl SqliteStore {
    async fn count(&self, statement: Statement, node: NodeId) -> Result<u64, StoreError> {
        let head = query(statement).bind(node.0).fetch_optional(&self.readers).await.map_err(store_error)?;
        head.map_or(Ok(0), |head| rows::unsigned(&head, "subscription_count"))
    }
}

fn of_state(state: SubscriptionState) -> Statement {
    match state {
        SubscriptionState::Subscribed => SUBSCRIBED,
        SubscriptionState::Pending => PENDING,
    }
}
