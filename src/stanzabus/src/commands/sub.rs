pub(crate) mod destination;
pub(crate) mod filter;

use std::path::Path;

use bridge_grpc::v1;
use bus_domain::consumer::Filter;
use serde::Serialize;
use v1::start_position::At;

use self::destination::DestinationPart;
use crate::cli::{CreateSubArguments, StartArguments, SubCommand};
use crate::client::{connect_grpc, output};
use crate::failure::Failure;

/// `stanzabus sub …`
pub(crate) async fn run(config: &Path, command: SubCommand) -> Result<(), Failure> {
    let client = connect_grpc(config).await?;
    match command {
        SubCommand::Create(arguments) => {
            let created = client.create_subscription(request(*arguments)?).await?;
            output::print_json(&SubscriptionLine::of(created))
        }
        SubCommand::List => {
            let mut page_token = String::new();
            loop {
                let page = client.subscriptions_page(page_token).await?;
                for subscription in page.subscriptions {
                    output::print_json(&SubscriptionLine::of(subscription))?;
                }
                if page.next_page_token.is_empty() {
                    return Ok(());
                }
                page_token = page.next_page_token;
            }
        }
        SubCommand::Show { subscription } => {
            output::print_json(&SubscriptionLine::of(client.subscription(&subscription).await?))
        }
        SubCommand::Delete { subscription } => {
            client.delete_subscription(&subscription).await?;
            output::status(&format!("deleted {subscription}"));
            Ok(())
        }
        SubCommand::Pause { subscription } => {
            client.pause_subscription(&subscription, true).await?;
            output::status(&format!("paused {subscription}"));
            Ok(())
        }
        SubCommand::Resume { subscription } => {
            client.pause_subscription(&subscription, false).await?;
            output::status(&format!("resumed {subscription}"));
            Ok(())
        }
        SubCommand::Seek { subscription, node, start } => {
            let (node, name) = (node.unwrap_or_default(), subscription.clone());
            let start = Some(position(start));
            client.seek_subscription(v1::SeekSubscriptionRequest { name, node, start }).await?;
            output::status(&format!("moved {subscription}"));
            Ok(())
        }
        SubCommand::Backlog { subscription } => {
            let backlog = client.backlog(&subscription).await?;
            for node in backlog.nodes {
                output::print_json(&BacklogLine::of(node))?;
            }
            Ok(())
        }
    }
}

fn request(arguments: CreateSubArguments) -> Result<v1::CreateSubscriptionRequest, Failure> {
    let CreateSubArguments { subscription, nodes, queue, start, .. } = arguments;
    let mode = if queue { v1::SubscriptionMode::Queue } else { v1::SubscriptionMode::Stream };
    let config = v1::SubscriptionConfig {
        nodes,
        mode: mode.into(),
        lease: arguments.lease_seconds.map(seconds),
        retry_schedule: arguments.retry_seconds.into_iter().map(seconds).collect(),
        attempts_max: arguments.attempts_max,
        dead_letter_node: arguments.dead_letter_node.unwrap_or_default(),
        in_flight_max: None,
        key_ordered: arguments.key_ordered,
        filter: filter::all(arguments.filters).as_ref().map(v1::EventFilter::from),
        destination: destination::of_arguments(arguments.webhook, arguments.sink)?,
    };
    let (config, start) = (Some(config), Some(position(start)));
    Ok(v1::CreateSubscriptionRequest { name: subscription, config, start })
}

fn position(start: StartArguments) -> v1::StartPosition {
    let at = match start {
        StartArguments { after_seq: Some(seq), .. } => At::AfterSeq(seq),
        StartArguments { time: Some(time), .. } => At::Time(time),
        StartArguments { last_per_item: true, .. } => At::LastPerItem(true),
        StartArguments { earliest: true, .. } => At::Earliest(true),
        StartArguments { .. } => At::Latest(true),
    };
    v1::StartPosition { at: Some(at) }
}

fn seconds(seconds: u32) -> prost_types::Duration {
    prost_types::Duration { seconds: seconds.into(), nanos: 0 }
}

/// A subscription as one line.
#[derive(Serialize)]
struct SubscriptionLine {
    subscription: String,
    owner: String,
    nodes: Vec<String>,
    mode: &'static str,
    paused: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    created_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    lease_seconds: Option<i64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    retry_seconds: Vec<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    attempts_max: Option<u32>,
    #[serde(skip_serializing_if = "String::is_empty")]
    dead_letter_node: String,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    key_ordered: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    filter: Option<Filter>,
    #[serde(skip_serializing_if = "Option::is_none")]
    destination: Option<DestinationPart>,
}

impl SubscriptionLine {
    fn of(subscription: v1::Subscription) -> Self {
        let config = subscription.config.unwrap_or_default();
        Self {
            subscription: subscription.name,
            owner: subscription.owner,
            mode: if config.mode() == v1::SubscriptionMode::Queue { "queue" } else { "stream" },
            paused: subscription.paused,
            created_at: subscription.create_time.map(|time| time.to_string()),
            lease_seconds: config.lease.map(|lease| lease.seconds),
            retry_seconds: config.retry_schedule.iter().map(|delay| delay.seconds).collect(),
            attempts_max: config.attempts_max,
            dead_letter_node: config.dead_letter_node,
            key_ordered: config.key_ordered,
            // What the daemon shows is an expression.
            filter: config.filter.and_then(|filter| Filter::try_from(filter).ok()),
            destination: config
                .destination
                .map(|it| DestinationPart::of(it, subscription.destination_standing)),
            nodes: config.nodes,
        }
    }
}

/// What there is to do on a node, as one line.
#[derive(Serialize)]
struct BacklogLine {
    node: String,
    epoch: String,
    head_seq: u64,
    through_seq: u64,
    leased: u64,
    waiting: u64,
}

impl BacklogLine {
    fn of(node: v1::NodeBacklog) -> Self {
        Self {
            epoch: output::epoch_text(node.epoch),
            node: node.node,
            head_seq: node.head_seq,
            through_seq: node.through_seq,
            leased: node.leased,
            waiting: node.waiting,
        }
    }
}
