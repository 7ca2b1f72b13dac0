use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use bus_admission::Caller;
use bus_cloudevents::{Position, arrived, json};
use bus_domain::{BusError, Event, EventKind, NodeName};
use bus_engine::{EventRef, Tail, TailFrame, TailStart};
use bytes::Bytes;
use futures::stream;
use serde_json::json;
use tokio::time::sleep;

use crate::auth::Authenticated;
use crate::path::NodePath;
use crate::problem::Problem;
use crate::query::Query;
use crate::routes::Api;
use crate::sse::{Frame, HEARTBEAT};

/// In how many milliseconds a client is to come back.
const RETRY_MS: u32 = 1_000;
/// Where a client was, as the last `id` of its stream said.
const LAST_EVENT_ID: &str = "last-event-id";

/// `GET /v1/nodes/{node}/events`: reads a node's log, and waits for what comes.
pub(crate) async fn get(
    State(api): State<Arc<Api>>,
    Authenticated(caller): Authenticated,
    NodePath(node): NodePath,
    query: Query,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    query.only(&["start", "after"])?;
    check_accepted(&headers)?;
    let start = Start::of(&headers, &query)?;
    let opened = open(&api, &caller, &node, start).await.map_err(|error| Problem::of(&error))?;
    let reader = Reader { api, caller, progress: Progress::Opening(opened.greeting), tail: opened.tail };
    let frames = stream::unfold(reader, async |mut reader| {
        let frame = reader.next().await?;
        Some((Ok::<_, std::convert::Infallible>(frame), reader))
    });
    let headers = [
        (CONTENT_TYPE.as_str(), "text/event-stream"),
        (CACHE_CONTROL.as_str(), "no-store"),
        // Reverse proxies like nginx would hold events back.
        ("x-accel-buffering", "no"),
    ];
    Ok((StatusCode::OK, headers, Body::from_stream(frames)).into_response())
}

fn check_accepted(headers: &HeaderMap) -> Result<(), Problem> {
    let mut values = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok()).peekable();
    let is_accepted = values.peek().is_none()
        || values
            .any(|value| ["text/event-stream", "*/*", "text/*"].iter().any(|range| value.contains(range)));
    if is_accepted {
        return Ok(());
    }
    let detail = "events are sent as text/event-stream, and Accept leaves that out";
    Err(Problem::new(StatusCode::NOT_ACCEPTABLE, "NOT_ACCEPTABLE", detail))
}

/// Where a client wants to start.
enum Start {
    /// Where it says.
    At(TailStart, Option<Position>),
    /// Behind what its stream had told before it broke: if that is no more, it is told so, and starts anew.
    Resume(Position),
}

impl Start {
    /// A header goes before the parameters: those are still there when a client comes back by itself.
    fn of(headers: &HeaderMap, query: &Query) -> Result<Self, Problem> {
        let position = |field: &str, text: &str| {
            text.parse::<Position>().map_err(|problem| Problem::invalid(field, problem))
        };
        if let Some(value) = headers.get(LAST_EVENT_ID).filter(|value| !value.is_empty()) {
            return Ok(Self::Resume(position("Last-Event-ID", value.to_str().unwrap_or_default())?));
        }
        match (query.get("start"), query.get("after")) {
            (Some(_), Some(_)) => Err(Problem::invalid("start", "and after exclude each other")),
            (None, Some(after)) => {
                let position = position("after", after)?;
                Ok(Self::At(TailStart::After(position.seq), Some(position)))
            }
            (None | Some("latest"), None) => Ok(Self::At(TailStart::Latest, None)),
            (Some("earliest"), None) => Ok(Self::At(TailStart::Earliest, None)),
            (Some(_), None) => Err(Problem::invalid("start", "is earliest or latest")),
        }
    }
}

/// A log that can be read, and what its reader hears first.
struct Opened {
    tail: Tail,
    greeting: Bytes,
}

