use std::error::Error as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::header::{CONNECTION, HOST, HeaderMap, HeaderValue};
use hyper::{Method, StatusCode, Uri};
use tokio::time::timeout;
use tokio_rustls::rustls::ClientConfig;

use crate::connect::{Body, Connector};
use crate::pool::{Busy, Leased, Pool};
use crate::{SendError, Settings, SettingsError, Target, tls};

/// Sends requests to whoever they are for, over connections that it keeps. Cheap to clone.
#[derive(Clone)]
pub struct Client(Arc<Inner>);

/// What is asked.
#[derive(Debug, Clone)]
pub struct Request {
    /// How.
    pub method: Method,
    /// Whom and where.
    pub target: Target,
    /// The headers; `host` and `content-length` are filled in.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

impl Request {
    /// Asks for what is there.
    pub fn get(target: Target) -> Self {
        Self { method: Method::GET, target, headers: HeaderMap::new(), body: Bytes::new() }
    }
}

/// What was answered.
#[derive(Debug, Clone)]
pub struct Response {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body, or the beginning of a long one.
    pub body: Bytes,
}

struct Inner {
    settings: Settings,
    tls: Arc<ClientConfig>,
    pool: Pool,
    connections_opened: AtomicU64,
    requests_moved: AtomicU64,
}

/// The head of an answer.
struct Answered {
    head: hyper::Response<Incoming>,
    /// The connection stays busy until the body is there.
    _busy: Option<Busy>,
}

/// How long the body of an answer is waited for: it says little that the status does not.
const BODY_PATIENCE: Duration = Duration::from_secs(5);

enum Failed {
    NotBegun,
    For(SendError),
}

impl Client {
    /// A client without connections.
    ///
    /// # Errors
    /// When the authorities cannot be used.
    pub fn new(settings: Settings) -> Result<Self, SettingsError> {
        let tls = tls::config(settings.authorities_pem.as_deref())?;
        let pool = Pool::new(&settings);
        let inner = Inner {
            settings,
            tls,
            pool,
            connections_opened: AtomicU64::new(0),
            requests_moved: AtomicU64::new(0),
        };
        Ok(Self(Arc::new(inner)))
    }

    /// Sends a request and reads the answer, whatever its status. What the server says that it has not begun is brought
    /// to another connection.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn send(&self, request: &Request) -> Result<Response, SendError> {
        let patience = self.0.settings.request_timeout;
        let late = |_| SendError::Timeout { seconds: patience.as_secs() };
        let answered = timeout(patience, self.send_until_begun(request)).await.map_err(late)??;
        Ok(self.read(answered).await)
    }

    /// Where it lets requests go.
    pub fn guard(&self) -> &crate::Guard {
        &self.0.settings.guard
    }

    /// How many connections were opened until now.
    pub fn connections_opened(&self) -> u64 {
        self.0.connections_opened.load(Ordering::Relaxed)
    }

    /// How many requests were brought to another connection until now, because a server had not begun them.
    pub fn requests_moved(&self) -> u64 {
        self.0.requests_moved.load(Ordering::Relaxed)
    }

    async fn send_until_begun(&self, request: &Request) -> Result<Answered, SendError> {
        let attempts = self.0.settings.attempts_max.max(1);
        for _ in 0..attempts {
            match self.send_once(request).await {
                Ok(answered) => return Ok(answered),
                Err(Failed::For(error)) => return Err(error),
                Err(Failed::NotBegun) => {
                    self.0.requests_moved.fetch_add(1, Ordering::Relaxed);
                }
            }
        }
        Err(SendError::NotBegun { attempts })
    }

    async fn send_once(&self, request: &Request) -> Result<Answered, Failed> {
        let Inner { settings, tls, pool, connections_opened, .. } = &*self.0;
        let origin = pool.origin(request.target.origin());
        let connector = Connector {
            target: &request.target,
            guard: &settings.guard,
            tls,
            patience: settings.connect_timeout,
            opened: connections_opened,
        };
        let (sent, busy) = match origin.lease(&connector).await.map_err(|error| Failed::For(error.into()))? {
            Leased::Http2 { mut sender, mut busy } => {
                let request = http2_request(request).map_err(Failed::For)?;
                busy.asked();
                let sent = sender.try_send_request(request).await;
                busy.heard();
                (sent, Some(busy))
            }
            Leased::Http1(mut sender) => {
                (sender.try_send_request(http1_request(request).map_err(Failed::For)?).await, None)
            }
        };
        let head = sent.map_err(|mut error| failed(error.take_message().is_none(), error.into_error()))?;
        Ok(Answered { head, _busy: busy })
    }

    /// The answer counts from its status on: a body that breaks off, does not end or is too long takes nothing away from it.
    async fn read(&self, answered: Answered) -> Response {
        let (parts, mut incoming) = answered.head.into_parts();
        let bytes_max = self.0.settings.response_bytes_max;
        let mut body = BytesMut::new();
        let reading = async {
            while body.len() < bytes_max
                && let Some(Ok(frame)) = incoming.frame().await
            {
                if let Ok(data) = frame.into_data() {
                    body.extend_from_slice(&data[..data.len().min(bytes_max - body.len())]);
                }
            }
        };
        // What has come until then is the body.
        let _ = timeout(BODY_PATIENCE.min(self.0.settings.request_timeout), reading).await;
        Response { status: parts.status, headers: parts.headers, body: body.freeze() }
    }
}

/// A request that came back, or that the server named as not begun, may go out again at once.
fn failed(was_sent: bool, error: hyper::Error) -> Failed {
    if was_sent && !says_not_begun(&error) {
        Failed::For(SendError::CutOff(Arc::new(error)))
    } else {
        Failed::NotBegun
    }
}

/// GOAWAY promises that streams behind its last one were not processed, and `REFUSED_STREAM` promises it of its stream
/// (RFC 9113, section 8.7). Streams before that last one never get this error: they end in order, or are cut off.
fn says_not_begun(error: &hyper::Error) -> bool {
    let mut cause = error.source();
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<h2::Error>() {
            let is_refused = error.is_reset() && error.reason() == Some(h2::Reason::REFUSED_STREAM);
            return error.is_remote() && (error.is_go_away() || is_refused);
        }
        cause = error.source();
    }
    false
}

fn http2_request(request: &Request) -> Result<hyper::Request<Body>, SendError> {
    build(request, request.target.url().as_str(), request.headers.clone())
}

fn http1_request(request: &Request) -> Result<hyper::Request<Body>, SendError> {
    let url = request.target.url();
    let authority = &url[url::Position::BeforeHost..url::Position::AfterPort];
    let malformed = |error: hyper::header::InvalidHeaderValue| SendError::Malformed(error.to_string());
    let mut headers = request.headers.clone();
    headers.insert(HOST, HeaderValue::from_str(authority).map_err(malformed)?);
    headers.insert(CONNECTION, HeaderValue::from_static("close"));
    build(request, &url[url::Position::BeforePath..url::Position::AfterQuery], headers)
}

fn build(request: &Request, uri: &str, headers: HeaderMap) -> Result<hyper::Request<Body>, SendError> {
    let uri: Uri =
        uri.parse().map_err(|error: hyper::http::uri::InvalidUri| SendError::Malformed(error.to_string()))?;
    let mut built = hyper::Request::new(Full::new(request.body.clone()));
    *built.method_mut() = request.method.clone();
    *built.uri_mut() = uri;
    *built.headers_mut() = headers;
    Ok(built)
}
