use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The bounds that rules check. Each is configurable under `[limits]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Bytes of one payload as XML. Leaves room for the envelope under the 256 KiB that servers allow a client; above
    /// half of the server's limit for components, one single tag that long could make it close the stream.
    pub payload_bytes_max: usize,
    /// Levels of nesting in one payload.
    pub payload_depth_max: usize,
    /// Items in one publish or retract request.
    pub request_items_max: usize,
    /// Highest `max_items` that a node may have.
    pub node_items_max: u32,
    /// Entries in a node's list of affiliations.
    pub node_affiliations_max: usize,
    /// Subscriptions of one bare JID to one node (its resources count one each).
    pub node_subscriptions_per_jid_max: usize,
    /// Milliseconds for which a subscriber may lease a subscription (`pubsub#expire`); a longer lease is cut to that.
    pub subscription_lease_ms_max: u64,
    /// The longest time between two digests (`pubsub#digest_frequency`), in milliseconds.
    pub subscription_digest_ms_max: u64,
    /// Subscriptions to one node.
    pub node_subscriptions_max: u64,
    /// Children of one collection.
    pub collection_children_max: u32,
    /// Collections above one node, on all levels together: each takes a copy of what is published.
    pub node_collections_max: u32,
    /// Levels of collections, one above the other.
    pub collection_levels_max: u32,
    /// Nodes below the topmost of nodes that are related (XEP-0496), on all levels together: they go with it.
    pub node_relatives_max: u32,
    /// Levels of related nodes, one above the other.
    pub node_relation_levels_max: u32,
    /// Events of one node that may wait for their delivery. Then its publishers wait, or by the node's configuration its
    /// slowest subscribers lose the oldest. Kept softly: what is published before delivery is looked at again comes on
    /// top.
    pub node_undelivered_events_max: u64,
    /// Milliseconds for which notifications to a subscription must have failed, without one delivered in between, before
    /// it is parked.
    pub park_after_ms: u64,
    /// The same where the last error said that there is nobody any more.
    pub park_gone_after_ms: u64,
    /// Deleted nodes of which is known where they have moved; the oldest are forgotten first.
    pub redirects_max: u32,
    /// The same, of nodes that one bare JID had created.
    pub redirects_per_jid_max: u32,
    /// Milliseconds for which a publish with a request id is remembered: a repeat within them is answered as the first one
    /// was.
    pub idempotency_window_ms: u64,
    /// Durable subscriptions of services that one principal may have.
    pub consumers_per_jid_max: u64,
    /// Nodes that one durable subscription may find by its patterns when it is made.
    pub consumer_nodes_max: u32,
    /// Events of one durable subscription that may be leased or wait for another attempt; then nothing more is handed out
    /// until some are settled. Each is a row.
    pub consumer_unsettled_max: u32,
    /// Items or nodes on one page of a listing.
    pub page_items_max: u32,
    /// Bytes of payload on one page of a listing.
    pub page_bytes_max: usize,
}

const DAY_MS: u64 = 24 * 60 * 60 * 1_000;

impl Default for Limits {
    fn default() -> Self {
        Self {
            payload_bytes_max: 200 * 1024,
            payload_depth_max: 32,
            request_items_max: 1_000,
            node_items_max: 1_000_000,
            node_affiliations_max: 10_000,
            node_subscriptions_per_jid_max: 32,
            subscription_lease_ms_max: 366 * DAY_MS,
            subscription_digest_ms_max: DAY_MS,
            node_subscriptions_max: 100_000,
            collection_children_max: 1_000,
            node_collections_max: 16,
            collection_levels_max: 8,
            node_relatives_max: 1_000,
            node_relation_levels_max: 8,
            node_undelivered_events_max: 1_000_000,
            park_after_ms: 7 * DAY_MS,
            park_gone_after_ms: DAY_MS,
            redirects_max: 10_000,
            redirects_per_jid_max: 1_000,
            idempotency_window_ms: 10 * 60 * 1_000,
            consumers_per_jid_max: 1_000,
            consumer_nodes_max: 1_000,
            consumer_unsettled_max: 10_000,
            page_items_max: 100,
            page_bytes_max: 300 * 1024,
        }
    }
}
