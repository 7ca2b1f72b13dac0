use std::path::Path;

use bridge_grpc::v1;
use serde::Serialize;

use crate::client::{connect_grpc, output};
use crate::failure::Failure;

/// A node as one line.
#[derive(Serialize)]
struct NodeLine {
    node: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    epoch: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    head_seq: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    creator: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    created_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    affiliation: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    title: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    node_type: &'static str,
    access_model: &'static str,
    publish_model: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    allow_subscriptions: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    multi_subscribe: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    items_max: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    payload_bytes_max: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    deliver_notifications: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    deliver_payloads: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    notify_config: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    notify_delete: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    notify_retract: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    notify_sub: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    send_last_item: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    send_last_item_on_presence: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    temporary_subscriptions: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    purge_when_publisher_goes: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expose_publisher: Option<bool>,
    when_items_full: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    roster_groups: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    presence_based_delivery: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    processing_hint: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    persist_items: Option<bool>,
    durability: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    item_expire_seconds: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    history_events_max: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    history_bytes_max: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    history_age_seconds_max: Option<u64>,
    when_undelivered_full: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    collections: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    children: Vec<String>,
    #[serde(skip_serializing_if = "String::is_empty")]
    link: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    parent: String,
}

/// `stanzabus node show`
pub(super) async fn show(config: &Path, node: &str) -> Result<(), Failure> {
    let node = connect_grpc(config).await?.show(node).await?;
    let affiliation = affiliation_name(node.affiliation());
    let node_config = node.config.unwrap_or_default();
    let placement = node.placement.unwrap_or_default();
    output::print_json(&NodeLine {
        collections: placement.collections.unwrap_or_default().names,
        children: placement.children.unwrap_or_default().names,
        link: placement.link.unwrap_or_default(),
        parent: placement.parent.unwrap_or_default(),
        epoch: Some(output::epoch_text(node.epoch)),
        head_seq: Some(node.head_seq),
        creator: Some(node.creator),
        created_at: node.create_time.map(|time| time.to_string()),
        affiliation: Some(affiliation),
        ..NodeLine::of_config(node.name, &node_config)
    })
}

/// Prints how a node behaves.
pub(super) fn print_config(node: String, config: &v1::NodeConfig) -> Result<(), Failure> {
    output::print_json(&NodeLine::of_config(node, config))
}

/// `stanzabus node list`
pub(super) async fn list(config: &Path) -> Result<(), Failure> {
    let client = connect_grpc(config).await?;
    let mut page_token = String::new();
    loop {
        let page = client.list(page_token).await?;
        for node in page.nodes {
            output::print_json(&NodeLine::of_config(node.name, &node.config.unwrap_or_default()))?;
        }
        page_token = page.next_page_token;
        if page_token.is_empty() {
            return Ok(());
        }
    }
}

/// The name that XEP-0060 gives it.
pub(super) fn affiliation_name(affiliation: v1::Affiliation) -> &'static str {
    match affiliation {
        v1::Affiliation::Owner => "owner",
        v1::Affiliation::Publisher => "publisher",
        v1::Affiliation::PublishOnly => "publish-only",
        v1::Affiliation::Member => "member",
        v1::Affiliation::Outcast => "outcast",
        v1::Affiliation::None | v1::Affiliation::Unspecified => "none",
    }
}

/// The name as on the command line.
pub(in crate::commands) fn durability_name(durability: v1::Durability) -> &'static str {
    match durability {
        v1::Durability::Fsync => "fsync",
        v1::Durability::Relaxed => "relaxed",
        v1::Durability::Memory => "memory",
        v1::Durability::Unspecified => "unknown",
    }
}

impl NodeLine {
    fn of_config(node: String, config: &v1::NodeConfig) -> Self {
        Self {
            node,
            epoch: None,
            head_seq: None,
            creator: None,
            created_at: None,
            affiliation: None,
            title: config.title.clone().filter(|text| !text.is_empty()),
            description: config.description.clone().filter(|text| !text.is_empty()),
            node_type: match config.node_type() {
                v1::NodeType::Collection => "collection",
                v1::NodeType::Leaf | v1::NodeType::Unspecified => "leaf",
            },
            access_model: match config.access_model() {
                v1::AccessModel::Authorize => "authorize",
                v1::AccessModel::Whitelist => "whitelist",
                v1::AccessModel::Presence => "presence",
                v1::AccessModel::Roster => "roster",
                v1::AccessModel::Open | v1::AccessModel::Unspecified => "open",
            },
            publish_model: match config.publish_model() {
                v1::PublishModel::Open => "open",
                v1::PublishModel::Subscribers => "subscribers",
                v1::PublishModel::Publishers | v1::PublishModel::Unspecified => "publishers",
            },
            allow_subscriptions: config.allow_subscriptions,
            multi_subscribe: config.multi_subscribe,
            items_max: config.items_max,
            payload_bytes_max: config.payload_bytes_max,
            deliver_notifications: config.deliver_notifications,
            deliver_payloads: config.deliver_payloads,
            notify_config: config.notify_config,
            notify_delete: config.notify_delete,
            notify_retract: config.notify_retract,
            notify_sub: config.notify_sub,
            send_last_item: config.send_last_item,
            send_last_item_on_presence: config.send_last_item_on_presence,
            temporary_subscriptions: config.temporary_subscriptions,
            purge_when_publisher_goes: config.purge_when_publisher_goes,
            expose_publisher: config.expose_publisher,
            roster_groups: config.roster_groups_allowed.clone().unwrap_or_default().names,
            presence_based_delivery: config.presence_based_delivery,
            processing_hint: match config.processing_hint() {
                v1::ProcessingHint::Store => Some("store"),
                v1::ProcessingHint::NoStore => Some("no-store"),
                v1::ProcessingHint::NoPermanentStore => Some("no-permanent-store"),
                v1::ProcessingHint::None | v1::ProcessingHint::Unspecified => None,
            },
            when_items_full: match config.when_items_full() {
                v1::WhenItemsFull::RetractOldest => "retract-oldest",
                v1::WhenItemsFull::Reject => "reject",
                v1::WhenItemsFull::DiscardOldest | v1::WhenItemsFull::Unspecified => "discard-oldest",
            },
            persist_items: config.persist_items,
            durability: durability_name(config.durability()),
            item_expire_seconds: config.item_expire_seconds,
            history_events_max: config.history_events_max,
            history_bytes_max: config.history_bytes_max,
            history_age_seconds_max: config.history_age_seconds_max,
            when_undelivered_full: match config.when_undelivered_full() {
                v1::WhenUndeliveredFull::Gap => "gap",
                v1::WhenUndeliveredFull::Wait | v1::WhenUndeliveredFull::Unspecified => "wait",
            },
            collections: Vec::new(),
            children: Vec::new(),
            link: String::new(),
            parent: String::new(),
        }
    }
}
