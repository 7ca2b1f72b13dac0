use async_trait::async_trait;
use bus_domain::{Affiliation, NodeId, Subscription, SubscriptionId, SubscriptionState};

use crate::StoreError;

/// Reading subscriptions.
#[async_trait]
pub trait SubscriptionStore {
    /// A page of the node's recipients in the order of their ids, behind `after`; those that are parked
    /// or wait for approval are left out. A snapshot
    /// that is put together from pages is as new as its oldest page.
    async fn recipients(
        &self,
        node: NodeId,
        after: Option<SubscriptionId>,
        recipients_max: u32,
    ) -> Result<RecipientPage, StoreError>;

    /// A page of the node's subscriptions of this state in the order of their ids, behind `after`; parked ones too.
    async fn subscriptions(
        &self,
        node: NodeId,
        state: SubscriptionState,
        after: Option<SubscriptionId>,
        subscriptions_max: u32,
    ) -> Result<Vec<Subscription>, StoreError>;

    /// Subscriptions to the node, parked ones and those that wait for approval too; 0 for a node that is gone.
    async fn count_subscriptions(&self, node: NodeId) -> Result<u64, StoreError>;

    /// The same without those that wait for approval.
    async fn count_subscribers(&self, node: NodeId) -> Result<u64, StoreError>;
}

/// Somebody to whom a node's events may be due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recipient {
    /// The wish.
    pub subscription: Subscription,
    /// The subscriber's standing: whether it may receive is asked at delivery.
    pub affiliation: Affiliation,
}

/// A page of recipients.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecipientPage {
    /// The version at which the page was read.
    pub recipients_version: u64,
    /// In the order of their ids; fewer than asked for means that the page is the last.
    pub recipients: Vec<Recipient>,
}
