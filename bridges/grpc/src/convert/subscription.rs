//! Between messages and the values of durable subscriptions.

use std::collections::HashMap;

use bus_domain::consumer::create::Wish;
use bus_domain::consumer::lease::LeaseId;
use bus_domain::consumer::redrive::Particulars;
use bus_domain::consumer::start::Start;
use bus_domain::consumer::{Consumer, ConsumerName, Mode, NodePattern};
use bus_domain::{NodeFacts, NodeName, Seq};
use bus_engine::{BacklogOfNode, DeadLetterEntry, Delivered, EventIds, LeaseOutcome};
use outbound_http::Guard;
use prost_types::{Duration, Timestamp};
use tonic::Status;

use super::destination::{destination_from_message, destination_to_message, standing_to_message};
use super::filter::filter_from_message;
use super::{PayloadForm, enum_value, event_to_message, node_name, timestamp};
use crate::status::invalid_field;
use crate::v1;
use crate::v1::start_position::At;

/// Leases that one request may name.
const LEASES_MAX: usize = 10_000;

/// A subscription's name.
pub(crate) fn consumer_name(field: &str, text: &str) -> Result<ConsumerName, Status> {
    ConsumerName::new(text).map_err(|problem| invalid_field(field, problem))
}

/// What somebody wants a subscription to be.
pub(crate) fn wish_from_message(
    config: Option<v1::SubscriptionConfig>,
    start: Option<v1::StartPosition>,
    guard: &Guard,
) -> Result<Wish, Status> {
    let config = config.ok_or_else(|| invalid_field("config", "must be set"))?;
    let nodes = config.nodes.iter().enumerate().map(|(index, node)| {
        NodePattern::new(node).map_err(|problem| invalid_field(&format!("config.nodes[{index}]"), problem))
    });
    let mode = match enum_value("config.mode", config.mode)? {
        Some(v1::SubscriptionMode::Stream) => Mode::Stream,
        Some(v1::SubscriptionMode::Queue) => Mode::Queue,
        Some(v1::SubscriptionMode::Unspecified) | None => {
            return Err(invalid_field("config.mode", "must be set"));
        }
    };
    let schedule = config.retry_schedule.iter().enumerate();
    let schedule =
        schedule.map(|(index, rest)| duration_ms(&format!("config.retry_schedule[{index}]"), rest));
    let dead_letter_node: Option<NodeName> = match &*config.dead_letter_node {
        "" => None,
        name => Some(node_name("config.dead_letter_node", name)?),
    };
    Ok(Wish {
        nodes: nodes.collect::<Result<_, _>>()?,
        mode,
        start: start.map_or(Ok(Start::Latest), start_from_message)?,
        lease_ms: optional_ms("config.lease", config.lease.as_ref())?,
        retry_schedule_ms: schedule.collect::<Result<_, _>>()?,
        attempts_max: config.attempts_max,
        dead_letter_node,
        in_flight_max: config.in_flight_max,
        filter: config.filter.map(filter_from_message).transpose()?,
        key_ordered: config.key_ordered,
        destination: config.destination.map(|it| destination_from_message(it, mode, guard)).transpose()?,
    })
}

/// A place in the logs.
pub(crate) fn start_from_message(start: v1::StartPosition) -> Result<Start, Status> {
    match start.at {
        None => Err(invalid_field("start", "must say where")),
        Some(At::Earliest(true)) => Ok(Start::Earliest),
        Some(At::Latest(true)) => Ok(Start::Latest),
        Some(At::Earliest(false)) => Err(invalid_field("start.earliest", "must be true, or not set")),
        Some(At::Latest(false)) => Err(invalid_field("start.latest", "must be true, or not set")),
        Some(At::LastPerItem(true)) => Ok(Start::LastPerItem),
        Some(At::LastPerItem(false)) => Err(invalid_field("start.last_per_item", "must be true, or not set")),
        Some(At::AfterSeq(seq)) => Ok(Start::After(seq)),
        Some(At::Time(time)) => moment_ms("start.time", &time).map(Start::Time),
    }
}

