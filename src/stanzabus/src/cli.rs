//! The command line. The help texts are the manual.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use jid::{BareJid, Jid};

/// A durable event bus on XMPP.
///
/// The daemon (`serve`) attaches to an XMPP server as an external component and serves publish-subscribe nodes to
/// XMPP users and gRPC clients. The other commands set it up, check it, or talk to the running daemon.
#[derive(Debug, Parser)]
#[command(name = "stanzabus", version, max_term_width = 110)]
pub(crate) struct Cli {
    /// The configuration file. Relative paths inside it count from its folder. Each key can also be set by an
    /// environment variable, for example `STANZABUS_XMPP__SECRET`.
    #[arg(long, global = true, value_name = "FILE", default_value = "stanzabus.toml")]
    pub(crate) config: PathBuf,
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Write a commented configuration, a component secret and a token for this command line.
    Init(InitArguments),
    /// Look at the configuration.
    Config {
        /// How.
        #[command(subcommand)]
        command: ConfigCommand,
    },
    /// Run the daemon until SIGTERM or SIGINT.
    Serve,
    /// Check everything that can be wrong, one line each, and say how to mend it.
    Doctor {
        /// Also walk discovery, subscription, publish and notification as this user.
        #[command(flatten)]
        act_as: ActAs,
    },
    /// Make, empty, remove, list and show nodes.
    Node {
        /// What to do with them.
        #[command(subcommand)]
        command: NodeCommand,
    },
    /// Publish one item; prints its position as JSON once it is on disk, or as safe as the node's durability promises.
    Pub(PubArguments),
    /// Print a node's events as they come, one JSON object per line.
    Tail(TailArguments),
    /// Make, list and revoke the tokens of gRPC callers. The daemon notices within a second.
    Token {
        /// What to do with them.
        #[command(subcommand)]
        command: TokenCommand,
    },
}

/// `stanzabus token …`
#[derive(Debug, Subcommand)]
pub(crate) enum TokenCommand {
    /// Make a token and print it, once and for all: only its hash is kept.
    Create {
        /// Who will call with it, as the JID principal@<component domain>. A principal may have several.
        principal: String,
        /// After how many days it counts no longer [default: it always counts].
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=36_500))]
        expires_days: Option<u32>,
    },
    /// Print the tokens without what makes them tokens, one JSON object per line.
    List,
    /// End a token: calls with it are refused, and its streams end.
    Revoke {
        /// Its id, as `list` shows it.
        id: String,
    },
}

/// `stanzabus config …`
#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Read it as `serve` would, and say the first thing that is wrong.
    Check,
}

/// `stanzabus init`
#[derive(Debug, Args)]
pub(crate) struct InitArguments {
    /// The domain of the component: a subdomain of the XMPP server's, for example events.example.org.
    #[arg(long)]
    pub(crate) domain: String,
    /// Where the XMPP server listens for components.
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:5347")]
    pub(crate) server: String,
    /// Where events are kept: `sqlite:PATH` or `postgres://user@host/database`.
    #[arg(long, value_name = "URL", default_value = "sqlite:stanzabus.db")]
    pub(crate) store: String,
    /// Where to listen for gRPC.
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:50051")]
    pub(crate) grpc_listen: SocketAddr,
    /// Where to listen for /metrics, /livez and /readyz.
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:9464")]
    pub(crate) http_listen: SocketAddr,
    /// Replace files that are there already; the old secret and token are lost.
    #[arg(long)]
    pub(crate) force: bool,
}

/// Acting as an XMPP user instead of over gRPC.
#[derive(Debug, Clone, Args)]
pub(crate) struct ActAs {
    /// Log in to the XMPP server as this user and speak XMPP instead of gRPC. The password comes from
    /// --password-file or from the environment variable `STANZABUS_PASSWORD`.
    #[arg(long = "as", value_name = "JID")]
    pub(crate) jid: Option<Jid>,
    /// A file with the user's password in its first line.
    #[arg(long, value_name = "FILE", requires = "jid")]
    pub(crate) password_file: Option<PathBuf>,
    /// Connect here instead of asking DNS. On this machine also without TLS, elsewhere with TLS.
    #[arg(long, value_name = "HOST:PORT", requires = "jid")]
    pub(crate) xmpp_server: Option<String>,
    /// The bus's domain [default: that of the configuration].
    #[arg(long, value_name = "DOMAIN", requires = "jid")]
    pub(crate) service: Option<BareJid>,
}

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
    /// Refuse a publish for which there is no room, instead of removing the oldest items.
    #[arg(long, value_name = "BOOL")]
    pub(crate) reject_when_items_full: Option<bool>,
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

/// `stanzabus pub`
#[derive(Debug, Args)]
pub(crate) struct PubArguments {
    /// The node.
    pub(crate) node: String,
    /// The payload.
    #[command(flatten)]
    pub(crate) payload: PayloadArguments,
    /// The item's id; publishing again under an id replaces the item [default: a new one].
    #[arg(long, value_name = "ITEM-ID")]
    pub(crate) id: Option<String>,
    /// As whom.
    #[command(flatten)]
    pub(crate) act_as: ActAs,
}

/// Where the payload is: one of them.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(crate) struct PayloadArguments {
    /// The payload: one XML element.
    #[arg(long)]
    pub(crate) xml: Option<String>,
    /// A file with the payload; `-` reads standard input.
    #[arg(long, value_name = "PATH")]
    pub(crate) file: Option<PathBuf>,
}

/// `stanzabus tail`
#[derive(Debug, Args)]
pub(crate) struct TailArguments {
    /// The node.
    pub(crate) node: String,
    /// Start with the oldest event that there is, instead of with what comes from now on.
    #[arg(long, conflicts_with_all = ["after_seq", "after", "jid"])]
    pub(crate) earliest: bool,
    /// Start behind this position.
    #[arg(long, value_name = "SEQ", conflicts_with_all = ["after", "jid"])]
    pub(crate) after_seq: Option<u64>,
    /// The `epoch` that the position is of: a node that was made anew since is an error then.
    #[arg(long, value_name = "HEX", requires = "after_seq", value_parser = parse_epoch)]
    pub(crate) epoch: Option<u64>,
    /// Only with --as: first fetch what came behind this event, an `event_id` that was printed before.
    #[arg(long, value_name = "EVENT-ID", requires = "jid")]
    pub(crate) after: Option<String>,
    /// End after so many events.
    #[arg(long, value_name = "N")]
    pub(crate) count: Option<u64>,
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

/// What happens when too many events wait for their delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum WhenUndeliveredFull {
    /// Publishers are told to come again later.
    Wait,
    /// The oldest events outside the history go undelivered, and subscribers see the gap.
    Gap,
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

fn parse_epoch(text: &str) -> Result<u64, String> {
    let digits = text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    u64::from_str_radix(text, 16)
        .ok()
        .filter(|_| digits)
        .ok_or_else(|| "an epoch has 16 hexadecimal digits".to_owned())
}
