//! The command line. The help texts are the manual.

mod bench;
mod node;
mod push;
mod push_profiles;
mod source;
mod sub;

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use jid::{BareJid, Jid};

pub(crate) use bench::{BenchCommand, GrpcBenchArguments, PushBenchArguments};
pub(crate) use node::{
    AccessModel, Affiliation, ConfigureArguments, CreateArguments, Durability, ItemsArguments, NodeCommand,
    PlaceArguments, ProcessingHint, PublishModel, SubscriberWish, WhenItemsFull, WhenUndeliveredFull,
};
pub(crate) use push::{
    PushCommand, PushDeadArguments, PushDeadCommand, PushDevicesCommand, PushJobState, PushJobsCommand,
    PushRegisterArguments, PushSendArguments, PushUrgency,
};
pub(crate) use push_profiles::{
    AudienceArguments, ProfileArguments, ProfileUrgency, ProfilesCommand, TemplateArguments,
};
pub(crate) use source::SourceCommand;
pub(crate) use sub::{
    CreateSubArguments, DeadLetterCommand, SinkArguments, StartArguments, SubCommand, WebhookArguments,
    WebhookMode,
};

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
    /// Make, move, pause, remove, list and show durable subscriptions of services, which gRPC clients read.
    Sub {
        /// What to do with them.
        #[command(subcommand)]
        command: SubCommand,
    },
    /// Look at the events that no worker could deal with, and hand them out again.
    DeadLetter {
        /// What to do with them.
        #[command(subcommand)]
        command: DeadLetterCommand,
    },
    /// Register devices, send them messages, look at what becomes of these, and say which events become pushes.
    Push {
        /// What to do.
        #[command(subcommand)]
        command: PushCommand,
    },
    /// Make, remove, list and show sources: gRPC services that the daemon reads into a node.
    Source {
        /// What to do with them.
        #[command(subcommand)]
        command: SourceCommand,
    },
    /// Ask the running daemon what it is, have it let go of its clients, or hear what an operator should know.
    Server {
        /// What.
        #[command(subcommand)]
        command: ServerCommand,
    },
    /// Measure the running daemon, beside what its store and its libraries can do without it. Takes minutes, and loads the
    /// machine.
    Bench {
        /// What.
        #[command(subcommand)]
        command: BenchCommand,
    },
    /// Stand in for the push services: take what they would take, refuse what they would refuse, and fail as it is told.
    ///
    /// It speaks the server side of APNs, of FCM with its access tokens, and of Web Push, with a certificate of an authority of
    /// its own. Prints where it listens and where its files are, as JSON. `POST /mock/subscriptions` makes a subscription, `GET
    /// /mock/received` shows what was taken, `POST /mock/faults` says what shall fail, `GET /mock/counts` counts.
    PushMock(PushMockArguments),
    /// Make, list and revoke the tokens of gRPC callers. The daemon notices within a second.
    Token {
        /// What to do with them.
        #[command(subcommand)]
        command: TokenCommand,
    },
}

/// `stanzabus server …`
#[derive(Debug, Subcommand)]
pub(crate) enum ServerCommand {
    /// Print version, store, domain and bounds as JSON.
    Info,
    /// Send the clients of gRPC and HTTP away and refuse their publishes, before the daemon is stopped; returns once those
    /// under way are answered. Only a restart brings it back.
    Drain,
    /// Print what an operator should know, as it happens, one JSON object per line: link up and down, store away, nodes
    /// that are full, subscriptions that are parked.
    Advisories {
        /// Begin with those that the daemon has kept since it started, the newest 1,000.
        #[arg(long)]
        recent: bool,
    },
}

/// `stanzabus push-mock`
#[derive(Debug, Args)]
pub(crate) struct PushMockArguments {
    /// Where to listen.
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:0")]
    pub(crate) listen: SocketAddr,
    /// Where to write the credentials that senders need; what is there is replaced.
    #[arg(long, value_name = "FOLDER", default_value = "push-mock")]
    pub(crate) folder: PathBuf,
    /// How many messages are kept to be looked at; older ones are only counted.
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(crate) kept: u32,
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
    /// A name for this request: whoever runs it again under the same name within `idempotency_window_ms` publishes nothing,
    /// and gets the same answer with `duplicate` set.
    #[arg(long, value_name = "NAME", conflicts_with = "jid")]
    pub(crate) request_id: Option<String>,
    /// The same, where the payload is a `CloudEvent`, whose source and id are the name.
    #[arg(long, conflicts_with_all = ["jid", "request_id"])]
    pub(crate) once_per_cloud_event: bool,
    /// Publish only if this is the position of the node's newest event; 0 for an empty log.
    #[arg(long, value_name = "SEQ", conflicts_with = "jid")]
    pub(crate) expected_last_seq: Option<u64>,
    /// The `epoch` that the position is of.
    #[arg(long, value_name = "HEX", requires = "expected_last_seq", value_parser = parse_epoch)]
    pub(crate) epoch: Option<u64>,
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
    /// A CloudEvent in the JSON format. It is published in the CloudEvents XML format.
    #[arg(long, value_name = "JSON")]
    pub(crate) cloud_event: Option<String>,
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
    /// Print each payload as a CloudEvent in the JSON format, under `cloud_event`, instead of as XML.
    #[arg(long, conflicts_with = "jid")]
    pub(crate) cloud_events: bool,
    /// End after so many events.
    #[arg(long, value_name = "N")]
    pub(crate) count: Option<u64>,
    /// As whom.
    #[command(flatten)]
    pub(crate) act_as: ActAs,
}

fn parse_epoch(text: &str) -> Result<u64, String> {
    let digits = text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    u64::from_str_radix(text, 16)
        .ok()
        .filter(|_| digits)
        .ok_or_else(|| "an epoch has 16 hexadecimal digits".to_owned())
}
