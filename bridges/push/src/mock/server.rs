use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bus_domain::push::PushProvider;
use bytes::Bytes;
use h2::Reason;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper::{Response, StatusCode, Version};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::Value;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use super::script::Fault;
use super::state::{Received, State};
use super::{apns, control, fcm, webpush};

/// A request, read whole.
pub(super) struct Asked {
    pub(super) method: String,
    pub(super) path: String,
    pub(super) query: String,
    pub(super) version: Version,
    headers: HeaderMap,
    pub(super) body: Bytes,
}

/// What is answered.
#[derive(Debug)]
pub(super) struct Answer {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
}

/// Whose request it is, by its path.
enum Route {
    Push(PushProvider, String),
    Token,
    Control(String),
}

/// What a script may do to the connection of a request.
#[derive(Clone)]
struct Ending {
    goes_away: CancellationToken,
    is_cut: CancellationToken,
}

/// More than any service takes, so that the services' own bounds are met first.
const BODY_BYTES_MAX: usize = 64 * 1024;

/// Takes connections until it is told to stop.
pub(super) async fn run(
    listener: TcpListener,
    acceptor: TlsAcceptor,
    state: Arc<State>,
    stop: CancellationToken,
) {
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stop.cancelled() => return,
        };
        match accepted {
            Ok((tcp, _)) => {
                let serving = serve(acceptor.clone(), tcp, Arc::clone(&state));
                tokio::spawn(stop.clone().run_until_cancelled_owned(serving));
            }
            Err(error) => tracing::warn!(%error, "a connection could not be taken"),
        }
    }
}

async fn serve(acceptor: TlsAcceptor, tcp: TcpStream, state: Arc<State>) {
    // Answers are small; without this they would wait for the client's acknowledgements.
    let _ = tcp.set_nodelay(true);
    let stream = match acceptor.accept(tcp).await {
        Ok(stream) => stream,
        Err(error) => return tracing::debug!(%error, "a client does not agree on TLS"),
    };
    state.count_connection();
    let ending = Ending { goes_away: CancellationToken::new(), is_cut: CancellationToken::new() };
    let speaks_http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
    let service = {
        let ending = ending.clone();
        service_fn(move |request| answer(request, Arc::clone(&state), ending.clone()))
    };
    let io = TokioIo::new(stream);
    if speaks_http2 {
        let mut builder = http2::Builder::new(TokioExecutor::new());
        builder.max_concurrent_streams(1_000);
        let mut connection = pin!(builder.serve_connection(io, service));
        let mut is_leaving = false;
        loop {
            tokio::select! {
                _ = connection.as_mut() => return,
                () = ending.is_cut.cancelled() => return,
                () = ending.goes_away.cancelled(), if !is_leaving => {
                    connection.as_mut().graceful_shutdown();
                    is_leaving = true;
                }
            }
        }
    }
    let connection = http1::Builder::new().serve_connection(io, service);
    tokio::select! {
        _ = connection => {}
        () = ending.is_cut.cancelled() => {}
    }
}

/// An error resets the stream.
async fn answer(
    request: hyper::Request<Incoming>,
    state: Arc<State>,
    ending: Ending,
) -> Result<Response<Full<Bytes>>, h2::Error> {
    let asked = match Asked::read(request).await {
        Ok(asked) => asked,
        Err(refusal) => return Ok(refusal.into_response()),
    };
    let answer = match asked.route() {
        None => Answer::empty(404),
        Some(Route::Token) => token(&state, &asked),
        Some(Route::Control(name)) => control::answer(&state, &name, &asked),
        Some(Route::Push(provider, target)) => push(&state, provider, &target, &asked, &ending).await?,
    };
    Ok(answer.into_response())
}

async fn push(
    state: &State,
    provider: PushProvider,
    target: &str,
    asked: &Asked,
    ending: &Ending,
) -> Result<Answer, h2::Error> {
    let fault = state.next_fault(provider, target);
    match &fault {
        Some(Fault::Reset) => return Err(Reason::INTERNAL_ERROR.into()),
        Some(Fault::Cut) => {
            ending.is_cut.cancel();
            return std::future::pending().await;
        }
        Some(Fault::Answer { status, reason, retry_after, timestamp_ms }) => {
            let answer = refusal(provider, *status, reason, *timestamp_ms);
            let retry_after = retry_after.iter().cloned();
            return Ok(
                retry_after.fold(answer, |answer, after| answer.with_header(RETRY_AFTER.as_str(), after))
            );
        }
        Some(Fault::ExpiredToken) => return Ok(expired_token(state, provider)),
        Some(Fault::GoAway | Fault::CutAfterTaking | Fault::Slow { .. }) | None => {}
    }
    let taken = match provider {
        PushProvider::WebPush => webpush::take(state, target, asked),
        PushProvider::Apns => state.apns.take(state, target, asked),
        PushProvider::Fcm => match &state.fcm {
            Some(fcm) => fcm.take(state, asked.project(), asked),
            None => Err(Answer::empty(404)),
        },
    };
    let answer = match taken {
        Ok((received, answer)) => {
            state.take(received);
            answer
        }
        Err(refusal) => {
            state.refuse(provider);
            refusal
        }
    };
    match fault {
        Some(Fault::GoAway) => ending.goes_away.cancel(),
        Some(Fault::CutAfterTaking) => {
            ending.is_cut.cancel();
            return std::future::pending().await;
        }
        Some(Fault::Slow { ms }) => tokio::time::sleep(Duration::from_millis(ms)).await,
        _ => {}
    }
    Ok(answer)
}

