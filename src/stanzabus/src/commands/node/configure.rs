use std::path::Path;

use bridge_grpc::v1;

use super::{roster_groups, show};
use crate::cli::ConfigureArguments;
use crate::client::connect_grpc;
use crate::failure::Failure;

/// `stanzabus node configure`
pub(super) async fn run(config: &Path, arguments: ConfigureArguments) -> Result<(), Failure> {
    let name = arguments.node.clone();
    let request = v1::ConfigureNodeRequest {
        name: name.clone(),
        config: Some(named(arguments)),
        ..v1::ConfigureNodeRequest::default()
    };
    let configured = connect_grpc(config).await?.configure(request).await?;
    show::print_config(name, &configured.config.unwrap_or_default())
}

/// What is not named is not set.
fn named(arguments: ConfigureArguments) -> v1::NodeConfig {
    let when_undelivered_full =
        arguments.when_undelivered_full.map_or(v1::WhenUndeliveredFull::Unspecified, Into::into);
    v1::NodeConfig {
        access_model: arguments.access_model.map_or(v1::AccessModel::Unspecified, Into::into).into(),
        publish_model: arguments.publish_model.map_or(v1::PublishModel::Unspecified, Into::into).into(),
        allow_subscriptions: arguments.allow_subscriptions,
        multi_subscribe: arguments.multi_subscribe,
        items_max: arguments.items_max,
        persist_items: arguments.persist_items,
        item_expire_seconds: arguments.item_expire_seconds,
        payload_bytes_max: arguments.payload_bytes_max,
        deliver_notifications: arguments.deliver_notifications,
        deliver_payloads: arguments.deliver_payloads,
        notify_config: arguments.notify_config,
        notify_delete: arguments.notify_delete,
        notify_retract: arguments.notify_retract,
        notify_sub: arguments.notify_sub,
        send_last_item: arguments.send_last_item,
        expose_publisher: arguments.expose_publisher,
        when_items_full: arguments.when_items_full.map_or(v1::WhenItemsFull::Unspecified, Into::into).into(),
        durability: arguments.durability.map_or(v1::Durability::Unspecified, Into::into).into(),
        history_events_max: arguments.history_events_max,
        history_bytes_max: arguments.history_bytes_max,
        history_age_seconds_max: arguments.history_age_seconds_max,
        when_undelivered_full: when_undelivered_full.into(),
        roster_groups_allowed: arguments.roster_groups.map(roster_groups),
        presence_based_delivery: arguments.presence_based_delivery,
        processing_hint: arguments.processing_hint.map_or(v1::ProcessingHint::Unspecified, Into::into).into(),
        title: arguments.title,
        description: arguments.description,
        ..v1::NodeConfig::default()
    }
}
