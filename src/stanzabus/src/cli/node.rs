//! `stanzabus node`.

use clap::{Args, Subcommand, ValueEnum};
use jid::{BareJid, Jid};

use super::ActAs;

/// `stanzabus node …`
#[derive(Debug, Subcommand)]
pub(crate) enum NodeCommand {
    /// Make a node; you own it.
    Create(CreateArguments),
    /// Change how a node behaves: what you name, and nothing else. Prints how it is then, as JSON.
    Configure(Box<ConfigureArguments>),
    /// Remove a node with everything in it; its subscribers are told.
    Delete {
        /// The node.
        node: String,
        /// Where the node is from now on; its subscribers hear of it, and who asks for it later.
        #[arg(long, value_name = "URI")]
        redirect: Option<String>,
        /// As whom.
        #[command(flatten)]
        act_as: ActAs,
    },
    /// Remove all items of a node; the node stays.
    Purge {
        /// The node.
        node: String,
        /// As whom.
        #[command(flatten)]
        act_as: ActAs,
    },
    /// Print the nodes that you may see, one JSON object per line.
    List,
    /// Print a node's configuration and the head of its log as JSON.
    Show {
        /// The node.
        node: String,
    },
    /// Print a node's items, oldest first, one JSON object per line.
    Items(ItemsArguments),
    /// Give somebody a standing on a node.
    Affiliate {
        /// The node.
        node: String,
        /// Whom: a bare JID. A gRPC principal is name@<component domain>.
        jid: BareJid,
        /// What they are from now on.
        affiliation: Affiliation,
    },
    /// Print who has which standing on a node of yours, one JSON object per line.
    Affiliations {
        /// The node.
        node: String,
    },
    /// Print who is subscribed over XMPP to a node of yours, one JSON object per line.
    Subscribers {
        /// The node.
        node: String,
        /// Those who wait for your approval instead.
        #[arg(long)]
        pending: bool,
    },
    /// Approve somebody who waits, or end somebody's subscription over XMPP.
    Subscriber {
        /// The node.
        node: String,
        /// Whom: the JID that is subscribed.
        jid: Jid,
        /// What they are from now on.
        state: SubscriberWish,
    },
    /// Take items back; all of them or none.
    Retract {
        /// The node.
        node: String,
        /// The items' ids.
        #[arg(required = true)]
        items: Vec<String>,
    },
    /// Say which nodes a node is among: what you name, and nothing else.
    Place(PlaceArguments),
}

/// `stanzabus node place`
#[derive(Debug, Args)]
pub(crate) struct PlaceArguments {
    /// The node.
    pub(crate) node: String,
    /// A collection that it is in (XEP-0248); once for each, and an empty one for none.
    #[arg(long = "collection", value_name = "NODE")]
    pub(crate) collections: Option<Vec<String>>,
    /// A node of this collection; once for each, and an empty one for none.
    #[arg(long = "child", value_name = "NODE")]
    pub(crate) children: Option<Vec<String>>,
    /// The node that it is about, and goes with (XEP-0496); an empty one for none.
    #[arg(long, value_name = "NODE")]
    pub(crate) link: Option<String>,
    /// The node that it is below: who may not use that may not use it, and it goes with it; an empty one for none.
    #[arg(long, value_name = "NODE")]
    pub(crate) parent: Option<String>,
}

/// What somebody's subscription is to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum SubscriberWish {
    /// Events are sent.
    Subscribed,
    /// There is none.
    None,
}

/// `stanzabus node create`
#[derive(Debug, Args)]
pub(crate) struct CreateArguments {
    /// The name: any text of at most 1023 bytes.
    pub(crate) node: String,
    /// Who may subscribe and read [default: open].
    #[arg(long, conflicts_with = "jid")]
    pub(crate) access_model: Option<AccessModel>,
    /// Who may publish [default: publishers].
    #[arg(long, conflicts_with = "jid")]
    pub(crate) publish_model: Option<PublishModel>,
    /// How many items the node keeps, newest first [default: 1000].
    #[arg(long, conflicts_with = "jid", value_name = "N")]
    pub(crate) items_max: Option<u32>,
    /// Tell subscribers of every retraction.
    #[arg(long, conflicts_with = "jid")]
    pub(crate) notify_retract: bool,
    /// What holds when a publish is answered [default: fsync].
    #[arg(long, conflicts_with = "jid", value_name = "LEVEL")]
    pub(crate) durability: Option<Durability>,
    /// Keep no items: events are sent and logged, and there is nothing to list or to take back.
    #[arg(long, conflicts_with = "jid")]
    pub(crate) no_persist_items: bool,
    /// What goes by itself, and when.
    #[command(flatten)]
    pub(crate) retention: RetentionArguments,
    /// What is of XMPP alone.
    #[command(flatten)]
    pub(crate) xmpp: XmppArguments,
    /// As whom.
    #[command(flatten)]
    pub(crate) act_as: ActAs,
}

