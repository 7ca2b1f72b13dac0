//! `stanzabus.v1.Subscriber.Subscribe`: a durable subscription over one stream in both directions.

use std::time::Duration;

use bus_admission::{Caller, Departure};
use bus_domain::consumer::retry::Failure;
use bus_engine::{ConsumerFrame, ConsumerSession, Credit, Engine, EventIds};
use futures::stream::{self, BoxStream, Stream, StreamExt as _};
use tonic::Status;

use crate::convert::{
    backlog_to_message, consumer_name, consumer_to_message, delivery_to_message, duration, gap_to_message,
    lease_result, leases, node_name, optional_ms,
};
use crate::status::{consumer_status, invalid_field, refused, shutting_down, status};
use crate::v1;
use crate::v1::subscribe_request::Frame as Asked;
use crate::v1::subscribe_response::Frame;

/// Silence is broken so often.
const POSITIONS_INTERVAL: Duration = Duration::from_secs(15);
/// Nodes whose positions are told.
const POSITIONS_MAX: usize = 100;
/// The longest name of a worker, in bytes.
const WORKER_BYTES_MAX: usize = 255;
/// How long the first request may take to come.
const OPEN_PATIENCE: Duration = Duration::from_secs(30);

type Requests = BoxStream<'static, Result<v1::SubscribeRequest, Status>>;

/// The answers to a stream of requests.
pub(crate) fn answers(
    engine: Engine,
    caller: Caller,
    requests: impl Stream<Item = Result<v1::SubscribeRequest, Status>> + Send + 'static,
    departure: Departure,
) -> BoxStream<'static, Result<v1::SubscribeResponse, Status>> {
    let ids = engine.event_ids().clone();
    let requests = requests.boxed();
    let reading = Reading { engine, caller, requests, departure, ids, stage: Stage::Opening };
    let next = |mut reading: Reading| async move {
        let frame = reading.next().await?;
        Some((frame.map(|frame| v1::SubscribeResponse { frame: Some(frame) }), reading))
    };
    stream::unfold(reading, next).boxed()
}

/// One call of `Subscribe`.
struct Reading {
    engine: Engine,
    caller: Caller,
    requests: Requests,
    departure: Departure,
    ids: EventIds,
    stage: Stage,
}

enum Stage {
    Opening,
    Open(Box<ConsumerSession>),
    /// No more requests come: what they have asked for is still answered.
    Answering(Box<ConsumerSession>),
    Ended,
}

/// What comes next.
enum Next {
    Frame(Box<Frame>),
    /// Something was asked that is answered later.
    Asked,
    /// No more requests come.
    Closed,
    GoingAway,
}

impl Reading {
    /// The next frame, or the status that is the last thing of the stream.
    async fn next(&mut self) -> Option<Result<Frame, Status>> {
        loop {
            let next = match &mut self.stage {
                Stage::Ended => return None,
                Stage::Opening => self.open().await,
                Stage::Open(session) => {
                    let (caller, requests) = (&mut self.caller, &mut self.requests);
                    step(session, caller, requests, &self.departure, &self.ids).await
                }
                Stage::Answering(session) if session.is_answered() => {
                    self.stage = Stage::Ended;
                    return None;
                }
                Stage::Answering(session) => {
                    tokio::select! {
                        biased;
                        () = self.departure.begun() => Ok(Next::GoingAway),
                        ended = self.caller.ended() => Err(refused(&ended)),
                        frame = session.next() => frame_of(&self.ids, frame),
                    }
                }
            };
            match next {
                Ok(Next::Frame(frame)) => return Some(Ok(*frame)),
                Ok(Next::Asked) => {}
                Ok(Next::Closed) => {
                    self.stage = match std::mem::replace(&mut self.stage, Stage::Ended) {
                        Stage::Open(session) => {
                            session.take_no_more();
                            Stage::Answering(session)
                        }
                        _ => Stage::Ended,
                    };
                }
                Ok(Next::GoingAway) => {
                    self.stage = Stage::Ended;
                    return Some(Ok(Frame::GoingAway(v1::GoingAway {})));
                }
                Err(ended) => {
                    self.stage = Stage::Ended;
                    return Some(Err(ended));
                }
            }
        }
    }

    async fn open(&mut self) -> Result<Next, Status> {
        let request = tokio::select! {
            biased;
            () = self.departure.begun() => return Err(shutting_down()),
            ended = self.caller.ended() => return Err(refused(&ended)),
            request = tokio::time::timeout(OPEN_PATIENCE, self.requests.next()) => request,
        };
        let asked = match request {
            Err(_) => return Err(invalid_field("open", "has not come within 30 seconds")),
            Ok(None) => return Ok(Next::Closed),
            Ok(Some(request)) => request?.frame,
        };
        let Some(Asked::Open(open)) = asked else {
            return Err(invalid_field("open", "must be the first request of the stream"));
        };
        let name = consumer_name("open.subscription", &open.subscription)?;
        if open.worker_id.len() > WORKER_BYTES_MAX {
            return Err(invalid_field("open.worker_id", format!("is longer than {WORKER_BYTES_MAX} bytes")));
        }
        let session = self.engine.open_consumer(self.caller.actor(), &name, &open.worker_id).await;
        let session = session.map_err(|error| status(&error))?;
        if let Some(credit) = open.credit {
            session.add_credit(credit_of(credit));
        }
        let opened = v1::SubscriptionOpened {
            subscription: Some(consumer_to_message(session.consumer())),
            positions_interval: Some(duration(
                u64::try_from(POSITIONS_INTERVAL.as_millis()).unwrap_or(u64::MAX),
            )),
        };
        self.stage = Stage::Open(Box::new(session));
        Ok(Next::Frame(Box::new(Frame::Opened(Box::new(opened)))))
    }
}

