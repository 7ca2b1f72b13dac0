use serde::{Deserialize, Serialize};

use crate::retention::{self, History, WhenUndeliveredFull};
use crate::{About, BusError, Limits, Relation, check_text};

mod children;
mod choices;

pub use children::ChildrenConfig;
pub use choices::{
    AccessModel, AssociationPolicy, Durability, MessageType, NodeType, ProcessingHint, PublishModel,
    SendLastItem, WhenItemsFull,
};

/// How a node behaves. Stored with the node as JSON; a field that an older daemon wrote without keeps its default.
///
/// A change of it is a list of [`Setting`](crate::Setting)s, of which there is one for each field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[expect(clippy::struct_excessive_bools, reason = "as XEP-0060 has them, one field of the form each")]
pub struct NodeConfig {
    /// Whether it has items or other nodes (`pubsub#node_type`). A collection stays one.
    pub node_type: NodeType,
    /// What a collection takes as its children.
    pub children: ChildrenConfig,
    /// Who may subscribe and retrieve (`pubsub#access_model`).
    pub access_model: AccessModel,
    /// The groups of its owners' rosters that [`AccessModel::Roster`] lets in (`pubsub#roster_groups_allowed`); none means
    /// nobody.
    pub roster_groups_allowed: Vec<String>,
    /// Who may publish (`pubsub#publish_model`).
    pub publish_model: PublishModel,
    /// Whether anybody may subscribe (`pubsub#subscribe`). Those who are subscribed stay so.
    pub allow_subscriptions: bool,
    /// Whether one address may have several subscriptions, told apart by their SubIDs (XEP-0060 §6.1.6). A subscription that
    /// was made without a SubID stays without.
    pub multi_subscribe: bool,
    /// Items kept, newest first (`pubsub#max_items`); at least 1. With [`Self::ITEMS_MAX_HIGHEST`] as many as the operator
    /// allows.
    pub items_max: u32,
    /// Bytes of a payload as XML (`pubsub#max_payload_size`); at least 1. `None` leaves it to the operator, whose bound
    /// holds in any case.
    pub payload_bytes_max: Option<u32>,
    /// Whether notifications carry the payload (`pubsub#deliver_payloads`).
    pub deliver_payloads: bool,
    /// Whether subscribers are sent items and retractions at all (`pubsub#deliver_notifications`). Without it they come
    /// and fetch, and the log has everything.
    pub deliver_notifications: bool,
    /// Whether only those subscribers are sent events who are known to be available (`pubsub#presence_based_delivery`).
    /// What others miss they see from the position before the next event, and can fetch.
    pub presence_based_delivery: bool,
    /// Whether all its subscriptions are temporary (`pubsub#tempsub`): each ends when its subscriber goes.
    pub temporary_subscriptions: bool,
    /// Whether the node is purged when the account goes that has published its newest item (`pubsub#purge_offline`).
    pub purge_when_publisher_goes: bool,
    /// Whether subscribers hear of a changed configuration (`pubsub#notify_config`).
    pub notify_config: bool,
    /// Whether subscribers hear that the node is gone (`pubsub#notify_delete`).
    pub notify_delete: bool,
    /// Whether owners are told who subscribes and who leaves (`pubsub#notify_sub`).
    pub notify_sub: bool,
    /// Whether subscribers hear of retractions that did not ask for it (`pubsub#notify_retract`).
    pub notify_retract: bool,
    /// When subscribers are sent the newest item (`pubsub#send_last_published_item`).
    pub send_last_item: SendLastItem,
    /// Whether items name the account that has published them (`pubsub#itemreply`).
    pub expose_publisher: bool,
    /// What becomes of an item for which there is no room (`pubsub#publish_node_full`).
    pub when_items_full: WhenItemsFull,
    /// The type of messages that carry notifications (`pubsub#notification_type`).
    pub message_type: MessageType,
    /// What servers are asked to do with notifications beside delivering them (XEP-0334).
    pub processing_hint: ProcessingHint,
    /// Whether items can be retrieved once they are published (`pubsub#persist_items`). Never on a node of
    /// [`Durability::Memory`]. This governs retrieval; `durability` governs the log.
    pub persist_items: bool,
    /// When a publish is acknowledged.
    pub durability: Durability,
    /// Seconds after which an item is gone by itself (`pubsub#item_expire`); `None` keeps it, otherwise at least 1.
    pub item_expire_seconds: Option<u32>,
    /// How far the log reaches back.
    pub history: History,
    /// What happens when too much of the log waits for its delivery.
    pub when_undelivered_full: WhenUndeliveredFull,
    /// What the node is about, for people and for clients.
    pub about: About,
    /// The node that it points at (XEP-0496). No setting changes it: it is settled together with the other node.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub relation: Option<Relation>,
}