/// `stanzabus node configure`: what is not named stays as it is.
#[derive(Debug, Args)]
pub(crate) struct ConfigureArguments {
    /// The node.
    pub(crate) node: String,
    /// Who may subscribe and read.
    #[arg(long)]
    pub(crate) access_model: Option<AccessModel>,
    /// Who may publish.
    #[arg(long)]
    pub(crate) publish_model: Option<PublishModel>,
    /// Whether anybody may subscribe; those who are subscribed stay so.
    #[arg(long, value_name = "BOOL")]
    pub(crate) allow_subscriptions: Option<bool>,
    /// Whether one XMPP address may have several subscriptions.
    #[arg(long, value_name = "BOOL")]
    pub(crate) multi_subscribe: Option<bool>,
    /// How many items the node keeps, newest first.
    #[arg(long, value_name = "N")]
    pub(crate) items_max: Option<u32>,
    /// Whether items stay on the node, to be listed and taken back.
    #[arg(long, value_name = "BOOL")]
    pub(crate) persist_items: Option<bool>,
    /// Remove items after so many seconds; 0 keeps them.
    #[arg(long, value_name = "SECONDS")]
    pub(crate) item_expire_seconds: Option<u32>,
    /// Bytes that a payload may have; 0 leaves it to the daemon's limit.
    #[arg(long, value_name = "BYTES")]
    pub(crate) payload_bytes_max: Option<u32>,
    /// Whether subscribers are sent items and retractions at all.
    #[arg(long, value_name = "BOOL")]
    pub(crate) deliver_notifications: Option<bool>,
    /// Whether notifications carry the payload.
    #[arg(long, value_name = "BOOL")]
    pub(crate) deliver_payloads: Option<bool>,
    /// Tell subscribers of a changed configuration.
    #[arg(long, value_name = "BOOL")]
    pub(crate) notify_config: Option<bool>,
    /// Tell subscribers that the node is gone.
    #[arg(long, value_name = "BOOL")]
    pub(crate) notify_delete: Option<bool>,
    /// Tell subscribers of every retraction.
    #[arg(long, value_name = "BOOL")]
    pub(crate) notify_retract: Option<bool>,
    /// Tell owners who subscribes and who leaves.
    #[arg(long, value_name = "BOOL")]
    pub(crate) notify_sub: Option<bool>,
    /// Send who subscribes the newest item.
    #[arg(long, value_name = "BOOL")]
    pub(crate) send_last_item: Option<bool>,
    /// Name in each item the account that has published it.
    #[arg(long, value_name = "BOOL")]
    pub(crate) expose_publisher: Option<bool>,
    /// What becomes of an item for which there is no room.
    #[arg(long, value_name = "CHOICE")]
    pub(crate) when_items_full: Option<WhenItemsFull>,
    /// What holds when a publish is answered; a log stays in memory or on disk.
    #[arg(long, value_name = "LEVEL")]
    pub(crate) durability: Option<Durability>,
    /// Events that the log keeps, newest first; 0 is no bound.
    #[arg(long, value_name = "N")]
    pub(crate) history_events_max: Option<u64>,
    /// Bytes of payload that the log keeps, newest first; 0 is no bound.
    #[arg(long, value_name = "BYTES")]
    pub(crate) history_bytes_max: Option<u64>,
    /// Seconds for which the log keeps an event; 0 is no bound.
    #[arg(long, value_name = "SECONDS")]
    pub(crate) history_age_seconds_max: Option<u64>,
    /// What happens when too many events wait for their delivery.
    #[arg(long)]
    pub(crate) when_undelivered_full: Option<WhenUndeliveredFull>,
    /// A group of its owners' rosters that the access model roster lets in; once for each, and an empty one for none.
    #[arg(long = "roster-group", value_name = "NAME")]
    pub(crate) roster_groups: Option<Vec<String>>,
    /// Whether events go only to XMPP users who are known to be available.
    #[arg(long, value_name = "BOOL")]
    pub(crate) presence_based_delivery: Option<bool>,
    /// What XMPP servers are asked to do with notifications beside delivering them.
    #[arg(long, value_name = "HINT")]
    pub(crate) processing_hint: Option<ProcessingHint>,
    /// A short name for people; an empty one removes it.
    #[arg(long)]
    pub(crate) title: Option<String>,
    /// What the node is for; an empty text removes it.
    #[arg(long)]
    pub(crate) description: Option<String>,
}

