use bus_domain::retention::WhenUndeliveredFull;
use bus_domain::{
    AccessModel, AssociationPolicy, Durability, Jid, MessageType, NodeConfig, NodeType, ProcessingHint,
    PublishModel, SendLastItem, Setting, WhenItemsFull,
};
use tonic::Status;

use super::enum_value;
use crate::status::invalid_field;
use crate::v1;

/// The configuration of a new node: what is not set keeps its default. The rules check the bounds.
pub(crate) fn config_from_message(field: &str, message: &v1::NodeConfig) -> Result<NodeConfig, Status> {
    Ok(NodeConfig::default().with(&settings_from_message(field, message)?))
}

/// The fields that are set.
#[expect(clippy::too_many_lines, reason = "one line for each field")]
pub(crate) fn settings_from_message(field: &str, message: &v1::NodeConfig) -> Result<Vec<Setting>, Status> {
    let v1::NodeConfig {
        access_model,
        publish_model,
        items_max,
        deliver_payloads,
        notify_retract,
        durability,
        persist_items,
        item_expire_seconds,
        history_events_max,
        history_age_seconds_max,
        history_bytes_max,
        when_undelivered_full,
        allow_subscriptions,
        payload_bytes_max,
        deliver_notifications,
        notify_config,
        notify_delete,
        message_type,
        title,
        description,
        language,
        payload_type,
        contacts,
        roster_groups_allowed,
        presence_based_delivery,
        temporary_subscriptions,
        purge_when_publisher_goes,
        multi_subscribe,
        notify_sub,
        send_last_item,
        send_last_item_on_presence,
        expose_publisher,
        processing_hint,
        when_items_full,
        node_type,
        children_max,
        association_policy,
        association_whitelist,
    } = message;
    let name = |name: &str| format!("{field}.{name}");
    let settings = [
        enum_value(&name("access_model"), *access_model)?
            .and_then(access_model_from)
            .map(Setting::AccessModel),
        enum_value(&name("publish_model"), *publish_model)?
            .and_then(publish_model_from)
            .map(Setting::PublishModel),
        enum_value(&name("durability"), *durability)?.and_then(durability_from).map(Setting::Durability),
        enum_value(&name("when_undelivered_full"), *when_undelivered_full)?
            .and_then(when_full_from)
            .map(Setting::WhenUndeliveredFull),
        enum_value(&name("message_type"), *message_type)?
            .and_then(message_type_from)
            .map(Setting::MessageType),
        enum_value(&name("processing_hint"), *processing_hint)?
            .and_then(processing_hint_from)
            .map(Setting::ProcessingHint),
        enum_value(&name("when_items_full"), *when_items_full)?
            .and_then(when_items_full_from)
            .map(Setting::WhenItemsFull),
        enum_value(&name("node_type"), *node_type)?.and_then(node_type_from).map(Setting::NodeType),
        enum_value(&name("association_policy"), *association_policy)?
            .and_then(association_policy_from)
            .map(Setting::AssociationPolicy),
        children_max.map(|max| Setting::ChildrenMax(bound(max))),
        association_whitelist
            .as_ref()
            .map(|listed| jids_from(&name("association_whitelist"), listed))
            .transpose()?
            .map(Setting::AssociationWhitelist),
        items_max.map(Setting::ItemsMax),
        deliver_payloads.map(Setting::DeliverPayloads),
        notify_retract.map(Setting::NotifyRetract),
        persist_items.map(Setting::PersistItems),
        item_expire_seconds.map(|seconds| Setting::ItemExpireSeconds(bound(seconds))),
        history_events_max.map(|events| Setting::HistoryEventsMax(bound(events))),
        history_age_seconds_max.map(|seconds| Setting::HistoryAgeSecondsMax(bound(seconds))),
        history_bytes_max.map(|bytes| Setting::HistoryBytesMax(bound(bytes))),
        allow_subscriptions.map(Setting::AllowSubscriptions),
        payload_bytes_max.map(|bytes| Setting::PayloadBytesMax(bound(bytes))),
        deliver_notifications.map(Setting::DeliverNotifications),
        presence_based_delivery.map(Setting::PresenceBasedDelivery),
        temporary_subscriptions.map(Setting::TemporarySubscriptions),
        purge_when_publisher_goes.map(Setting::PurgeWhenPublisherGoes),
        notify_config.map(Setting::NotifyConfig),
        notify_delete.map(Setting::NotifyDelete),
        title.as_ref().map(|text| Setting::Title(text_if_any(text))),
        description.as_ref().map(|text| Setting::Description(text_if_any(text))),
        language.as_ref().map(|text| Setting::Language(text_if_any(text))),
        payload_type.as_ref().map(|text| Setting::PayloadType(text_if_any(text))),
        roster_groups_allowed.as_ref().map(|groups| Setting::RosterGroupsAllowed(groups.names.clone())),
        multi_subscribe.map(Setting::MultiSubscribe),
        notify_sub.map(Setting::NotifySub),
        send_last_item_from(*send_last_item, *send_last_item_on_presence).map(Setting::SendLastItem),
        expose_publisher.map(Setting::ExposePublisher),
        contacts.as_ref().map(|jids| jids_from(&name("contacts"), jids)).transpose()?.map(Setting::Contacts),
    ];
    Ok(settings.into_iter().flatten().collect())
}

