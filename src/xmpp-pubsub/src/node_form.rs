//! The fields of a node's configuration: the one table between XEP-0060 §16.4.4 and bus-domain. What the bus does not do
//! is not in it.

use bus_domain::retention::WhenUndeliveredFull;
use bus_domain::{
    AccessModel, AssociationPolicy, BusError, Durability, MessageType, NodeConfig, NodeType, ProcessingHint,
    PublishModel, SendLastItem, Setting, WhenItemsFull,
};

use crate::errors::Refusal;
use crate::form::{Field, Kind};

/// XEP-0060 §16.4.4.
pub(crate) const NODE_CONFIG: &str = "http://jabber.org/protocol/pubsub#node_config";
/// XEP-0060 §16.4.3.
pub(crate) const META_DATA: &str = "http://jabber.org/protocol/pubsub#meta-data";
/// XEP-0060 §7.1.5.
pub(crate) const PUBLISH_OPTIONS: &str = "http://jabber.org/protocol/pubsub#publish-options";

/// Every field. Those of the bus alone are named in Clark notation (XEP-0068 §3.4).
pub(crate) const TABLE: &[Field<NodeConfig, Setting>] = &[
    text("pubsub#title", "A short name for the node", |it| it.about.title.as_deref(), Setting::Title),
    text(
        "pubsub#description",
        "What the node is for",
        |it| it.about.description.as_deref(),
        Setting::Description,
    ),
    text(
        "pubsub#language",
        "The language of its items, as in xml:lang",
        |it| it.about.language.as_deref(),
        Setting::Language,
    ),
    text(
        "pubsub#type",
        "What its payloads mean, usually a namespace; not enforced",
        |it| it.about.payload_type.as_deref(),
        Setting::PayloadType,
    ),
    Field {
        var: "pubsub#contact",
        label: "Whom to ask about it",
        kind: Kind::Addresses { get: |it| &it.about.contacts, set: Setting::Contacts },
    },
    Field {
        var: "pubsub#node_type",
        label: "Whether the node holds items",
        kind: Kind::Choice {
            options: &["leaf", "collection"],
            get: |it| it.node_type.as_str(),
            set: |value| {
                named(NodeType::ALL, NodeType::as_str, value, "pubsub#node_type")
                    .map(|node_type| Some(Setting::NodeType(node_type)))
            },
        },
    },
    Field {
        var: "pubsub#children_max",
        label: "Nodes that the collection may have",
        kind: Kind::Number {
            none: "",
            get: |it| it.children.max.map(u64::from),
            set: |max| narrow(max, Setting::ChildrenMax),
        },
    },
    Field {
        var: "pubsub#children_association_policy",
        label: "Who may associate a node of its own with the collection",
        kind: Kind::Choice {
            options: &["all", "owners", "whitelist"],
            get: |it| it.children.association_policy.as_str(),
            set: association_policy,
        },
    },
    Field {
        var: "pubsub#children_association_whitelist",
        label: "Who may by the policy whitelist",
        kind: Kind::Addresses {
            get: |it| &it.children.association_whitelist,
            set: Setting::AssociationWhitelist,
        },
    },
    Field {
        var: "pubsub#access_model",
        label: "Who may subscribe and retrieve items",
        kind: Kind::Choice {
            options: &["open", "presence", "roster", "authorize", "whitelist"],
            get: |it| it.access_model.as_str(),
            set: access_model,
        },
    },
    Field {
        var: "pubsub#roster_groups_allowed",
        label: "The groups of its owners' rosters that the access model roster lets in",
        kind: Kind::Names { get: |it| &it.roster_groups_allowed, set: Setting::RosterGroupsAllowed },
    },
    Field {
        var: "pubsub#publish_model",
        label: "Who may publish",
        kind: Kind::Choice {
            options: &["publishers", "subscribers", "open"],
            get: |it| it.publish_model.as_str(),
            set: |value| {
                named(PublishModel::ALL, PublishModel::as_str, value, "pubsub#publish_model")
                    .map(|model| Some(Setting::PublishModel(model)))
            },
        },
    },
    boolean(
        "pubsub#subscribe",
        "Whether anybody may subscribe",
        |it| it.allow_subscriptions,
        Setting::AllowSubscriptions,
    ),
    boolean(
        "{urn:stanzabus:config:1}multi_subscribe",
        "Whether an address may have several subscriptions, each with a subid",
        |it| it.multi_subscribe,
        Setting::MultiSubscribe,
    ),
    boolean(
        "pubsub#persist_items",
        "Whether items stay on the node",
        |it| it.persist_items,
        Setting::PersistItems,
    ),
    Field {
        var: "pubsub#max_items",
        label: "Items that the node keeps, the newest ones, or max",
        kind: Kind::Number {
            none: "max",
            get: |it| Some(it.items_max).filter(|max| *max != NodeConfig::ITEMS_MAX_HIGHEST).map(u64::from),
            set: |max| match max {
                None => Some(Setting::ItemsMax(NodeConfig::ITEMS_MAX_HIGHEST)),
                Some(max) => u32::try_from(max).ok().map(Setting::ItemsMax),
            },
        },
    },
    Field {
        var: "pubsub#item_expire",
        label: "Seconds after which an item goes by itself, or max",
        kind: Kind::Number {
            none: "max",
            get: |it| it.item_expire_seconds.map(u64::from),
            set: |seconds| narrow(seconds, Setting::ItemExpireSeconds),
        },
    },
    Field {
        var: "pubsub#max_payload_size",
        label: "Bytes that a payload may have",
        kind: Kind::Number {
            none: "",
            get: |it| it.payload_bytes_max.map(u64::from),
            set: |bytes| narrow(bytes, Setting::PayloadBytesMax),
        },
    },
    boolean(
        "pubsub#deliver_notifications",
        "Whether subscribers are sent items and retractions",
        |it| it.deliver_notifications,
        Setting::DeliverNotifications,
    ),
    boolean(
        "pubsub#presence_based_delivery",
        "Whether only those are sent events who are available and let us see that",
        |it| it.presence_based_delivery,
        Setting::PresenceBasedDelivery,
    ),
    boolean(
        "pubsub#tempsub",
        "Whether each subscription ends when its subscriber goes, as far as we may see that",
        |it| it.temporary_subscriptions,
        Setting::TemporarySubscriptions,
    ),
    boolean(
        "pubsub#purge_offline",
        "Whether all items go when the publisher of the newest one goes, as far as we may see that",
        |it| it.purge_when_publisher_goes,
        Setting::PurgeWhenPublisherGoes,
    ),
    boolean(
        "pubsub#deliver_payloads",
        "Whether notifications carry the payload",
        |it| it.deliver_payloads,
        Setting::DeliverPayloads,
    ),
    boolean(
        "pubsub#notify_config",
        "Whether subscribers hear of a changed configuration",
        |it| it.notify_config,
        Setting::NotifyConfig,
    ),
    boolean(
        "pubsub#notify_delete",
        "Whether subscribers hear that the node is gone",
        |it| it.notify_delete,
        Setting::NotifyDelete,
    ),
    boolean(
        "pubsub#notify_sub",
        "Whether owners hear who subscribes and who leaves",
        |it| it.notify_sub,
        Setting::NotifySub,
    ),
    boolean(
        "pubsub#notify_retract",
        "Whether subscribers hear of items that are taken back",
        |it| it.notify_retract,
        Setting::NotifyRetract,
    ),
    Field {
        var: "pubsub#send_last_published_item",
        label: "Whether who subscribes, or also who comes, is sent the newest item",
        kind: Kind::Choice {
            options: &["never", "on_sub", "on_sub_and_presence"],
            get: |it| it.send_last_item.as_str(),
            set: |value| {
                named(SendLastItem::ALL, SendLastItem::as_str, value, "pubsub#send_last_published_item")
                    .map(|choice| Some(Setting::SendLastItem(choice)))
            },
        },
    },
    Field {
        var: "pubsub#publish_node_full",
        label: "What becomes of an item for which there is no room",
        kind: Kind::Choice {
            options: &["discard-oldest", "retract-oldest", "reject"],
            get: |it| it.when_items_full.as_str(),
            set: |value| {
                named(WhenItemsFull::ALL, WhenItemsFull::as_str, value, "pubsub#publish_node_full")
                    .map(|choice| Some(Setting::WhenItemsFull(choice)))
            },
        },
    },
    Field {
        var: "pubsub#itemreply",
        label: "Whether items name who has published them",
        kind: Kind::Choice {
            options: &["none", "publisher"],
            get: |it| if it.expose_publisher { "publisher" } else { "none" },
            set: |value| match value {
                "none" => Ok(Some(Setting::ExposePublisher(false))),
                "publisher" => Ok(Some(Setting::ExposePublisher(true))),
                _ => Err(BusError::invalid_config("pubsub#itemreply has no such option").into()),
            },
        },
    },
    Field {
        var: "pubsub#notification_type",
        label: "The type of messages that carry notifications",
        kind: Kind::Choice {
            options: &["normal", "headline"],
            get: |it| if it.sends_headlines() { "headline" } else { "normal" },
            set: |value| {
                let all = [MessageType::Normal, MessageType::Headline];
                named(all, MessageType::as_str, value, "pubsub#notification_type")
                    .map(|kind| Some(Setting::MessageType(kind)))
            },
        },
    },
    Field {
        var: "{urn:stanzabus:config:1}processing_hint",
        label: "What those who archive messages are asked to do with notifications",
        kind: Kind::Choice {
            options: &["none", "store", "no-store", "no-permanent-store"],
            get: |it| it.processing_hint.as_str(),
            set: |value| {
                named(ProcessingHint::ALL, ProcessingHint::as_str, value, "processing_hint")
                    .map(|hint| Some(Setting::ProcessingHint(hint)))
            },
        },
    },
    Field {
        var: "{urn:stanzabus:config:1}durability",
        label: "What holds when a publish is answered",
        kind: Kind::Choice {
            options: &["fsync", "relaxed", "memory"],
            get: |it| it.durability.as_str(),
            set: |value| {
                named(Durability::ALL, Durability::as_str, value, "durability")
                    .map(|level| Some(Setting::Durability(level)))
            },
        },
    },
    Field {
        var: "{urn:stanzabus:config:1}history_events_max",
        label: "Events that the log keeps, the newest ones, or max",
        kind: Kind::Number {
            none: "max",
            get: |it| it.history.events_max,
            set: |events| Some(Setting::HistoryEventsMax(events)),
        },
    },
    Field {
        var: "{urn:stanzabus:config:1}history_age_seconds_max",
        label: "Seconds for which the log keeps an event, or max",
        kind: Kind::Number {
            none: "max",
            get: |it| it.history.age_seconds_max,
            set: |seconds| Some(Setting::HistoryAgeSecondsMax(seconds)),
        },
    },
    Field {
        var: "{urn:stanzabus:config:1}history_bytes_max",
        label: "Bytes of payload that the log keeps, of the newest events, or max",
        kind: Kind::Number {
            none: "max",
            get: |it| it.history.bytes_max,
            set: |bytes| Some(Setting::HistoryBytesMax(bytes)),
        },
    },
    Field {
        var: "{urn:stanzabus:config:1}when_undelivered_full",
        label: "When too many events wait for delivery: do publishers wait, or do subscribers see a gap",
        kind: Kind::Choice {
            options: &["wait", "gap"],
            get: |it| it.when_undelivered_full.as_str(),
            set: |value| {
                named(WhenUndeliveredFull::ALL, WhenUndeliveredFull::as_str, value, "when_undelivered_full")
                    .map(|choice| Some(Setting::WhenUndeliveredFull(choice)))
            },
        },
    },
];