impl NodeConfig {
    /// Groups that [`Self::roster_groups_allowed`] may name.
    pub const ROSTER_GROUPS_MAX: usize = 64;
    /// Bytes of the name of a group.
    pub const ROSTER_GROUP_BYTES_MAX: usize = 1_024;

    /// Items kept where nobody says otherwise.
    pub const ITEMS_MAX_DEFAULT: u32 = 1_000;

    /// As many items as the operator allows, however many that are (`max` of XEP-0060's `config-node-max`).
    pub const ITEMS_MAX_HIGHEST: u32 = u32::MAX;

    /// Checks what the configuration of a node must be like, whoever made it. It takes the place of `before`, of which
    /// everything may stay that a limit of the operator's is now below.
    pub fn check(&self, before: &Self, limits: &Limits) -> Result<(), BusError> {
        let stays = [before.items_max, Self::ITEMS_MAX_HIGHEST].contains(&self.items_max);
        if !stays && !(1..=limits.node_items_max).contains(&self.items_max) {
            let highest = limits.node_items_max;
            return Err(BusError::invalid_config(format!("items_max must be from 1 to {highest}")));
        }
        if self.payload_bytes_max == Some(0) {
            return Err(BusError::invalid_config("payload_bytes_max must be at least 1, or not set"));
        }
        if self.publish_model == PublishModel::Subscribers && self.is_transient() {
            return Err(BusError::invalid_config(
                "who is subscribed is looked up in the store, which a log in memory does without",
            ));
        }
        self.check_roster_groups()?;
        self.check_children(before, limits)?;
        self.about.check()?;
        retention::check(self)
    }

    /// Checks that the access model can be kept to: one that rosters decide only where they can be read. What takes the
    /// place of `before` may leave it as it was.
    pub fn check_access_model(&self, before: &Self, rosters_are_readable: bool) -> Result<(), BusError> {
        let is_new = self.access_model != before.access_model;
        if is_new && self.access_model.asks_rosters() && !rosters_are_readable {
            return Err(BusError::UnsupportedAccessModel);
        }
        Ok(())
    }

    fn check_roster_groups(&self) -> Result<(), BusError> {
        if self.roster_groups_allowed.len() > Self::ROSTER_GROUPS_MAX {
            let max = Self::ROSTER_GROUPS_MAX;
            return Err(BusError::invalid_config(format!("a node allows at most {max} groups of a roster")));
        }
        let mut groups = self.roster_groups_allowed.iter();
        groups.try_for_each(|group| {
            let checked = check_text(group, Self::ROSTER_GROUP_BYTES_MAX);
            checked.map_err(|error| BusError::invalid_config(format!("the name of a group {error}")))
        })
    }

    /// Items that the node keeps.
    pub fn items_max(&self, limits: &Limits) -> u32 {
        if self.persist_items { self.items_max.min(limits.node_items_max) } else { 0 }
    }

    /// Bytes that a payload may have.
    pub fn payload_bytes_max(&self, limits: &Limits) -> usize {
        let of_node = self.payload_bytes_max.and_then(|bytes| usize::try_from(bytes).ok());
        of_node.map_or(limits.payload_bytes_max, |bytes| bytes.min(limits.payload_bytes_max))
    }

    /// The configuration with what follows from the level of durability: what is never on disk cannot be retrieved
    /// (XEP-0060 §4.3, transient nodes), and the type of messages is a certain one. A collection keeps no items, and of
    /// what it forwards no more than its delivery needs: the logs of its leaves have it.
    #[must_use]
    pub fn settled(mut self) -> Self {
        self.persist_items &= !self.is_transient() && !self.is_collection();
        if self.is_collection() {
            self.history = History { events_max: Some(1), ..History::default() };
            self.when_undelivered_full = WhenUndeliveredFull::Gap;
        }
        self.message_type = if self.sends_headlines() { MessageType::Headline } else { MessageType::Normal };
        self
    }

    /// Whether the node tells only that something has happened: it keeps no items and sends no payloads, so none is
    /// published (XEP-0060 §4.3, §7.1.3.7).
    pub fn takes_no_items(&self) -> bool {
        !self.deliver_payloads && (!self.persist_items || self.is_transient())
    }

    /// Whether it has other nodes instead of items.
    pub fn is_collection(&self) -> bool {
        self.node_type == NodeType::Collection
    }

