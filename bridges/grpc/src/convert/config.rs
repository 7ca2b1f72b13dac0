use bus_domain::retention::{History, WhenUndeliveredFull};
use bus_domain::{AccessModel, Durability, NodeConfig, PublishModel};
use tonic::Status;

use super::enum_value;
use crate::v1;

/// The configuration of a new node: what is not set keeps its default. The rules check the bounds.
pub(crate) fn config_from_message(field: &str, message: &v1::NodeConfig) -> Result<NodeConfig, Status> {
    let default = NodeConfig::default();
    let field = |name: &str| format!("{field}.{name}");
    Ok(NodeConfig {
        access_model: match enum_value(&field("access_model"), message.access_model)? {
            None | Some(v1::AccessModel::Unspecified) => default.access_model,
            Some(v1::AccessModel::Open) => AccessModel::Open,
            Some(v1::AccessModel::Whitelist) => AccessModel::Whitelist,
        },
        publish_model: match enum_value(&field("publish_model"), message.publish_model)? {
            None | Some(v1::PublishModel::Unspecified) => default.publish_model,
            Some(v1::PublishModel::Publishers) => PublishModel::Publishers,
            Some(v1::PublishModel::Open) => PublishModel::Open,
        },
        items_max: message.items_max.unwrap_or(default.items_max),
        deliver_payloads: message.deliver_payloads.unwrap_or(default.deliver_payloads),
        notify_retract: message.notify_retract.unwrap_or(default.notify_retract),
        durability: match enum_value(&field("durability"), message.durability)? {
            None | Some(v1::Durability::Unspecified) => default.durability,
            Some(v1::Durability::Fsync) => Durability::Fsync,
            Some(v1::Durability::Relaxed) => Durability::Relaxed,
            Some(v1::Durability::Memory) => Durability::Memory,
        },
        persist_items: message.persist_items.unwrap_or(default.persist_items),
        item_expire_seconds: message.item_expire_seconds.filter(|seconds| *seconds > 0),
        history: History {
            events_max: bound(message.history_events_max, default.history.events_max),
            age_seconds_max: bound(message.history_age_seconds_max, default.history.age_seconds_max),
            bytes_max: bound(message.history_bytes_max, default.history.bytes_max),
        },
        when_undelivered_full: match enum_value(
            &field("when_undelivered_full"),
            message.when_undelivered_full,
        )? {
            None | Some(v1::WhenUndeliveredFull::Unspecified) => default.when_undelivered_full,
            Some(v1::WhenUndeliveredFull::Wait) => WhenUndeliveredFull::Wait,
            Some(v1::WhenUndeliveredFull::Gap) => WhenUndeliveredFull::Gap,
        },
    })
}

/// A configuration with every field set.
pub(crate) fn config_to_message(config: &NodeConfig) -> v1::NodeConfig {
    let access_model = match config.access_model {
        AccessModel::Open => v1::AccessModel::Open,
        AccessModel::Whitelist => v1::AccessModel::Whitelist,
    };
    let publish_model = match config.publish_model {
        PublishModel::Publishers => v1::PublishModel::Publishers,
        PublishModel::Open => v1::PublishModel::Open,
    };
    let when_undelivered_full = match config.when_undelivered_full {
        WhenUndeliveredFull::Wait => v1::WhenUndeliveredFull::Wait,
        WhenUndeliveredFull::Gap => v1::WhenUndeliveredFull::Gap,
    };
    v1::NodeConfig {
        access_model: access_model.into(),
        publish_model: publish_model.into(),
        items_max: Some(config.items_max),
        deliver_payloads: Some(config.deliver_payloads),
        notify_retract: Some(config.notify_retract),
        durability: durability_to_message(config.durability).into(),
        persist_items: Some(config.persist_items),
        item_expire_seconds: Some(config.item_expire_seconds.unwrap_or(0)),
        history_events_max: Some(config.history.events_max.unwrap_or(0)),
        history_age_seconds_max: Some(config.history.age_seconds_max.unwrap_or(0)),
        history_bytes_max: Some(config.history.bytes_max.unwrap_or(0)),
        when_undelivered_full: when_undelivered_full.into(),
    }
}

/// 0 stands for no bound; what is not set keeps its default.
fn bound(set: Option<u64>, default: Option<u64>) -> Option<u64> {
    match set {
        None => default,
        Some(0) => None,
        Some(bound) => Some(bound),
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