async fn open(api: &Api, caller: &Caller, node: &NodeName, start: Start) -> Result<Opened, BusError> {
    let (at, position, resumes) = match start {
        Start::At(at, position) => (at, position, false),
        Start::Resume(position) => (TailStart::After(position.seq), Some(position), true),
    };
    let tail = |at, epoch| api.engine.tail(caller.actor().clone(), node, at, epoch);
    match tail(at, position.map(|it| it.epoch)).await {
        Ok(tail) => {
            // Where nothing has come yet, this is what the client comes back with.
            let seq = match at {
                TailStart::Earliest => None,
                TailStart::Latest => Some(tail.opened_at_seq()),
                TailStart::After(seq) => Some(seq),
            };
            Ok(Opened { greeting: greeting("opened", &tail, seq), tail })
        }
        Err(BusError::WrongEpoch) if resumes => {
            let tail = tail(TailStart::Earliest, None).await?;
            Ok(Opened { greeting: greeting("reset", &tail, None), tail })
        }
        Err(error) => Err(error),
    }
}

fn greeting(name: &str, tail: &Tail, seq: Option<u64>) -> Bytes {
    let epoch = tail.node().epoch;
    let data = json!({ "epoch": format!("{:016x}", epoch.0), "head_seq": tail.opened_at_seq() }).to_string();
    let id = seq.map(|seq| Position { epoch, seq }.to_string());
    Frame { id, name: Some(name), retry_ms: Some(RETRY_MS), data: &data }.encode()
}

/// One stream. A frame is made when the connection has room for it: a client that does not read holds one here, and the
/// rest stays in the log.
struct Reader {
    api: Arc<Api>,
    caller: Caller,
    tail: Tail,
    progress: Progress,
}

enum Progress {
    Opening(Bytes),
    Reading,
    Over,
}

impl Reader {
    /// The next bytes; `None` at the end.
    async fn next(&mut self) -> Option<Bytes> {
        match std::mem::replace(&mut self.progress, Progress::Reading) {
            Progress::Opening(greeting) => return Some(greeting),
            Progress::Reading => {}
            Progress::Over => return None,
        }
        // What is at hand needs nobody to be waited for.
        if !self.api.settings.departure.has_begun()
            && !self.caller.may_have_ended()
            && let Some(event) = self.tail.next_at_hand()
        {
            return Some(self.event(&event));
        }
        let read = tokio::select! {
            biased;
            () = self.api.settings.departure.begun() => {
                return Some(self.last("going-away", "{}"));
            }
            refusal = self.caller.ended() => {
                return Some(self.last("ended", &Problem::refused(&refusal).document()));
            }
            read = self.tail.next() => read,
            () = sleep(self.api.settings.heartbeat_interval) => return Some(HEARTBEAT),
        };
        match read {
            Ok(Some(TailFrame::Event(event))) => Some(self.event(&event)),
            Ok(Some(TailFrame::Gap { first_seq })) => {
                let data = json!({ "first_seq": first_seq }).to_string();
                let id = Some(self.position(first_seq - 1));
                Some(Frame { id, name: Some("gap"), data: &data, ..Frame::default() }.encode())
            }
            // The deletion was the last event.
            Ok(None) => None,
            Err(error) => Some(self.last("ended", &Problem::of(&error).document())),
        }
    }

    /// An event's frame, which is the same for everybody.
    fn event(&self, event: &Event) -> Bytes {
        let (node, encoded) = (self.tail.node(), &self.api.settings.encoded);
        if self.tail.is_live() {
            let key = EventRef { node: node.id, epoch: node.epoch, seq: event.seq };
            encoded.shared(key, (), || self.encode(event))
        } else {
            encoded.alone(|| self.encode(event))
        }
    }

    fn encode(&self, event: &Event) -> Bytes {
        let name = match event.kind.told() {
            EventKind::Published { .. } => None,
            EventKind::Retracted { .. } => Some("retracted"),
            EventKind::Purged => Some("purged"),
            EventKind::Configured => Some("configured"),
            EventKind::Deleted { .. } => Some("deleted"),
            // Of collections, whose logs nobody reads.
            EventKind::Associated { .. } | EventKind::Dissociated { .. } | EventKind::Forwarded { .. } => {
                Some("other")
            }
        };
        let data = json::write(&arrived(&self.api.settings.service, self.tail.node(), event));
        Frame { id: Some(self.position(event.seq)), name, data: &data, ..Frame::default() }.encode()
    }

    fn last(&mut self, name: &str, data: &str) -> Bytes {
        self.progress = Progress::Over;
        Frame { name: Some(name), data, ..Frame::default() }.encode()
    }

    fn position(&self, seq: u64) -> String {
        Position { epoch: self.tail.node().epoch, seq }.to_string()
    }
}
