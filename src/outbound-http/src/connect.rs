use std::future::poll_fn;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::net::{TcpStream, lookup_host};
use tokio::sync::Notify;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::ClientConfig;
use tokio_rustls::rustls::pki_types::ServerName;

use crate::{ConnectError, Guard, Target};

pub(crate) type Body = Full<Bytes>;

/// A connection on which requests can be sent.
pub(crate) enum Connected {
    /// Many at a time.
    Http2(Http2),
    /// One, and then no more.
    Http1(http1::SendRequest<Body>),
}

/// A connection of HTTP/2, and how many requests its server takes at a time.
pub(crate) struct Http2 {
    pub(crate) sender: http2::SendRequest<Body>,
    pub(crate) requests_max: Arc<AtomicUsize>,
}

/// A connection with requests under way is pinged this often. Some services take offence at more (`too_many_pings`).
const PING_INTERVAL: Duration = Duration::from_mins(1);
const PING_TIMEOUT: Duration = Duration::from_secs(20);
const RESPONSE_HEADER_BYTES_MAX: u32 = 16 * 1024;

/// Makes connections to where a request goes.
pub(crate) struct Connector<'a> {
    pub(crate) target: &'a Target,
    pub(crate) guard: &'a Guard,
    pub(crate) tls: &'a Arc<ClientConfig>,
    pub(crate) patience: Duration,
    /// Counts the connections.
    pub(crate) opened: &'a AtomicU64,
}

impl Connector<'_> {
    /// Resolves, asks the guard, connects and agrees on TLS and on a version of HTTP. `room` is told when the server takes
    /// more requests at a time than before.
    pub(crate) async fn connect(&self, room: &Arc<Notify>) -> Result<Connected, ConnectError> {
        let Self { target, guard, tls, patience, opened } = *self;
        let connecting = async {
            let addresses = resolve(target, guard).await?;
            let tcp = connect_to_one(target, &addresses, patience).await?;
            let stream = agree_on_tls(target, tls, tcp).await?;
            handshake(target, stream, room).await
        };
        let late = |_| ConnectError::Timeout { host: target.host().to_owned(), seconds: patience.as_secs() };
        let connected = timeout(patience, connecting).await.map_err(late)??;
        opened.fetch_add(1, Ordering::Relaxed);
        Ok(connected)
    }
}

/// The addresses of the host that may be connected to.
pub(crate) async fn resolve(target: &Target, guard: &Guard) -> Result<Vec<SocketAddr>, ConnectError> {
    let (host, port) = (target.host(), target.port());
    let found: Vec<IpAddr> = if let Some(address) = target.address() {
        vec![address]
    } else {
        let cannot = |source| ConnectError::Resolve { host: host.to_owned(), source };
        lookup_host((host, port)).await.map_err(cannot)?.map(|address| address.ip()).collect()
    };
    let mut refused = None;
    let mut passed = Vec::new();
    for address in found {
        match guard.check_address(host, address) {
            Ok(()) => passed.push(SocketAddr::new(address, port)),
            Err(reason) => refused = refused.or(Some(reason)),
        }
    }
    match refused {
        Some(refused) if passed.is_empty() => Err(refused.into()),
        _ => Ok(passed),
    }
}

/// One address after the other, each with its share of the time: one that swallows everything must not keep the others
/// from being tried.
pub(crate) async fn connect_to_one(
    target: &Target,
    addresses: &[SocketAddr],
    patience: Duration,
) -> Result<TcpStream, ConnectError> {
    let tcp = |source| ConnectError::Tcp { host: target.host().to_owned(), source };
    let share = patience / u32::try_from(addresses.len()).unwrap_or(u32::MAX).saturating_add(1);
    let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
    for address in addresses {
        match timeout(share, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => {
                stream.set_nodelay(true).map_err(tcp)?;
                return Ok(stream);
            }
            Ok(Err(error)) => last = error,
            Err(_) => last = io::ErrorKind::TimedOut.into(),
        }
    }
    Err(tcp(last))
}

pub(crate) async fn agree_on_tls(
    target: &Target,
    config: &Arc<ClientConfig>,
    tcp: TcpStream,
) -> Result<TlsStream<TcpStream>, ConnectError> {
    let host = target.host().to_owned();
    let Ok(name) = ServerName::try_from(host.clone()) else { return Err(ConnectError::Name { host }) };
    let connecting = TlsConnector::from(Arc::clone(config)).connect(name, tcp);
    connecting.await.map_err(|source: io::Error| ConnectError::Tls { host, source })
}

async fn handshake(
    target: &Target,
    stream: TlsStream<TcpStream>,
    room: &Arc<Notify>,
) -> Result<Connected, ConnectError> {
    let no_http = |source| ConnectError::Http { host: target.host().to_owned(), source };
    let speaks_http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
    let io = TokioIo::new(stream);
    if speaks_http2 {
        let mut builder = http2::Builder::new(TokioExecutor::new());
        builder
            .timer(TokioTimer::new())
            .keep_alive_interval(PING_INTERVAL)
            .keep_alive_timeout(PING_TIMEOUT)
            .max_header_list_size(RESPONSE_HEADER_BYTES_MAX);
        let (sender, connection) = builder.handshake(io).await.map_err(no_http)?;
        let requests_max = Arc::new(AtomicUsize::new(connection.current_max_send_streams()));
        drive(target, watched(connection, Arc::clone(&requests_max), Arc::clone(room)));
        Ok(Connected::Http2(Http2 { sender, requests_max }))
    } else {
        let (sender, connection) = http1::handshake(io).await.map_err(no_http)?;
        drive(target, connection);
        Ok(Connected::Http1(sender))
    }
}

/// A connection that says how many requests its server takes at a time, whenever that changes.
fn watched(
    mut connection: http2::Connection<TokioIo<TlsStream<TcpStream>>, Body, TokioExecutor>,
    requests_max: Arc<AtomicUsize>,
    room: Arc<Notify>,
) -> impl Future<Output = hyper::Result<()>> {
    poll_fn(move |context| {
        let polled = Pin::new(&mut connection).poll(context);
        let now = connection.current_max_send_streams();
        if requests_max.swap(now, Ordering::Relaxed) < now {
            room.notify_waiters();
        }
        polled
    })
}

/// A connection ends when its server closes it or nobody holds its sender any more.
fn drive(target: &Target, connection: impl Future<Output = hyper::Result<()>> + Send + 'static) {
    let origin = target.origin();
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(origin, %error, "a connection ended");
        }
    });
}
