use serde::{Deserialize, Serialize};

/// XEP-0060 §4.5.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AccessModel {
    /// Everyone but outcasts.
    Open,
    /// Whoever is subscribed to the presence of an owner, going by the owner's roster.
    Presence,
    /// Whoever stands in an allowed group of an owner's roster.
    Roster,
    /// Whoever an owner lets subscribe.
    Authorize,
    /// Members, publishers and owners.
    Whitelist,
}

impl AccessModel {
    /// Every model, for tables.
    pub const ALL: [Self; 5] = [Self::Open, Self::Presence, Self::Roster, Self::Authorize, Self::Whitelist];

    /// The value of `pubsub#access_model`; the stored configuration uses it too.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Presence => "presence",
            Self::Roster => "roster",
            Self::Authorize => "authorize",
            Self::Whitelist => "whitelist",
        }
    }

    /// Whether the rosters of a node's owners decide.
    pub fn asks_rosters(self) -> bool {
        matches!(self, Self::Presence | Self::Roster)
    }
}

/// XEP-0248, `pubsub#node_type`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NodeType {
    /// It has items.
    #[default]
    Leaf,
    /// It has other nodes, and no items.
    Collection,
}

impl NodeType {
    /// Every type, for tables.
    pub const ALL: [Self; 2] = [Self::Leaf, Self::Collection];

    /// The value of `pubsub#node_type`; the stored configuration uses it too.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Leaf => "leaf",
            Self::Collection => "collection",
        }
    }
}

/// XEP-0248, `pubsub#children_association_policy`: who may make a node of its own a child of the collection.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AssociationPolicy {
    /// Everybody.
    All,
    /// The collection's owners.
    #[default]
    Owners,
    /// They, and whoever is on a list.
    Whitelist,
}

impl AssociationPolicy {
    /// Every policy, for tables.
    pub const ALL: [Self; 3] = [Self::All, Self::Owners, Self::Whitelist];

    /// The value of `pubsub#children_association_policy`; the stored configuration uses it too.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Owners => "owners",
            Self::Whitelist => "whitelist",
        }
    }
}

/// XEP-0060 §16.4.4, `pubsub#publish_model`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PublishModel {
    /// Owners, publishers and publish-only.
    Publishers,
    /// They, and whoever is subscribed.
    Subscribers,
    /// Everyone but outcasts.
    Open,
}

impl PublishModel {
    /// Every model, for tables.
    pub const ALL: [Self; 3] = [Self::Publishers, Self::Subscribers, Self::Open];

    /// The value of `pubsub#publish_model`; the stored configuration uses it too.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Publishers => "publishers",
            Self::Subscribers => "subscribers",
            Self::Open => "open",
        }
    }
}

/// XEP-0060 §16.4.4, `pubsub#notification_type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MessageType {
    /// `normal`, which servers keep for users who are away; `headline` on a node of [`Durability::Memory`], where there
    /// is nothing to come back to.
    Automatic,
    /// Kept for users who are away.
    Normal,
    /// Gone for users who are away.
    Headline,
}

impl MessageType {
    /// Every type, for tables.
    pub const ALL: [Self; 3] = [Self::Automatic, Self::Normal, Self::Headline];

    /// The stored configuration's name of it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Automatic => "automatic",
            Self::Normal => "normal",
            Self::Headline => "headline",
        }
    }
}

/// XEP-0060 §16.4.4, `pubsub#send_last_published_item`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SendLastItem {
    /// To nobody.
    Never,
    /// To those who subscribe, or are approved.
    OnSubscribe,
    /// To them, and to each resource of a subscriber that becomes available.
    OnSubscribeAndPresence,
}

impl SendLastItem {
    /// Every choice, for tables.
    pub const ALL: [Self; 3] = [Self::Never, Self::OnSubscribe, Self::OnSubscribeAndPresence];

    /// The value of `pubsub#send_last_published_item`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Never => "never",
            Self::OnSubscribe => "on_sub",
            Self::OnSubscribeAndPresence => "on_sub_and_presence",
        }
    }
}

/// XEP-0060 §7.1.3.4, `pubsub#publish_node_full`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WhenItemsFull {
    /// The oldest items go, and nobody is told.
    DiscardOldest,
    /// The oldest items are taken back, and subscribers are told.
    RetractOldest,
    /// It is refused.
    Reject,
}

impl WhenItemsFull {
    /// Every choice, for tables.
    pub const ALL: [Self; 3] = [Self::DiscardOldest, Self::RetractOldest, Self::Reject];

    /// The value of `pubsub#publish_node_full`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::DiscardOldest => "discard-oldest",
            Self::RetractOldest => "retract-oldest",
            Self::Reject => "reject",
        }
    }
}

/// XEP-0334: what whoever archives messages is asked to do with a node's notifications. They have no body, so most
/// archives keep them only when they are asked to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProcessingHint {
    /// Nothing is asked.
    None,
    /// Keep them.
    Store,
    /// Keep them nowhere, not even for users who are away.
    NoStore,
    /// Keep them for users who are away, and no longer.
    NoPermanentStore,
}

impl ProcessingHint {
    /// Every hint, for tables.
    pub const ALL: [Self; 4] = [Self::None, Self::Store, Self::NoStore, Self::NoPermanentStore];

    /// The name of XEP-0334's element, or `none`; the stored configuration uses it too.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Store => "store",
            Self::NoStore => "no-store",
            Self::NoPermanentStore => "no-permanent-store",
        }
    }
}

/// What holds when a publish is acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Durability {
    /// The transaction is committed and synced to disk.
    Fsync,
    /// The transaction is committed; a crash of the machine or of the database may still lose it. The log then goes
    /// on in a new epoch.
    Relaxed,
    /// The event is in this process's memory and goes out from there. It has no row; each start is a new epoch.
    Memory,
}

impl Durability {
    /// Every level, for tables.
    pub const ALL: [Self; 3] = [Self::Fsync, Self::Relaxed, Self::Memory];

    /// The name on the command line, in metrics and in the stored configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Fsync => "fsync",
            Self::Relaxed => "relaxed",
            Self::Memory => "memory",
        }
    }

    /// The level of this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|level| level.as_str() == name)
    }
}
