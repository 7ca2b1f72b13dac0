//! Between messages and the values of bus-domain. Every string that can reach XML is checked here.

mod config;
mod destination;
mod failure;
mod filter;
mod payload;
mod placement;
mod push;
mod push_profile;
mod subscription;

use bus_domain::{Affiliation, BareJid, Event, EventKind, ItemId, NodeFacts, NodeName, RedirectUri};
use bus_engine::{EventIds, EventRef};
use prost_types::Timestamp;
use tonic::Status;

pub(crate) use self::config::{
    config_from_message, config_to_message, durability_to_message, settings_from_message,
};
pub(crate) use self::destination::{bearer_token, check_uri, standing_to_message};
pub(crate) use self::failure::failure;
pub(crate) use self::payload::{PayloadForm, event_field};
pub(crate) use self::placement::{placement_from_message, placement_to_message};
pub(crate) use self::push::{
    account_to_message, address_from_message, device_id, device_to_message, inlet_to_message, job_id,
    job_ids, job_state_from_message, job_to_message, push_message_from_message, queued_to_message,
};
pub(crate) use self::push_profile::{profile_config, profile_to_message, topic};
pub(crate) use self::subscription::{
    backlog_to_message, consumer_name, consumer_to_message, dead_letter_to_message, delivery_in_form,
    delivery_to_message, duration, gap_to_message, in_order, lease_result, leases, optional_ms,
    start_from_message, wish_from_message,
};
use crate::status::invalid_field;
use crate::v1;

/// A node's name.
pub(crate) fn node_name(field: &str, text: &str) -> Result<NodeName, Status> {
    NodeName::new(text).map_err(|problem| invalid_field(field, problem))
}

/// An item's id.
pub(crate) fn item_id(field: &str, text: &str) -> Result<ItemId, Status> {
    ItemId::new(text).map_err(|problem| invalid_field(field, problem))
}

/// Where a node has moved; empty is nowhere.
pub(crate) fn redirect_uri(field: &str, text: &str) -> Result<Option<RedirectUri>, Status> {
    let uri = (!text.is_empty()).then(|| RedirectUri::new(text));
    uri.transpose().map_err(|problem| invalid_field(field, problem))
}

/// A bare JID, normalised.
pub(crate) fn bare_jid(field: &str, text: &str) -> Result<BareJid, Status> {
    BareJid::new(text).map_err(|problem| invalid_field(field, format!("is not a bare JID: {problem}")))
}

/// A known value of an enum; 0, which stands for none, is `None`.
fn enum_value<Value: TryFrom<i32>>(field: &str, number: i32) -> Result<Option<Value>, Status> {
    if number == 0 {
        return Ok(None);
    }
    let unknown = |_| invalid_field(field, format!("has the value {number}, which is not known here"));
    Value::try_from(number).map(Some).map_err(unknown)
}

/// An event of a node, as readers see it.
pub(crate) fn event_to_message(
    ids: &EventIds,
    node: &NodeFacts,
    form: &PayloadForm,
    event: &Event,
) -> v1::Event {
    let kind = match event.kind {
        EventKind::Published { .. } => v1::EventKind::Published,
        EventKind::Retracted { .. } => v1::EventKind::Retracted,
        EventKind::Purged => v1::EventKind::NodePurged,
        EventKind::Configured => v1::EventKind::NodeConfigured,
        EventKind::Deleted { .. } => v1::EventKind::NodeDeleted,
        // Of collections, whose logs nobody reads.
        EventKind::Associated { .. } | EventKind::Dissociated { .. } | EventKind::Forwarded { .. } => {
            v1::EventKind::Unspecified
        }
    };
    v1::Event {
        node: node.name.as_str().to_owned(),
        epoch: node.epoch.0,
        seq: event.seq,
        kind: kind.into(),
        item_id: event.kind.item_id().map_or_else(String::new, |id| id.as_str().to_owned()),
        event_id: ids.event_id(EventRef { node: node.id, epoch: node.epoch, seq: event.seq }),
        publisher: event.publisher.to_string(),
        publish_time: Some(timestamp(event.published_at_ms)),
        payload: form.payload(node, event),
        redirect_uri: event.kind.redirect().map_or_else(String::new, RedirectUri::to_string),
    }
}

/// Milliseconds since 1970.
pub(crate) fn timestamp(since_1970_ms: i64) -> Timestamp {
    const NANOS_PER_MS: i32 = 1_000_000;
    let millis = i32::try_from(since_1970_ms.rem_euclid(1_000)).expect("a remainder of 1,000 fits");
    Timestamp { seconds: since_1970_ms.div_euclid(1_000), nanos: millis * NANOS_PER_MS }
}

/// A standing that a request must name.
pub(crate) fn affiliation_from_message(field: &str, number: i32) -> Result<Affiliation, Status> {
    Ok(match enum_value(field, number)? {
        None | Some(v1::Affiliation::Unspecified) => return Err(invalid_field(field, "must be set")),
        Some(v1::Affiliation::Owner) => Affiliation::Owner,
        Some(v1::Affiliation::Publisher) => Affiliation::Publisher,
        Some(v1::Affiliation::PublishOnly) => Affiliation::PublishOnly,
        Some(v1::Affiliation::Member) => Affiliation::Member,
        Some(v1::Affiliation::None) => Affiliation::None,
        Some(v1::Affiliation::Outcast) => Affiliation::Outcast,
    })
}

/// A standing.
pub(crate) fn affiliation_to_message(affiliation: Affiliation) -> v1::Affiliation {
    match affiliation {
        Affiliation::Owner => v1::Affiliation::Owner,
        Affiliation::Publisher => v1::Affiliation::Publisher,
        Affiliation::PublishOnly => v1::Affiliation::PublishOnly,
        Affiliation::Member => v1::Affiliation::Member,
        Affiliation::None => v1::Affiliation::None,
        Affiliation::Outcast => v1::Affiliation::Outcast,
    }
}

#[cfg(test)]
mod tests;