/// A script may fail it as requests of FCM for the device `token`.
fn token(state: &State, asked: &Asked) -> Answer {
    match (&state.fcm, state.next_fault_of_token()) {
        (None, _) => Answer::empty(404),
        (Some(_), Some(Fault::Answer { status, reason, .. })) => {
            Answer::json(status, &serde_json::json!({ "error": reason }))
        }
        (Some(fcm), _) => fcm.give_token(state, asked),
    }
}

/// A refusal in the provider's own form.
fn refusal(provider: PushProvider, status: u16, reason: &str, timestamp_ms: Option<i64>) -> Answer {
    match provider {
        PushProvider::WebPush => webpush::refuse(status, reason),
        PushProvider::Apns => apns::refuse(status, reason, timestamp_ms),
        PushProvider::Fcm => fcm::refuse(status, reason),
    }
}

fn expired_token(state: &State, provider: PushProvider) -> Answer {
    match provider {
        PushProvider::WebPush => webpush::refuse(403, "exp is over, or more than a day ahead"),
        PushProvider::Apns => apns::refuse(403, "ExpiredProviderToken", None),
        PushProvider::Fcm => {
            state.fcm.iter().for_each(super::fcm::Fcm::expire_tokens);
            fcm::refuse(401, "UNAUTHENTICATED")
        }
    }
}

impl Asked {
    async fn read(request: hyper::Request<Incoming>) -> Result<Self, Answer> {
        let (head, body) = request.into_parts();
        let body = Limited::new(body, BODY_BYTES_MAX).collect().await.map_err(|_| Answer::empty(413))?;
        Ok(Self {
            method: head.method.to_string(),
            path: head.uri.path().to_owned(),
            query: head.uri.query().unwrap_or_default().to_owned(),
            version: head.version,
            headers: head.headers,
            body: body.to_bytes(),
        })
    }

    fn route(&self) -> Option<Route> {
        let push = |provider, target: &str| Some(Route::Push(provider, target.to_owned()));
        match self.path.trim_start_matches('/').split('/').collect::<Vec<_>>()[..] {
            ["wp", id] => push(PushProvider::WebPush, id),
            ["3", "device", token] => push(PushProvider::Apns, token),
            ["v1", "projects", _, "messages:send"] => push(PushProvider::Fcm, &fcm::device_of(self)),
            ["token"] => Some(Route::Token),
            ["mock", name] => Some(Route::Control(name.to_owned())),
            _ => None,
        }
    }

    /// The project in the path of a message for FCM.
    fn project(&self) -> &str {
        self.path.split('/').nth(3).unwrap_or_default()
    }

    /// The header, if it is there and readable.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers_of(name).next()
    }

    pub(super) fn headers_of(&self, name: &str) -> impl Iterator<Item = &str> {
        self.headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok())
    }

    /// A record of it.
    pub(super) fn received(&self, provider: PushProvider, target: &str, payload: String) -> Received {
        let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
        let headers = self.headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect();
        Received { number: 0, provider, target: target.to_owned(), payload, headers, body: self.body.clone() }
    }
}

impl Answer {
    pub(super) fn empty(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Vec::new() }
    }

    pub(super) fn json(status: u16, body: &Value) -> Self {
        let answer = Self { status, headers: Vec::new(), body: body.to_string().into_bytes() };
        answer.with_header(CONTENT_TYPE.as_str(), "application/json".to_owned())
    }

    pub(super) fn with_header(mut self, name: &'static str, value: String) -> Self {
        self.headers.push((name, value));
        self
    }

    fn into_response(self) -> Response<Full<Bytes>> {
        let mut response = Response::new(Full::new(Bytes::from(self.body)));
        *response.status_mut() =
            StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        for (name, value) in self.headers {
            if let Ok(value) = HeaderValue::try_from(value) {
                response.headers_mut().append(HeaderName::from_static(name), value);
            }
        }
        response
    }
}