/// Whether an option of a field can be chosen now: a model that rosters decide where they can be read, or it is so already.
pub(crate) fn offers(config: &NodeConfig, rosters_are_readable: bool, var: &str, option: &str) -> bool {
    let model = || AccessModel::ALL.into_iter().find(|model| model.as_str() == option);
    rosters_are_readable
        || var != "pubsub#access_model"
        || option == config.access_model.as_str()
        || model().is_none_or(|model| !model.asks_rosters())
}

/// The fields that tell everybody who may see the node what it is (XEP-0060 §5.4).
pub(crate) fn meta_data() -> impl Iterator<Item = &'static Field<NodeConfig, Setting>> {
    const PUBLIC: [&str; 9] = [
        "pubsub#title",
        "pubsub#description",
        "pubsub#language",
        "pubsub#type",
        "pubsub#contact",
        "pubsub#access_model",
        "pubsub#publish_model",
        "pubsub#max_items",
        "pubsub#item_expire",
    ];
    TABLE.iter().filter(|field| PUBLIC.contains(&field.var))
}

/// The fields of a configuration. What is about items stands in no collection's form, and what is about children in no
/// leaf's (XEP-0248 §8.3.2). What is submitted is read all the same: a leaf may become a collection.
pub(crate) fn shown(config: &NodeConfig) -> impl Iterator<Item = &'static Field<NodeConfig, Setting>> {
    const OF_COLLECTIONS: [&str; 3] = [
        "pubsub#children_max",
        "pubsub#children_association_policy",
        "pubsub#children_association_whitelist",
    ];
    const OF_LEAVES: [&str; 16] = [
        "pubsub#type",
        "pubsub#publish_model",
        "pubsub#persist_items",
        "pubsub#max_items",
        "pubsub#item_expire",
        "pubsub#max_payload_size",
        "pubsub#deliver_payloads",
        "pubsub#notify_retract",
        "pubsub#send_last_published_item",
        "pubsub#publish_node_full",
        "pubsub#itemreply",
        "pubsub#notification_type",
        "{urn:stanzabus:config:1}history_events_max",
        "{urn:stanzabus:config:1}history_age_seconds_max",
        "{urn:stanzabus:config:1}history_bytes_max",
        "{urn:stanzabus:config:1}when_undelivered_full",
    ];
    let hidden: &[&str] = if config.is_collection() { &OF_LEAVES } else { &OF_COLLECTIONS };
    TABLE.iter().filter(|field| !hidden.contains(&field.var))
}