/// A configuration with every field set.
pub(crate) fn config_to_message(config: &NodeConfig) -> v1::NodeConfig {
    let text = |text: &Option<String>| Some(text.clone().unwrap_or_default());
    let about = &config.about;
    let jids = |jids: &[Jid]| Some(v1::Contacts { jids: jids.iter().map(ToString::to_string).collect() });
    let children = &config.children;
    v1::NodeConfig {
        access_model: access_model_to_message(config.access_model).into(),
        publish_model: publish_model_to_message(config.publish_model).into(),
        items_max: Some(config.items_max),
        deliver_payloads: Some(config.deliver_payloads),
        notify_retract: Some(config.notify_retract),
        durability: durability_to_message(config.durability).into(),
        persist_items: Some(config.persist_items),
        item_expire_seconds: Some(config.item_expire_seconds.unwrap_or(0)),
        history_events_max: Some(config.history.events_max.unwrap_or(0)),
        history_age_seconds_max: Some(config.history.age_seconds_max.unwrap_or(0)),
        history_bytes_max: Some(config.history.bytes_max.unwrap_or(0)),
        when_undelivered_full: when_full_to_message(config.when_undelivered_full).into(),
        allow_subscriptions: Some(config.allow_subscriptions),
        payload_bytes_max: Some(config.payload_bytes_max.unwrap_or(0)),
        deliver_notifications: Some(config.deliver_notifications),
        notify_config: Some(config.notify_config),
        notify_delete: Some(config.notify_delete),
        message_type: message_type_to_message(config.message_type).into(),
        title: text(&about.title),
        description: text(&about.description),
        language: text(&about.language),
        payload_type: text(&about.payload_type),
        contacts: jids(&about.contacts),
        presence_based_delivery: Some(config.presence_based_delivery),
        temporary_subscriptions: Some(config.temporary_subscriptions),
        purge_when_publisher_goes: Some(config.purge_when_publisher_goes),
        roster_groups_allowed: Some(v1::RosterGroups { names: config.roster_groups_allowed.clone() }),
        multi_subscribe: Some(config.multi_subscribe),
        notify_sub: Some(config.notify_sub),
        send_last_item: Some(config.send_last_item != SendLastItem::Never),
        send_last_item_on_presence: Some(config.send_last_item == SendLastItem::OnSubscribeAndPresence),
        expose_publisher: Some(config.expose_publisher),
        processing_hint: processing_hint_to_message(config.processing_hint).into(),
        when_items_full: when_items_full_to_message(config.when_items_full).into(),
        node_type: node_type_to_message(config.node_type).into(),
        children_max: Some(children.max.unwrap_or(0)),
        association_policy: association_policy_to_message(children.association_policy).into(),
        association_whitelist: jids(&children.association_whitelist),
    }
}