async fn step(
    session: &mut ConsumerSession,
    caller: &mut Caller,
    requests: &mut Requests,
    departure: &Departure,
    ids: &EventIds,
) -> Result<Next, Status> {
    let is_full = session.is_full();
    tokio::select! {
        biased;
        () = departure.begun() => Ok(Next::GoingAway),
        ended = caller.ended() => Err(refused(&ended)),
        request = requests.next(), if !is_full => match request {
            None => Ok(Next::Closed),
            Some(request) => ask(session, request?.frame),
        },
        frame = session.next() => frame_of(ids, frame),
        () = tokio::time::sleep(POSITIONS_INTERVAL) => {
            let nodes = session.positions(POSITIONS_MAX).iter().map(backlog_to_message).collect();
            Ok(Next::Frame(Box::new(Frame::Positions(v1::SubscriptionPositions { nodes }))))
        }
    }
}

fn frame_of(ids: &EventIds, frame: Result<ConsumerFrame, bus_domain::BusError>) -> Result<Next, Status> {
    let frame = match frame.map_err(|error| status(&error))? {
        ConsumerFrame::Events(events) => {
            let deliveries = events.iter().map(|event| delivery_to_message(ids, event)).collect();
            Frame::Deliveries(v1::Deliveries { deliveries })
        }
        ConsumerFrame::Leases(reports) => {
            let results = reports.iter().map(|report| lease_result(report.lease.encode(), report.outcome));
            Frame::LeaseResults(v1::LeaseResults { results: results.collect() })
        }
        ConsumerFrame::Committed { node, epoch, through_seq } => {
            Frame::Committed(v1::Committed { node: node.as_str().to_owned(), epoch: epoch.0, through_seq })
        }
        ConsumerFrame::Gap { facts, first_seq } => Frame::Gap(gap_to_message(&facts, first_seq)),
    };
    Ok(Next::Frame(Box::new(frame)))
}

/// Carries a request out. What is named and not known is reported at once.
fn ask(session: &ConsumerSession, asked: Option<Asked>) -> Result<Next, Status> {
    let unknown = match asked {
        None => return Err(invalid_field("frame", "must be set, to something that is known here")),
        Some(Asked::Open(_)) => {
            return Err(invalid_field("open", "must be the first request of the stream only"));
        }
        Some(Asked::Credit(credit)) => {
            session.add_credit(credit_of(credit));
            Vec::new()
        }
        Some(Asked::Ack(ack)) => {
            let (known, unknown) = leases("ack.lease_ids", &ack.lease_ids)?;
            session.acknowledge(&known).map_err(consumer_status)?;
            unknown
        }
        Some(Asked::Nack(refusal)) => refuse(session, "nack", &refusal)?,
        Some(Asked::Extend(extension)) => extend(session, "extend", &extension)?,
        Some(Asked::Commit(commit)) => {
            let node =
                (!commit.node.is_empty()).then(|| node_name("commit.node", &commit.node)).transpose()?;
            session.commit(node.as_ref(), commit.seq).map_err(consumer_status)?;
            Vec::new()
        }
    };
    if unknown.is_empty() {
        return Ok(Next::Asked);
    }
    Ok(Next::Frame(Box::new(Frame::LeaseResults(v1::LeaseResults { results: unknown }))))
}

/// Gives events back; says which leases cannot be any.
pub(crate) fn refuse(
    session: &ConsumerSession,
    field: &str,
    refusal: &v1::Refusal,
) -> Result<Vec<v1::LeaseResult>, Status> {
    let (known, unknown) = leases(&format!("{field}.lease_ids"), &refusal.lease_ids)?;
    let delay_ms = optional_ms(&format!("{field}.delay"), refusal.delay.as_ref())?;
    if delay_ms.is_some_and(|delay_ms| delay_ms > bus_domain::consumer::retry::DELAY_MS_MAX) {
        return Err(invalid_field(&format!("{field}.delay"), "is more than 7 days"));
    }
    let failure = if refusal.terminate { Failure::Terminated } else { Failure::Refused { delay_ms } };
    session.refuse(&known, failure).map_err(consumer_status)?;
    Ok(unknown)
}

/// Gives more time; says which leases cannot be any.
pub(crate) fn extend(
    session: &ConsumerSession,
    field: &str,
    extension: &v1::Extension,
) -> Result<Vec<v1::LeaseResult>, Status> {
    let (known, unknown) = leases(&format!("{field}.lease_ids"), &extension.lease_ids)?;
    let lease_ms = optional_ms(&format!("{field}.lease"), extension.lease.as_ref())?;
    let range = bus_domain::consumer::create::LEASE_MS_RANGE;
    if lease_ms.is_some_and(|lease_ms| !range.contains(&lease_ms)) {
        return Err(invalid_field(&format!("{field}.lease"), "must be from 1 second to 12 hours"));
    }
    session.extend(&known, lease_ms).map_err(consumer_status)?;
    Ok(unknown)
}

fn credit_of(credit: v1::Credit) -> Credit {
    Credit { messages: credit.messages, bytes: credit.bytes }
}
