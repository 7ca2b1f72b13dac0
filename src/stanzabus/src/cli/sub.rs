//! `stanzabus sub` and `stanzabus dead-letter`.

use std::path::PathBuf;

use bus_domain::consumer::Filter;
use clap::{Args, Subcommand, ValueEnum};

/// `stanzabus sub …`
#[derive(Debug, Subcommand)]
pub(crate) enum SubCommand {
    /// Make a durable subscription; it is yours. Prints it as JSON.
    Create(Box<CreateSubArguments>),
    /// Print your subscriptions, one JSON object per line; everybody's, for an admin.
    List,
    /// Print a subscription as JSON.
    Show {
        /// The subscription.
        subscription: String,
    },
    /// Remove a subscription; who reads it is told.
    Delete {
        /// The subscription.
        subscription: String,
    },
    /// Have a subscription hand out nothing until it is resumed.
    Pause {
        /// The subscription.
        subscription: String,
    },
    /// Have a subscription hand out events again.
    Resume {
        /// The subscription.
        subscription: String,
    },
    /// Move a subscription to another position. What is leased is forgotten.
    Seek {
        /// The subscription.
        subscription: String,
        /// The node that is meant [default: all that it reads].
        #[arg(long)]
        node: Option<String>,
        /// Where to.
        #[command(flatten)]
        start: StartArguments,
    },
    /// Print what a subscription still has to do, one JSON object per node.
    Backlog {
        /// The subscription.
        subscription: String,
    },
}

/// `stanzabus sub create`
#[derive(Debug, Args)]
pub(crate) struct CreateSubArguments {
    /// Its name: printable ASCII without spaces.
    pub(crate) subscription: String,
    /// The nodes that it reads: names, or patterns with * for one level and > at the end for all below.
    #[arg(required = true)]
    pub(crate) nodes: Vec<String>,
    /// Let any number of workers share the events, with leases and acknowledgements; else one reader gets all in order.
    #[arg(long)]
    pub(crate) queue: bool,
    /// Where it begins [default: at what comes from now on].
    #[command(flatten)]
    pub(crate) start: StartArguments,
    /// How long a worker has for an event [default: 30].
    #[arg(long, value_name = "SECONDS", requires = "queue")]
    pub(crate) lease_seconds: Option<u32>,
    /// How long an event rests after each failed attempt; the last number holds for all further ones [default: 1,5,30,120,600].
    #[arg(long, value_name = "SECONDS", requires = "queue", value_delimiter = ',')]
    pub(crate) retry_seconds: Vec<u32>,
    /// The node that takes events which no worker can deal with.
    #[arg(long, value_name = "NODE", requires = "queue")]
    pub(crate) dead_letter_node: Option<String>,
    /// After so many attempts an event goes there [default: 5].
    #[arg(long, value_name = "N", requires = "dead_letter_node")]
    pub(crate) attempts_max: Option<u32>,
    /// Hand out events of one key one after the other: of one partition key (`CloudEvents`), or else of one item.
    #[arg(long, requires = "queue")]
    pub(crate) key_ordered: bool,
    /// Hand out only events with this attribute: ATTRIBUTE=VALUE, ^= for the beginning, $= for the end, != for anything else; or
    /// an expression in JSON, in the dialects of the `CloudEvents` Subscriptions API. Several must all hold. Attributes are
    /// those of a `CloudEvent`, `bus.node`, `bus.item_id` and `bus.publisher`.
    #[arg(long = "filter", value_name = "EXPRESSION", value_parser = crate::commands::sub::filter::parse)]
    pub(crate) filters: Vec<Filter>,
    /// Where the daemon brings the events itself.
    #[command(flatten)]
    pub(crate) webhook: WebhookArguments,
    /// The same, over gRPC.
    #[command(flatten)]
    pub(crate) sink: SinkArguments,
}