/// A subscription as it is.
pub(crate) fn consumer_to_message(consumer: &Consumer) -> v1::Subscription {
    let config = &consumer.config;
    let is_queue = config.mode == Mode::Queue;
    let mode = if is_queue { v1::SubscriptionMode::Queue } else { v1::SubscriptionMode::Stream };
    let schedule = config.retry_schedule_ms.iter().filter(|_| is_queue);
    let dead_letter_node = config.dead_letter_node.as_ref();
    v1::Subscription {
        name: consumer.name.as_str().to_owned(),
        owner: consumer.owner.to_string(),
        config: Some(v1::SubscriptionConfig {
            nodes: config.nodes.iter().map(ToString::to_string).collect(),
            mode: mode.into(),
            lease: is_queue.then(|| duration(config.lease_ms)),
            retry_schedule: schedule.map(|delay_ms| duration(*delay_ms)).collect(),
            attempts_max: (config.attempts_max > 0).then_some(config.attempts_max),
            dead_letter_node: dead_letter_node.map_or_else(String::new, |node| node.0.as_str().to_owned()),
            in_flight_max: is_queue.then_some(config.in_flight_max),
            filter: config.filter.as_ref().map(v1::EventFilter::from),
            key_ordered: config.key_ordered,
            destination: config.destination.as_ref().map(destination_to_message),
        }),
        paused: consumer.is_paused,
        create_time: Some(timestamp(consumer.created_at_ms)),
        destination_standing: consumer.standing.as_ref().map(standing_to_message),
    }
}

/// An event that is handed out.
pub(crate) fn delivery_to_message(ids: &EventIds, delivered: &Delivered) -> v1::Delivery {
    delivery_in_form(ids, &PayloadForm::Xml, delivered)
}

/// The same, with its payload in a form.
pub(crate) fn delivery_in_form(ids: &EventIds, form: &PayloadForm, delivered: &Delivered) -> v1::Delivery {
    v1::Delivery {
        event: Some(event_to_message(ids, &delivered.facts, form, &delivered.event)),
        lease_id: delivered.lease.as_ref().map_or_else(String::new, LeaseId::encode),
        attempt: delivered.lease.map_or(0, |lease| lease.attempt),
    }
}

/// Events that were gone before they could be handed out.
pub(crate) fn gap_to_message(facts: &NodeFacts, first_seq: Seq) -> v1::SubscriptionGap {
    v1::SubscriptionGap { node: facts.name.as_str().to_owned(), epoch: facts.epoch.0, first_seq }
}

/// Leases as they were sent: those that can be one, and the others, which are unknown for certain.
pub(crate) fn leases(field: &str, texts: &[String]) -> Result<(Vec<LeaseId>, Vec<v1::LeaseResult>), Status> {
    if texts.len() > LEASES_MAX {
        return Err(invalid_field(field, format!("has more than {LEASES_MAX} entries")));
    }
    let (mut known, mut unknown) = (Vec::with_capacity(texts.len()), Vec::new());
    for text in texts {
        match LeaseId::parse(text).filter(|lease| lease.encode() == *text) {
            Some(lease) => known.push(lease),
            None => unknown.push(lease_result(text.clone(), LeaseOutcome::Unknown)),
        }
    }
    Ok((known, unknown))
}

/// What has become of a lease.
pub(crate) fn lease_result(lease_id: String, outcome: LeaseOutcome) -> v1::LeaseResult {
    let outcome = match outcome {
        LeaseOutcome::Accepted => v1::LeaseOutcome::Accepted,
        LeaseOutcome::Expired => v1::LeaseOutcome::Expired,
        LeaseOutcome::Unknown => v1::LeaseOutcome::Unknown,
    };
    v1::LeaseResult { lease_id, outcome: outcome.into() }
}

/// The results of leases in the order in which a request has named them.
pub(crate) fn in_order<'a>(
    named: impl Iterator<Item = &'a String>,
    results: Vec<v1::LeaseResult>,
) -> Vec<v1::LeaseResult> {
    let mut by_id: HashMap<String, Vec<v1::LeaseResult>> = HashMap::new();
    for result in results.into_iter().rev() {
        by_id.entry(result.lease_id.clone()).or_default().push(result);
    }
    named.filter_map(|id| by_id.get_mut(id)?.pop()).collect()
}

