use std::time::Duration;

use bus_admission::{Caller, Departure};
use bus_domain::NodeName;
use bus_domain::consumer::{ConsumerName, StandingState};
use bus_engine::{Advisory, AdvisoryAbout, AdvisoryFrame, AdvisoryReader, Engine};
use futures::stream::{self, BoxStream, StreamExt as _};
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status};

use crate::auth::{authenticated, authenticated_stream};
use crate::convert::timestamp;
use crate::settings::StoreKind;
use crate::status::{refused, shutting_down, status};
use crate::v1::stream_advisories_response::Frame;
use crate::{Health, ServerInfo, v1};

/// The server of the service, over [`OperationsService`].
pub(crate) type OperationsServer = v1::operations_server::OperationsServer<OperationsService>;

/// `stanzabus.v1.Operations`.
#[derive(Debug)]
pub(crate) struct OperationsService {
    pub(crate) engine: Engine,
    pub(crate) info: ServerInfo,
    pub(crate) health: Health,
    pub(crate) departure: Departure,
    /// How long publishes under way are waited for.
    pub(crate) drain_patience: Duration,
    pub(crate) shutdown: CancellationToken,
}

#[tonic::async_trait]
impl v1::operations_server::Operations for OperationsService {
    async fn get_server_info(
        &self,
        request: Request<v1::GetServerInfoRequest>,
    ) -> Result<Response<v1::GetServerInfoResponse>, Status> {
        let (actor, _) = authenticated(request)?;
        self.engine.check_admin(&actor).map_err(|error| status(&error))?;
        let info = &self.info;
        let store = match info.store {
            StoreKind::Sqlite => v1::StoreKind::Sqlite,
            StoreKind::Postgresql => v1::StoreKind::Postgresql,
        };
        Ok(Response::new(v1::GetServerInfoResponse {
            version: info.version.clone(),
            domain: info.domain.clone(),
            store: store.into(),
            start_time: Some(timestamp(info.started_at_ms)),
            is_draining: self.departure.has_begun(),
            limits: info.limits.iter().map(|(name, value)| (name.clone(), *value)).collect(),
        }))
    }

    async fn drain(&self, request: Request<v1::DrainRequest>) -> Result<Response<v1::DrainResponse>, Status> {
        let (actor, _) = authenticated(request)?;
        self.engine.check_admin(&actor).map_err(|error| status(&error))?;
        if !self.departure.has_begun() {
            tracing::info!(admin = actor.bare().as_str(), "the instance is drained");
            self.engine.advise(AdvisoryAbout::Draining { admin: actor.bare().clone() });
            // Probes first: nobody new is sent here while the others are sent away.
            self.health.set_not_serving().await;
            self.departure.begin();
        }
        let pending_publishes = self.departure.publishes_answered(self.drain_patience).await;
        Ok(Response::new(v1::DrainResponse { pending_publishes }))
    }

    type StreamAdvisoriesStream = BoxStream<'static, Result<v1::StreamAdvisoriesResponse, Status>>;

    async fn stream_advisories(
        &self,
        request: Request<v1::StreamAdvisoriesRequest>,
    ) -> Result<Response<Self::StreamAdvisoriesStream>, Status> {
        let (caller, message) = authenticated_stream(request)?;
        let reader = self.engine.advisories(caller.actor(), message.include_recent);
        let reader = reader.map_err(|error| status(&error))?;
        let newest_number = reader.opened_at();
        let opened = response(Frame::Opened(v1::AdvisoriesOpened { newest_number }));
        let session = Session { caller, reader, shutdown: self.shutdown.clone(), has_ended: false };
        let next = |mut session: Session| async move { Some((session.next().await?, session)) };
        let frames = stream::iter([Ok(opened)]).chain(stream::unfold(session, next));
        Ok(Response::new(frames.boxed()))
    }
}

/// One call of `StreamAdvisories`. A client that does not read holds one frame here.
struct Session {
    caller: Caller,
    reader: AdvisoryReader,
    shutdown: CancellationToken,
    has_ended: bool,
}