    /// Whether a publish for which there is no room does more than let the oldest items go.
    pub fn minds_when_full(&self) -> bool {
        self.when_items_full != WhenItemsFull::DiscardOldest && self.persist_items
    }

    /// Whether who subscribes is sent the newest item.
    pub fn sends_last_item(&self) -> bool {
        self.send_last_item != SendLastItem::Never && self.persist_items && self.deliver_notifications
    }

    /// Whether a subscriber who comes is sent the newest item.
    pub fn sends_last_item_on_presence(&self) -> bool {
        self.send_last_item == SendLastItem::OnSubscribeAndPresence && self.sends_last_item()
    }

    /// Whether the node's events live in memory alone.
    pub fn is_transient(&self) -> bool {
        self.durability == Durability::Memory
    }

    /// Whether subscribers hear of retractions, and so of purges, without anybody asking for it.
    pub fn notifies_of_retractions(&self) -> bool {
        self.notify_retract && self.deliver_notifications
    }

    /// Whether notifications go out as headlines.
    pub fn sends_headlines(&self) -> bool {
        match self.message_type {
            MessageType::Automatic => self.is_transient(),
            MessageType::Normal => false,
            MessageType::Headline => true,
        }
    }
}

impl Default for NodeConfig {
    fn default() -> Self {
        Self {
            node_type: NodeType::Leaf,
            children: ChildrenConfig::default(),
            access_model: AccessModel::Open,
            roster_groups_allowed: Vec::new(),
            publish_model: PublishModel::Publishers,
            allow_subscriptions: true,
            multi_subscribe: false,
            items_max: Self::ITEMS_MAX_DEFAULT,
            payload_bytes_max: None,
            deliver_payloads: true,
            deliver_notifications: true,
            presence_based_delivery: false,
            temporary_subscriptions: false,
            purge_when_publisher_goes: false,
            notify_config: false,
            notify_delete: true,
            notify_sub: false,
            notify_retract: false,
            send_last_item: SendLastItem::Never,
            expose_publisher: false,
            when_items_full: WhenItemsFull::DiscardOldest,
            message_type: MessageType::Automatic,
            processing_hint: ProcessingHint::None,
            persist_items: true,
            durability: Durability::Fsync,
            item_expire_seconds: None,
            history: History::default(),
            when_undelivered_full: WhenUndeliveredFull::Wait,
            about: About::default(),
            relation: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_configuration_of_an_older_daemon_keeps_its_meaning() {
        let stored = r#"{"access_model":"whitelist","publish_model":"open","items_max":7,"deliver_payloads":false,
                         "notify_retract":true,"durability":"fsync"}"#;
        let config: NodeConfig = serde_json::from_str(stored).unwrap();
        assert_eq!((config.access_model, config.items_max), (AccessModel::Whitelist, 7));
        assert_eq!((config.persist_items, config.durability), (true, Durability::Fsync));
    }

    #[test]
    fn hints_are_stored_under_their_names() {
        for hint in ProcessingHint::ALL {
            assert_eq!(serde_json::to_value(hint).unwrap(), hint.as_str());
        }
    }

    #[test]
    fn a_model_that_rosters_decide_wants_rosters_and_may_outlive_them() {
        let open = NodeConfig::default();
        for access_model in [AccessModel::Presence, AccessModel::Roster] {
            let closed = NodeConfig { access_model, ..NodeConfig::default() };
            assert_eq!(closed.check_access_model(&open, true), Ok(()));
            assert_eq!(closed.check_access_model(&open, false), Err(BusError::UnsupportedAccessModel));
            assert_eq!(closed.check_access_model(&closed, false), Ok(()), "it was so");
            assert_eq!(open.check_access_model(&closed, false), Ok(()));
        }
    }

    #[test]
    fn groups_are_few_and_can_be_written_as_xml() {
        let with = |groups: Vec<&str>| {
            let roster_groups_allowed = groups.into_iter().map(str::to_owned).collect();
            let config = NodeConfig { roster_groups_allowed, ..NodeConfig::default() };
            config.check(&NodeConfig::default(), &Limits::default())
        };
        assert_eq!(with(vec!["Friends"; NodeConfig::ROSTER_GROUPS_MAX]), Ok(()));
        for wrong in [vec!["Friends"; NodeConfig::ROSTER_GROUPS_MAX + 1], vec!["\u{1}"]] {
            assert!(matches!(with(wrong), Err(BusError::InvalidConfig { .. })));
        }
    }

    #[test]
    fn levels_are_stored_under_their_names() {
        for durability in Durability::ALL {
            let stored = serde_json::to_value(durability).unwrap();
            assert_eq!(stored, durability.as_str());
        }
    }
}
