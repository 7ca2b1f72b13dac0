use std::collections::HashSet;
use std::hash::Hash;

use jid::Jid;

use crate::retention::WhenUndeliveredFull;
use crate::{
    AccessModel, AssociationPolicy, Durability, MessageType, NodeConfig, NodeType, ProcessingHint,
    PublishModel, SendLastItem, WhenItemsFull,
};

/// One field of a node's configuration with its value: to be set, or to be compared with what is set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Setting {
    /// See [`NodeConfig::node_type`].
    NodeType(NodeType),
    /// See [`ChildrenConfig::max`](crate::ChildrenConfig::max).
    ChildrenMax(Option<u32>),
    /// See [`ChildrenConfig::association_policy`](crate::ChildrenConfig::association_policy).
    AssociationPolicy(AssociationPolicy),
    /// See [`ChildrenConfig::association_whitelist`](crate::ChildrenConfig::association_whitelist).
    AssociationWhitelist(Vec<Jid>),
    /// See [`NodeConfig::access_model`].
    AccessModel(AccessModel),
    /// See [`NodeConfig::roster_groups_allowed`].
    RosterGroupsAllowed(Vec<String>),
    /// See [`NodeConfig::publish_model`].
    PublishModel(PublishModel),
    /// See [`NodeConfig::allow_subscriptions`].
    AllowSubscriptions(bool),
    /// See [`NodeConfig::multi_subscribe`].
    MultiSubscribe(bool),
    /// See [`NodeConfig::items_max`].
    ItemsMax(u32),
    /// See [`NodeConfig::payload_bytes_max`].
    PayloadBytesMax(Option<u32>),
    /// See [`NodeConfig::deliver_payloads`].
    DeliverPayloads(bool),
    /// See [`NodeConfig::deliver_notifications`].
    DeliverNotifications(bool),
    /// See [`NodeConfig::presence_based_delivery`].
    PresenceBasedDelivery(bool),
    /// See [`NodeConfig::temporary_subscriptions`].
    TemporarySubscriptions(bool),
    /// See [`NodeConfig::purge_when_publisher_goes`].
    PurgeWhenPublisherGoes(bool),
    /// See [`NodeConfig::notify_config`].
    NotifyConfig(bool),
    /// See [`NodeConfig::notify_delete`].
    NotifyDelete(bool),
    /// See [`NodeConfig::notify_sub`].
    NotifySub(bool),
    /// See [`NodeConfig::notify_retract`].
    NotifyRetract(bool),
    /// See [`NodeConfig::send_last_item`].
    SendLastItem(SendLastItem),
    /// See [`NodeConfig::expose_publisher`].
    ExposePublisher(bool),
    /// See [`NodeConfig::when_items_full`].
    WhenItemsFull(WhenItemsFull),
    /// See [`NodeConfig::message_type`].
    MessageType(MessageType),
    /// See [`NodeConfig::processing_hint`].
    ProcessingHint(ProcessingHint),
    /// See [`NodeConfig::persist_items`].
    PersistItems(bool),
    /// See [`NodeConfig::durability`].
    Durability(Durability),
    /// See [`NodeConfig::item_expire_seconds`].
    ItemExpireSeconds(Option<u32>),
    /// See [`History::events_max`](crate::retention::History::events_max).
    HistoryEventsMax(Option<u64>),
    /// See [`History::age_seconds_max`](crate::retention::History::age_seconds_max).
    HistoryAgeSecondsMax(Option<u64>),
    /// See [`History::bytes_max`](crate::retention::History::bytes_max).
    HistoryBytesMax(Option<u64>),
    /// See [`NodeConfig::when_undelivered_full`].
    WhenUndeliveredFull(WhenUndeliveredFull),
    /// See [`About::title`](crate::About::title).
    Title(Option<String>),
    /// See [`About::description`](crate::About::description).
    Description(Option<String>),
    /// See [`About::language`](crate::About::language).
    Language(Option<String>),
    /// See [`About::payload_type`](crate::About::payload_type).
    PayloadType(Option<String>),
    /// See [`About::contacts`](crate::About::contacts).
    Contacts(Vec<Jid>),
}

impl NodeConfig {
    /// The configuration with these fields set; the others stay.
    #[must_use]
    pub fn with(&self, settings: &[Setting]) -> Self {
        let mut config = self.clone();
        for setting in settings {
            config.set(setting.clone());
        }
        config
    }

    /// Whether all of these fields have these values (XEP-0060 §7.1.5).
    pub fn meets(&self, preconditions: &[Setting]) -> bool {
        preconditions.is_empty() || {
            let settled = self.clone().settled();
            settled.with(preconditions) == settled
        }
    }