impl Session {
    /// The next frame, or the status that is the last thing of the stream.
    async fn next(&mut self) -> Option<Result<v1::StreamAdvisoriesResponse, Status>> {
        if self.has_ended {
            return None;
        }
        let frame = tokio::select! {
            biased;
            ended = self.caller.ended() => Err(refused(&ended)),
            frame = self.reader.next() => Ok(frame),
            // Last, so that what has happened on the way out is told as well.
            () = self.shutdown.cancelled() => Err(shutting_down()),
        };
        self.has_ended = frame.is_err();
        Some(frame.map(|frame| {
            response(match frame {
                AdvisoryFrame::Advisory(advisory) => Frame::Advisory(advisory_to_message(&advisory)),
                AdvisoryFrame::Missed(count) => Frame::Missed(v1::AdvisoriesMissed { count }),
            })
        }))
    }
}

fn response(frame: Frame) -> v1::StreamAdvisoriesResponse {
    v1::StreamAdvisoriesResponse { frame: Some(frame) }
}

fn advisory_to_message(advisory: &Advisory) -> v1::Advisory {
    use AdvisoryAbout as About;
    use v1::AdvisoryKind as Kind;
    let (kind, message, node, jid) = match &advisory.about {
        About::LinkUp => (Kind::LinkUp, "the XMPP server has accepted the link".to_owned(), None, None),
        About::LinkDown { cause } => {
            (Kind::LinkDown, format!("the link to the XMPP server is lost: {cause}"), None, None)
        }
        About::StoreAway { cause } => (Kind::StoreAway, format!("the store is away: {cause}"), None, None),
        About::StoreBack => (Kind::StoreBack, "the store works again".to_owned(), None, None),
        About::NodeFull(node) => {
            let message = "as many events wait for their delivery as may".to_owned();
            (Kind::NodeFull, message, Some(node), None)
        }
        About::NodeHasRoom(node) => {
            (Kind::NodeHasRoom, "delivery has caught up".to_owned(), Some(node), None)
        }
        About::SubscriptionParked { node, jid } => {
            let message =
                "a subscription is parked, because its notifications have come back for long; subscribing \
                           again revives it"
                    .to_owned();
            (Kind::SubscriptionParked, message, Some(node), Some(jid.to_string()))
        }
        About::NodeUnreadable { cause } => {
            (Kind::NodeUnreadable, format!("a node cannot be delivered: {cause}"), None, None)
        }
        About::EpochRenewed(node) => {
            let message = "the store has lost events of the node, which begins a new epoch".to_owned();
            (Kind::EpochRenewed, message, Some(node), None)
        }
        About::EpochsRenewed { nodes } => {
            let message = format!(
                "commits that were not synced may be lost: {nodes} nodes that do not wait for their sync begin new epochs"
            );
            (Kind::EpochRenewed, message, None, None)
        }
        About::CredentialsUnusable { cause } => {
            let message = format!("tokens or certificates stay as they were: {cause}");
            (Kind::CredentialsUnusable, message, None, None)
        }
        About::Destination { consumer, state, reason } => of_destination(consumer, *state, reason),
        About::Source { source, state, reason } => of_source(source, *state, reason),
        About::Draining { admin } => {
            (Kind::Draining, "the instance is being drained".to_owned(), None, Some(admin.to_string()))
        }
    };
    v1::Advisory {
        number: advisory.number,
        time: Some(timestamp(advisory.at_ms)),
        kind: kind.into(),
        message,
        node: node.map(ToString::to_string).unwrap_or_default(),
        jid: jid.unwrap_or_default(),
    }
}

type Told<'a> = (v1::AdvisoryKind, String, Option<&'a NodeName>, Option<String>);

fn of_destination<'a>(consumer: &ConsumerName, state: StandingState, reason: &str) -> Told<'a> {
    use StandingState::{Active, Failing, Gone, Pending, Refused};
    let kind = match state {
        Active => v1::AdvisoryKind::DestinationActive,
        Pending | Failing | Refused | Gone => v1::AdvisoryKind::DestinationAway,
    };
    let what = match state {
        Active => "takes its events",
        Pending => "was not reached yet",
        Failing => "fails",
        Refused => "does not agree to get events",
        Gone => "is gone, and the subscription paused",
    };
    let why = if reason.is_empty() { String::new() } else { format!(": {reason}") };
    (kind, format!("the destination of the subscription {consumer} {what}{why}"), None, None)
}

fn of_source<'a>(source: &ConsumerName, state: StandingState, reason: &str) -> Told<'a> {
    if state == StandingState::Active {
        return (v1::AdvisoryKind::SourceActive, format!("the source {source} is read"), None, None);
    }
    let message = format!("the source {source} is not read for now: {reason}");
    (v1::AdvisoryKind::SourceAway, message, None, None)
}