/// Bounds of a new node's items and log. The log keeps an event while it is within all three bounds of its history,
/// and longer while it waits for its delivery.
#[derive(Debug, Args)]
pub(crate) struct RetentionArguments {
    /// Remove items after so many seconds; 0 keeps them [default: 0].
    #[arg(long, conflicts_with = "jid", value_name = "SECONDS")]
    pub(crate) item_expire_seconds: Option<u32>,
    /// Events that the log keeps, newest first; 0 is no bound [default: 100000].
    #[arg(long, conflicts_with = "jid", value_name = "N")]
    pub(crate) history_events_max: Option<u64>,
    /// Bytes of payload that the log keeps, newest first; 0 is no bound [default: 268435456, 256 MiB].
    #[arg(long, conflicts_with = "jid", value_name = "BYTES")]
    pub(crate) history_bytes_max: Option<u64>,
    /// Seconds for which the log keeps an event; 0 is no bound [default: 604800, 7 days].
    #[arg(long, conflicts_with = "jid", value_name = "SECONDS")]
    pub(crate) history_age_seconds_max: Option<u64>,
    /// What happens when too many events wait for their delivery [default: wait].
    #[arg(long, conflicts_with = "jid")]
    pub(crate) when_undelivered_full: Option<WhenUndeliveredFull>,
}

/// What of a new node only XMPP users notice.
#[derive(Debug, Args)]
pub(crate) struct XmppArguments {
    /// A group of its owners' rosters that the access model roster lets in; once for each [default: none].
    #[arg(long = "roster-group", conflicts_with = "jid", value_name = "NAME")]
    pub(crate) roster_groups: Option<Vec<String>>,
    /// Events go only to XMPP users who are known to be available.
    #[arg(long, conflicts_with = "jid")]
    pub(crate) presence_based_delivery: bool,
    /// What XMPP servers are asked to do with notifications beside delivering them [default: none].
    #[arg(long, conflicts_with = "jid", value_name = "HINT")]
    pub(crate) processing_hint: Option<ProcessingHint>,
}

/// `stanzabus node items`
#[derive(Debug, Args)]
pub(crate) struct ItemsArguments {
    /// The node.
    pub(crate) node: String,
    /// At most so many: the newest, or with --after the first ones.
    #[arg(long, value_name = "N")]
    pub(crate) items_max: Option<u32>,
    /// Only items behind this event: an `event_id` that was printed before.
    #[arg(long, value_name = "EVENT-ID")]
    pub(crate) after: Option<String>,
    /// As whom.
    #[command(flatten)]
    pub(crate) act_as: ActAs,
}

/// Who may subscribe and read (`pubsub#access_model`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum AccessModel {
    /// Everyone but outcasts.
    Open,
    /// Members, publishers and owners, and subscribers whom an owner has approved.
    Authorize,
    /// Members, publishers and owners.
    Whitelist,
    /// They, and XMPP users who are subscribed to the presence of an owner.
    Presence,
    /// They, and XMPP users in an allowed group of an owner's roster.
    Roster,
}

/// Who may publish (`pubsub#publish_model`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum PublishModel {
    /// Owners, publishers and publish-only.
    Publishers,
    /// They, and whoever is subscribed.
    Subscribers,
    /// Everyone but outcasts.
    Open,
}

/// What holds when a publish is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Durability {
    /// It is on disk, synced.
    Fsync,
    /// It is committed; a crash of the machine or of the database may lose it.
    Relaxed,
    /// It is in memory: fastest, nothing is stored, and a restart loses what was not delivered.
    Memory,
}

/// What becomes of an item for which there is no room (XEP-0060 §7.1.2.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum WhenItemsFull {
    /// The oldest items go, and nobody is told.
    DiscardOldest,
    /// The oldest items are taken back, and subscribers are told.
    RetractOldest,
    /// It is refused.
    Reject,
}

/// What happens when too many events wait for their delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum WhenUndeliveredFull {
    /// Publishers are told to come again later.
    Wait,
    /// The oldest events outside the history go undelivered, and subscribers see the gap.
    Gap,
}

/// What servers are asked to do with notifications (XEP-0334).
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ProcessingHint {
    /// Nothing.
    None,
    /// Keep them.
    Store,
    /// Keep them nowhere, not even for users who are away.
    NoStore,
    /// Keep them for users who are away, and no longer.
    NoPermanentStore,
}

/// A standing on a node (XEP-0060 §4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Affiliation {
    /// May do everything.
    Owner,
    /// May publish, subscribe and read.
    Publisher,
    /// May publish and not read.
    PublishOnly,
    /// May subscribe and read.
    Member,
    /// Nothing of their own.
    None,
    /// Banned.
    Outcast,
}