    fn set(&mut self, setting: Setting) {
        let (history, about) = (&mut self.history, &mut self.about);
        match setting {
            Setting::NodeType(value) => self.node_type = value,
            Setting::ChildrenMax(value) => self.children.max = value,
            Setting::AssociationPolicy(value) => self.children.association_policy = value,
            Setting::AssociationWhitelist(value) => {
                self.children.association_whitelist = without_repeats(value);
            }
            Setting::AccessModel(value) => self.access_model = value,
            Setting::RosterGroupsAllowed(value) => self.roster_groups_allowed = without_repeats(value),
            Setting::PublishModel(value) => self.publish_model = value,
            Setting::AllowSubscriptions(value) => self.allow_subscriptions = value,
            Setting::MultiSubscribe(value) => self.multi_subscribe = value,
            Setting::ItemsMax(value) => self.items_max = value,
            Setting::PayloadBytesMax(value) => self.payload_bytes_max = value,
            Setting::DeliverPayloads(value) => self.deliver_payloads = value,
            Setting::DeliverNotifications(value) => self.deliver_notifications = value,
            Setting::PresenceBasedDelivery(value) => self.presence_based_delivery = value,
            Setting::TemporarySubscriptions(value) => self.temporary_subscriptions = value,
            Setting::PurgeWhenPublisherGoes(value) => self.purge_when_publisher_goes = value,
            Setting::NotifyConfig(value) => self.notify_config = value,
            Setting::NotifyDelete(value) => self.notify_delete = value,
            Setting::NotifySub(value) => self.notify_sub = value,
            Setting::NotifyRetract(value) => self.notify_retract = value,
            Setting::SendLastItem(value) => self.send_last_item = value,
            Setting::ExposePublisher(value) => self.expose_publisher = value,
            Setting::WhenItemsFull(value) => self.when_items_full = value,
            Setting::MessageType(value) => self.message_type = value,
            Setting::ProcessingHint(value) => self.processing_hint = value,
            Setting::PersistItems(value) => self.persist_items = value,
            Setting::Durability(value) => self.durability = value,
            Setting::ItemExpireSeconds(value) => self.item_expire_seconds = value,
            Setting::HistoryEventsMax(value) => history.events_max = value,
            Setting::HistoryAgeSecondsMax(value) => history.age_seconds_max = value,
            Setting::HistoryBytesMax(value) => history.bytes_max = value,
            Setting::WhenUndeliveredFull(value) => self.when_undelivered_full = value,
            Setting::Title(value) => about.title = value,
            Setting::Description(value) => about.description = value,
            Setting::Language(value) => about.language = value,
            Setting::PayloadType(value) => about.payload_type = value,
            Setting::Contacts(value) => about.contacts = without_repeats(value),
        }
    }
}

fn without_repeats<Value: Clone + Eq + Hash>(values: Vec<Value>) -> Vec<Value> {
    let mut seen = HashSet::new();
    values.into_iter().filter(|value| seen.insert(value.clone())).collect()
}

impl Setting {
    /// About how many bytes the value takes; for bounds.
    pub fn weight_bytes(&self) -> usize {
        match self {
            Self::Title(text) | Self::Description(text) | Self::Language(text) | Self::PayloadType(text) => {
                text.as_ref().map_or(0, String::len)
            }
            Self::RosterGroupsAllowed(groups) => groups.iter().map(String::len).sum(),
            Self::Contacts(contacts) | Self::AssociationWhitelist(contacts) => {
                contacts.iter().map(|contact| contact.as_str().len()).sum()
            }
            _ => size_of::<Self>(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::retention::History;

    #[test]
    fn a_precondition_is_met_by_what_the_node_does() {
        let memory = NodeConfig { durability: Durability::Memory, ..NodeConfig::default() }.settled();
        assert!(!memory.meets(&[Setting::PersistItems(true)]), "whatever is asked of it");
        assert!(memory.meets(&[Setting::PersistItems(false), Setting::MessageType(MessageType::Headline)]));
        assert!(NodeConfig::default().meets(&[Setting::MessageType(MessageType::Normal)]));
        assert!(!NodeConfig::default().meets(&[Setting::MessageType(MessageType::Headline)]));
        let contact = Jid::new("a@example.org").unwrap();
        let one = NodeConfig::default().with(&[Setting::Contacts(vec![contact.clone(); 2])]);
        assert!(one.meets(&[Setting::Contacts(vec![contact])]));
    }

    #[test]
    fn what_is_not_set_stays() {
        let config = NodeConfig { items_max: 7, notify_retract: true, ..NodeConfig::default() };
        let settings = [Setting::ItemsMax(9), Setting::HistoryEventsMax(None), Setting::ItemsMax(8)];
        let history = History { events_max: None, ..History::default() };
        assert_eq!(config.with(&settings), NodeConfig { items_max: 8, history, ..config });
    }
}