/// What there is to do on a node.
pub(crate) fn backlog_to_message(node: &BacklogOfNode) -> v1::NodeBacklog {
    v1::NodeBacklog {
        node: node.facts.name.as_str().to_owned(),
        epoch: node.facts.epoch.0,
        head_seq: node.head_seq,
        through_seq: node.through_seq,
        leased: node.leased,
        waiting: node.waiting,
    }
}

/// A dead letter.
pub(crate) fn dead_letter_to_message(letter: DeadLetterEntry) -> v1::DeadLetter {
    let DeadLetterEntry { item_id, written_at_ms, about, payload, .. } = letter;
    let Particulars { node, epoch, seq, publisher, published_at_ms, item_id: event_item, .. } = about;
    v1::DeadLetter {
        item_id: item_id.as_str().to_owned(),
        dead_letter_time: Some(timestamp(written_at_ms)),
        node: node.as_str().to_owned(),
        epoch: epoch.0,
        seq,
        event_item_id: event_item.unwrap_or_default(),
        publisher: publisher.to_string(),
        publish_time: Some(timestamp(published_at_ms)),
        attempts: about.attempts,
        reason: about.reason,
        xml: payload.map_or_else(String::new, |payload| payload.as_str().to_owned()),
    }
}

/// A duration that may be missing, in milliseconds.
pub(crate) fn optional_ms(field: &str, value: Option<&Duration>) -> Result<Option<u64>, Status> {
    value.map(|value| duration_ms(field, value)).transpose()
}

/// A duration in milliseconds, rounded up.
fn duration_ms(field: &str, value: &Duration) -> Result<u64, Status> {
    let span = std::time::Duration::try_from(*value)
        .map_err(|_| invalid_field(field, "must be a duration that is not negative"))?;
    Ok(u64::try_from(span.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX))
}

/// So many milliseconds.
pub(crate) fn duration(milliseconds: u64) -> Duration {
    const NANOS_PER_MS: i32 = 1_000_000;
    let seconds = i64::try_from(milliseconds / 1_000).unwrap_or(i64::MAX);
    let rest = i32::try_from(milliseconds % 1_000).expect("a remainder of 1,000 fits");
    Duration { seconds, nanos: rest * NANOS_PER_MS }
}

/// A moment in milliseconds since 1970.
fn moment_ms(field: &str, time: &Timestamp) -> Result<i64, Status> {
    if !(0..1_000_000_000).contains(&time.nanos) {
        return Err(invalid_field(field, "must have nanos from 0 to 999,999,999"));
    }
    let of_seconds = time.seconds.checked_mul(1_000);
    let moment = of_seconds.and_then(|ms| ms.checked_add(i64::from(time.nanos / 1_000_000)));
    moment.ok_or_else(|| invalid_field(field, "is too far away"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_in_the_order_of_the_request() {
        let result = |id: &str, outcome| lease_result(id.to_owned(), outcome);
        let named = ["b", "a", "a", "c"].map(str::to_owned);
        let results = vec![
            result("c", LeaseOutcome::Unknown),
            result("a", LeaseOutcome::Accepted),
            result("b", LeaseOutcome::Accepted),
            result("a", LeaseOutcome::Unknown),
        ];
        let ordered = in_order(named.iter(), results);
        let expected = [
            result("b", LeaseOutcome::Accepted),
            result("a", LeaseOutcome::Accepted),
            result("a", LeaseOutcome::Unknown),
            result("c", LeaseOutcome::Unknown),
        ];
        assert_eq!(ordered, expected);
    }

    #[test]
    fn durations_lead_back_to_themselves() {
        for ms in [0, 1, 999, 1_000, 61_001] {
            assert_eq!(duration_ms("x", &duration(ms)).unwrap(), ms);
        }
        assert_eq!(duration_ms("x", &Duration { seconds: 0, nanos: 1 }).unwrap(), 1, "never less");
        assert!(duration_ms("x", &Duration { seconds: -1, nanos: 0 }).is_err());
        assert!(moment_ms("x", &Timestamp { seconds: i64::MAX, nanos: 0 }).is_err());
        assert!(moment_ms("x", &Timestamp { seconds: 0, nanos: -1 }).is_err());
        assert_eq!(moment_ms("x", &Timestamp { seconds: 2, nanos: 7_999_999 }).unwrap(), 2_007);
    }
}