/// 0 stands for no bound.
fn bound<Number: Default + PartialEq>(number: Number) -> Option<Number> {
    Some(number).filter(|number| *number != Number::default())
}

fn text_if_any(text: &str) -> Option<String> {
    Some(text.to_owned()).filter(|text| !text.is_empty())
}

fn jids_from(field: &str, contacts: &v1::Contacts) -> Result<Vec<Jid>, Status> {
    let parse = |(index, text): (usize, &String)| {
        Jid::new(text).map_err(|problem| {
            invalid_field(&format!("{field}.jids[{index}]"), format!("is not a JID: {problem}"))
        })
    };
    contacts.jids.iter().enumerate().map(parse).collect()
}

fn node_type_from(message: v1::NodeType) -> Option<NodeType> {
    match message {
        v1::NodeType::Unspecified => None,
        v1::NodeType::Leaf => Some(NodeType::Leaf),
        v1::NodeType::Collection => Some(NodeType::Collection),
    }
}

fn node_type_to_message(node_type: NodeType) -> v1::NodeType {
    match node_type {
        NodeType::Leaf => v1::NodeType::Leaf,
        NodeType::Collection => v1::NodeType::Collection,
    }
}

fn association_policy_from(message: v1::AssociationPolicy) -> Option<AssociationPolicy> {
    match message {
        v1::AssociationPolicy::Unspecified => None,
        v1::AssociationPolicy::All => Some(AssociationPolicy::All),
        v1::AssociationPolicy::Owners => Some(AssociationPolicy::Owners),
        v1::AssociationPolicy::Whitelist => Some(AssociationPolicy::Whitelist),
    }
}

fn association_policy_to_message(policy: AssociationPolicy) -> v1::AssociationPolicy {
    match policy {
        AssociationPolicy::All => v1::AssociationPolicy::All,
        AssociationPolicy::Owners => v1::AssociationPolicy::Owners,
        AssociationPolicy::Whitelist => v1::AssociationPolicy::Whitelist,
    }
}

fn access_model_from(message: v1::AccessModel) -> Option<AccessModel> {
    match message {
        v1::AccessModel::Unspecified => None,
        v1::AccessModel::Open => Some(AccessModel::Open),
        v1::AccessModel::Authorize => Some(AccessModel::Authorize),
        v1::AccessModel::Whitelist => Some(AccessModel::Whitelist),
        v1::AccessModel::Presence => Some(AccessModel::Presence),
        v1::AccessModel::Roster => Some(AccessModel::Roster),
    }
}

fn access_model_to_message(model: AccessModel) -> v1::AccessModel {
    match model {
        AccessModel::Open => v1::AccessModel::Open,
        AccessModel::Authorize => v1::AccessModel::Authorize,
        AccessModel::Whitelist => v1::AccessModel::Whitelist,
        AccessModel::Presence => v1::AccessModel::Presence,
        AccessModel::Roster => v1::AccessModel::Roster,
    }
}

fn publish_model_from(message: v1::PublishModel) -> Option<PublishModel> {
    match message {
        v1::PublishModel::Unspecified => None,
        v1::PublishModel::Publishers => Some(PublishModel::Publishers),
        v1::PublishModel::Subscribers => Some(PublishModel::Subscribers),
        v1::PublishModel::Open => Some(PublishModel::Open),
    }
}

fn publish_model_to_message(model: PublishModel) -> v1::PublishModel {
    match model {
        PublishModel::Publishers => v1::PublishModel::Publishers,
        PublishModel::Subscribers => v1::PublishModel::Subscribers,
        PublishModel::Open => v1::PublishModel::Open,
    }
}

fn when_items_full_from(message: v1::WhenItemsFull) -> Option<WhenItemsFull> {
    match message {
        v1::WhenItemsFull::Unspecified => None,
        v1::WhenItemsFull::DiscardOldest => Some(WhenItemsFull::DiscardOldest),
        v1::WhenItemsFull::RetractOldest => Some(WhenItemsFull::RetractOldest),
        v1::WhenItemsFull::Reject => Some(WhenItemsFull::Reject),
    }
}

