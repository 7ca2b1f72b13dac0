//! `stanzabus.v1.Subscriber.Pull` and `Acknowledge`: a queue by single calls.

use std::time::Duration;

use bus_admission::{Caller, Departure};
use bus_domain::Actor;
use bus_domain::consumer::{ConsumerName, Mode};
use bus_engine::{ConsumerFrame, ConsumerSession, Credit, Engine};
use futures::FutureExt as _;
use tonic::Status;

use crate::convert::{
    consumer_name, delivery_to_message, gap_to_message, in_order, lease_result, leases, optional_ms,
};
use crate::status::{consumer_status, invalid_field, refused, shutting_down, status};
use crate::subscribe_stream::{extend, refuse};
use crate::v1;

const MESSAGES_MAX: u32 = 1_000;
const BYTES: u64 = 1024 * 1024;
/// Below the 4 MiB that many clients take, with the longest event on top.
const BYTES_MAX: u64 = 3 * 1024 * 1024;
const WAIT_MS: u64 = 10_000;
const WAIT_MS_MAX: u64 = 60_000;

/// Takes events.
pub(crate) async fn pull(
    engine: &Engine,
    mut caller: Caller,
    request: v1::PullRequest,
    departure: &Departure,
) -> Result<v1::PullResponse, Status> {
    let name = consumer_name("subscription", &request.subscription)?;
    if request.messages_max > MESSAGES_MAX {
        return Err(invalid_field("messages_max", format!("is more than {MESSAGES_MAX}")));
    }
    if request.bytes_max > BYTES_MAX {
        return Err(invalid_field("bytes_max", format!("is more than {BYTES_MAX}")));
    }
    let wait_ms = optional_ms("wait", request.wait.as_ref())?.unwrap_or(WAIT_MS);
    if wait_ms > WAIT_MS_MAX {
        return Err(invalid_field("wait", "is more than 60 seconds"));
    }
    let mut session = open_queue(engine, caller.actor(), &name).await?;
    let messages = u64::from(request.messages_max.max(1));
    let bytes = if request.bytes_max == 0 { BYTES } else { request.bytes_max };
    session.add_credit(Credit { messages, bytes });
    let mut gaps = Vec::new();
    let wait = Duration::from_millis(wait_ms.max(1));
    let first = tokio::select! {
        biased;
        () = departure.begun() => return Err(shutting_down()),
        why = caller.ended() => return Err(refused(&why)),
        taken = tokio::time::timeout(wait, next_events(&mut session, &mut gaps)) => taken,
    };
    let mut events = first.unwrap_or_else(|_| Ok(Vec::new()))?;
    while !events.is_empty()
        && (events.len() as u64) < messages
        && let Some(more) = next_events(&mut session, &mut gaps).now_or_never()
    {
        events.extend(more?);
    }
    let ids = engine.event_ids();
    let deliveries = events.iter().map(|event| delivery_to_message(ids, event)).collect();
    Ok(v1::PullResponse { deliveries, gaps })
}

/// The next events; what is found to be gone before them is noted.
async fn next_events(
    session: &mut ConsumerSession,
    gaps: &mut Vec<v1::SubscriptionGap>,
) -> Result<Vec<bus_engine::Delivered>, Status> {
    loop {
        match session.next().await.map_err(|error| status(&error))? {
            ConsumerFrame::Events(events) => return Ok(events),
            ConsumerFrame::Gap { facts, first_seq } => gaps.push(gap_to_message(&facts, first_seq)),
            ConsumerFrame::Leases(_) | ConsumerFrame::Committed { .. } => {}
        }
    }
}

/// Says what has become of events, and waits until that is on disk.
pub(crate) async fn acknowledge(
    engine: &Engine,
    actor: &Actor,
    request: v1::AcknowledgeRequest,
) -> Result<v1::AcknowledgeResponse, Status> {
    let name = consumer_name("subscription", &request.subscription)?;
    let mut session = open_queue(engine, actor, &name).await?;
    let (known, mut results) = leases("ack_lease_ids", &request.ack_lease_ids)?;
    session.acknowledge(&known).map_err(consumer_status)?;
    for (index, refusal) in request.nacks.iter().enumerate() {
        results.extend(refuse(&session, &format!("nacks[{index}]"), refusal)?);
    }
    for (index, extension) in request.extensions.iter().enumerate() {
        results.extend(extend(&session, &format!("extensions[{index}]"), extension)?);
    }
    let refused = request.nacks.iter().flat_map(|refusal| &refusal.lease_ids);
    let extended = request.extensions.iter().flat_map(|extension| &extension.lease_ids);
    let named: Vec<&String> = request.ack_lease_ids.iter().chain(refused).chain(extended).collect();
    while results.len() < named.len() {
        if let ConsumerFrame::Leases(reports) = session.next().await.map_err(|error| status(&error))? {
            results.extend(reports.iter().map(|report| lease_result(report.lease.encode(), report.outcome)));
        }
    }
    Ok(v1::AcknowledgeResponse { results: in_order(named.into_iter(), results) })
}

async fn open_queue(engine: &Engine, actor: &Actor, name: &ConsumerName) -> Result<ConsumerSession, Status> {
    let consumer = engine.consumer(actor, name).await.map_err(|error| status(&error))?;
    consumer.config.mode.expect(Mode::Queue).map_err(consumer_status)?;
    engine.open_consumer(actor, name, "").await.map_err(|error| status(&error))
}