/// XEP-0248 says `owner` in one place and `owners` in another.
fn association_policy(value: &str) -> Result<Option<Setting>, Refusal> {
    let value = if value == "owner" { "owners" } else { value };
    let policies = AssociationPolicy::ALL;
    named(policies, AssociationPolicy::as_str, value, "pubsub#children_association_policy")
        .map(|policy| Some(Setting::AssociationPolicy(policy)))
}

/// A model that is not offered has an error of its own (§8.1.2), never the next best one.
fn access_model(value: &str) -> Result<Option<Setting>, Refusal> {
    let model = AccessModel::ALL.into_iter().find(|model| model.as_str() == value);
    Ok(Some(Setting::AccessModel(model.ok_or(BusError::UnsupportedAccessModel)?)))
}

fn named<Value: Copy, const COUNT: usize>(
    all: [Value; COUNT],
    name: fn(Value) -> &'static str,
    value: &str,
    field: &str,
) -> Result<Value, Refusal> {
    let found = all.into_iter().find(|candidate| name(*candidate) == value);
    found.ok_or_else(|| BusError::invalid_config(format!("{field} has no such option")).into())
}

fn narrow(number: Option<u64>, set: fn(Option<u32>) -> Setting) -> Option<Setting> {
    number.map(u32::try_from).transpose().ok().map(set)
}

const fn text(
    var: &'static str,
    label: &'static str,
    get: fn(&NodeConfig) -> Option<&str>,
    set: fn(Option<String>) -> Setting,
) -> Field<NodeConfig, Setting> {
    Field { var, label, kind: Kind::Text { get, set } }
}

const fn boolean(
    var: &'static str,
    label: &'static str,
    get: fn(&NodeConfig) -> bool,
    set: fn(bool) -> Setting,
) -> Field<NodeConfig, Setting> {
    Field { var, label, kind: Kind::Boolean { get, set } }
}