/// A sink of `stanzabus sub create`.
#[derive(Debug, Args)]
pub(crate) struct SinkArguments {
    /// Have the daemon bring the events to the gRPC service `stanzabus.v1.SinkService` at this https URL: with --queue by several
    /// requests at a time, and --key-ordered in the order of each key; else in order.
    #[arg(long = "sink", value_name = "URL", conflicts_with = "uri", id = "sink")]
    pub(crate) uri: Option<String>,
    /// Send the token in the first line of this file, as `authorization: Bearer`.
    #[arg(long = "sink-token-file", value_name = "FILE", requires = "sink", id = "sink_token_file")]
    pub(crate) token_file: Option<PathBuf>,
    /// Leave out what this source has written.
    #[arg(long = "sink-paired-source", value_name = "SOURCE", requires = "sink")]
    pub(crate) paired_source: Option<String>,
    /// Events of one request [default: 100].
    #[arg(long = "sink-batch", value_name = "N", requires = "sink", id = "sink_batch")]
    pub(crate) batch_events_max: Option<u32>,
}

/// A webhook of `stanzabus sub create`.
#[derive(Debug, Args)]
pub(crate) struct WebhookArguments {
    /// Have the daemon POST the events to this https URL, as CloudEvents.
    #[arg(long = "webhook", value_name = "URL", requires = "queue")]
    pub(crate) uri: Option<String>,
    /// In which form.
    #[arg(long = "webhook-mode", value_name = "MODE", requires = "uri", default_value = "structured")]
    pub(crate) mode: WebhookMode,
    /// Sign each request with the key in this file: its first line, `whsec_` and the Base64 of 24 to 64 bytes.
    #[arg(long = "webhook-secret-file", value_name = "FILE", requires = "uri")]
    pub(crate) secret_file: Option<PathBuf>,
    /// Send the token in the first line of this file, as `Authorization: Bearer`.
    #[arg(long = "webhook-token-file", value_name = "FILE", requires = "uri")]
    pub(crate) token_file: Option<PathBuf>,
    /// Requests that begin in a minute, at most [default: any number].
    #[arg(long = "webhook-rate", value_name = "N", requires = "uri")]
    pub(crate) requests_per_minute: Option<u32>,
    /// Requests under way at a time [default: 8].
    #[arg(long = "webhook-in-flight", value_name = "N", requires = "uri")]
    pub(crate) requests_in_flight_max: Option<u32>,
    /// Events of one request, in mode batch [default: 100].
    #[arg(long = "webhook-batch", value_name = "N", requires = "uri")]
    pub(crate) batch_events_max: Option<u32>,
}

/// In which form a webhook gets events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum WebhookMode {
    /// Each as a JSON document.
    Structured,
    /// Each as headers and a body.
    Binary,
    /// Several as a JSON array.
    Batch,
}

/// A place in the logs: one of them.
#[derive(Debug, Clone, Copy, Args)]
#[group(multiple = false)]
pub(crate) struct StartArguments {
    /// At the oldest event that there is.
    #[arg(long)]
    pub(crate) earliest: bool,
    /// At what comes from now on.
    #[arg(long)]
    pub(crate) latest: bool,
    /// At the newest event of each item that there is, then at what comes from now on.
    #[arg(long)]
    pub(crate) last_per_item: bool,
    /// Behind this position, of one node.
    #[arg(long, value_name = "SEQ")]
    pub(crate) after_seq: Option<u64>,
    /// At the first event since this moment (RFC 3339), for example 2026-01-31T12:00:00Z.
    #[arg(long, value_name = "TIME")]
    pub(crate) time: Option<prost_types::Timestamp>,
}

/// `stanzabus dead-letter …`
#[derive(Debug, Subcommand)]
pub(crate) enum DeadLetterCommand {
    /// Print the dead letters of a subscription, oldest first, one JSON object per line.
    List {
        /// The subscription.
        subscription: String,
    },
    /// Hand dead letters out again, to their subscription alone; their attempts begin anew.
    Redrive {
        /// The subscription.
        subscription: String,
        /// Which ones, as `list` shows their `item_id` [default: the oldest 1,000].
        item_ids: Vec<String>,
    },
}