fn when_items_full_to_message(choice: WhenItemsFull) -> v1::WhenItemsFull {
    match choice {
        WhenItemsFull::DiscardOldest => v1::WhenItemsFull::DiscardOldest,
        WhenItemsFull::RetractOldest => v1::WhenItemsFull::RetractOldest,
        WhenItemsFull::Reject => v1::WhenItemsFull::Reject,
    }
}

fn when_full_from(message: v1::WhenUndeliveredFull) -> Option<WhenUndeliveredFull> {
    match message {
        v1::WhenUndeliveredFull::Unspecified => None,
        v1::WhenUndeliveredFull::Wait => Some(WhenUndeliveredFull::Wait),
        v1::WhenUndeliveredFull::Gap => Some(WhenUndeliveredFull::Gap),
    }
}

fn when_full_to_message(when_full: WhenUndeliveredFull) -> v1::WhenUndeliveredFull {
    match when_full {
        WhenUndeliveredFull::Wait => v1::WhenUndeliveredFull::Wait,
        WhenUndeliveredFull::Gap => v1::WhenUndeliveredFull::Gap,
    }
}

fn message_type_from(message: v1::MessageType) -> Option<MessageType> {
    match message {
        v1::MessageType::Unspecified => None,
        v1::MessageType::Automatic => Some(MessageType::Automatic),
        v1::MessageType::Normal => Some(MessageType::Normal),
        v1::MessageType::Headline => Some(MessageType::Headline),
    }
}

fn message_type_to_message(message_type: MessageType) -> v1::MessageType {
    match message_type {
        MessageType::Automatic => v1::MessageType::Automatic,
        MessageType::Normal => v1::MessageType::Normal,
        MessageType::Headline => v1::MessageType::Headline,
    }
}

fn processing_hint_from(message: v1::ProcessingHint) -> Option<ProcessingHint> {
    match message {
        v1::ProcessingHint::Unspecified => None,
        v1::ProcessingHint::None => Some(ProcessingHint::None),
        v1::ProcessingHint::Store => Some(ProcessingHint::Store),
        v1::ProcessingHint::NoStore => Some(ProcessingHint::NoStore),
        v1::ProcessingHint::NoPermanentStore => Some(ProcessingHint::NoPermanentStore),
    }
}

fn processing_hint_to_message(hint: ProcessingHint) -> v1::ProcessingHint {
    match hint {
        ProcessingHint::None => v1::ProcessingHint::None,
        ProcessingHint::Store => v1::ProcessingHint::Store,
        ProcessingHint::NoStore => v1::ProcessingHint::NoStore,
        ProcessingHint::NoPermanentStore => v1::ProcessingHint::NoPermanentStore,
    }
}

fn durability_from(message: v1::Durability) -> Option<Durability> {
    match message {
        v1::Durability::Unspecified => None,
        v1::Durability::Fsync => Some(Durability::Fsync),
        v1::Durability::Relaxed => Some(Durability::Relaxed),
        v1::Durability::Memory => Some(Durability::Memory),
    }
}

/// What holds when a publish is answered.
pub(crate) fn durability_to_message(durability: Durability) -> v1::Durability {
    match durability {
        Durability::Fsync => v1::Durability::Fsync,
        Durability::Relaxed => v1::Durability::Relaxed,
        Durability::Memory => v1::Durability::Memory,
    }
}

fn send_last_item_from(sends: Option<bool>, sends_on_presence: Option<bool>) -> Option<SendLastItem> {
    match (sends, sends_on_presence) {
        (_, Some(true)) => Some(SendLastItem::OnSubscribeAndPresence),
        (Some(true), _) => Some(SendLastItem::OnSubscribe),
        (Some(false), _) => Some(SendLastItem::Never),
        (None, _) => None,
    }
}
