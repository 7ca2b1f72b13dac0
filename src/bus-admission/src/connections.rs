use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use futures::stream::{self, Stream, StreamExt as _};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, Sleep, sleep, timeout};
use tokio_rustls::server::TlsStream;

use crate::TlsServer;
use crate::tls::certificate_names;

/// How long to wait when the system gives no connection, most likely for want of file descriptors.
const ACCEPT_RETRY: Duration = Duration::from_millis(200);
/// How long a client may take to agree on TLS.
const TLS_PATIENCE: Duration = Duration::from_secs(5);
/// How long a client that is connected may say nothing at all. Later on it is pinged.
const SILENCE_PATIENCE: Duration = Duration::from_secs(5);
/// How long a client may take to show who it is, while no place is left for others.
const STRANGER_PATIENCE: Duration = Duration::from_secs(3);
/// Clients that may be about to agree on TLS; the next one waits in the system's queue.
const TLS_AGREEING_MAX: usize = 256;

/// What a listener's connections are taken with.
#[derive(Debug, Clone)]
pub struct Accepting {
    /// What listens, for the log.
    pub leg: &'static str,
    /// Connections at a time; one more waits until another ends.
    pub connections_max: usize,
    /// With it, connections are encrypted, and no others are taken.
    pub tls: Option<Arc<TlsServer>>,
    /// How long a client may read nothing of what is written to it; `None` if the protocol looks after that.
    pub reading_patience: Option<Duration>,
}

/// The listener's connections, at most so many at a time: the next one waits in the system's queue for a place.
///
/// Without a bound, clients could take every file descriptor of the process, those of the store and of the XMPP link
/// included.
pub fn accept(
    listener: TcpListener,
    accepting: Accepting,
) -> impl Stream<Item = io::Result<Connection>> + Send + Unpin + 'static {
    let Accepting { leg, connections_max, tls, reading_patience } = accepting;
    let places = Arc::new(Semaphore::new(connections_max));
    let taking = Arc::clone(&places);
    let sockets = stream::unfold((listener, taking, false), move |(listener, places, was_full)| async move {
        // Told once for as long as it lasts.
        let is_full = places.available_permits() == 0;
        if is_full && !was_full {
            tracing::warn!(leg, connections_max, "no place is left for connections; the next one waits");
        }
        let place = Arc::clone(&places).acquire_owned().await.ok()?;
        let tcp = next(leg, &listener).await;
        Some(((tcp, place), (listener, places, is_full)))
    });
    let agreeing = sockets.map(move |(tcp, place)| {
        let tls = tls.clone();
        let places = Arc::clone(&places);
        async move {
            let socket = match tls {
                None => Some(Socket::Plain(tcp)),
                Some(tls) => agree(leg, &tls, tcp).await,
            };
            let silence = Some(Box::pin(sleep(SILENCE_PATIENCE)));
            let stranger = Some(Stranger { patience: Box::pin(sleep(STRANGER_PATIENCE)), places });
            let connection = |socket| Connection {
                socket,
                silence,
                stranger,
                acquaintance: Acquaintance::default(),
                reading_patience,
                unread: None,
                _place: place,
            };
            socket.map(|socket| Ok(connection(socket)))
        }
    });
    // Boxed, because servers want to move it about.
    agreeing.buffer_unordered(TLS_AGREEING_MAX).filter_map(futures::future::ready).boxed()
}

async fn next(leg: &str, listener: &TcpListener) -> TcpStream {
    loop {
        match listener.accept().await.and_then(|(tcp, _)| tcp.set_nodelay(true).map(|()| tcp)) {
            Ok(tcp) => return tcp,
            Err(error) => {
                tracing::warn!(leg, %error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_RETRY).await;
            }
        }
    }
}

/// A client that cannot or will not is its own affair.
async fn agree(leg: &str, tls: &TlsServer, tcp: TcpStream) -> Option<Socket> {
    let peer = tcp.peer_addr().ok();
    match timeout(TLS_PATIENCE, tls.accept(tcp)).await {
        Ok(Ok(stream)) => Some(Socket::Tls(Box::new(stream))),
        Ok(Err(error)) => {
            tracing::debug!(leg, ?peer, %error, "a client and the daemon do not agree on TLS");
            None
        }
        Err(_) => None,
    }
}

/// A connection and its place among those allowed.
pub struct Connection {
    socket: Socket,
    /// Ends the connection, as long as nothing has come.
    silence: Option<Pin<Box<Sleep>>>,
    /// As long as nobody knows who it is.
    stranger: Option<Stranger>,
    acquaintance: Acquaintance,
    reading_patience: Option<Duration>,
    /// Ends the connection, as long as nothing is taken.
    unread: Option<Pin<Box<Sleep>>>,
    _place: OwnedSemaphorePermit,
}

/// Whether anybody was let in who has come over a connection. Cheap to clone; all clones are one.
#[derive(Debug, Clone, Default)]
pub struct Acquaintance(Arc<AtomicBool>);

impl Acquaintance {
    /// Takes note that somebody was let in.
    pub fn made(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    fn is_made(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Gives up on a client that keeps others out and does not say who it is: whoever may connect could shut everybody out else,
/// with no more than open connections.
struct Stranger {
    patience: Pin<Box<Sleep>>,
    places: Arc<Semaphore>,
}

impl Stranger {
    fn is_in_the_way(&mut self, context: &mut Context<'_>) -> bool {
        while self.patience.as_mut().poll(context).is_ready() {
            if self.places.available_permits() == 0 {
                return true;
            }
            self.patience.as_mut().reset(Instant::now() + STRANGER_PATIENCE);
        }
        false
    }
}

enum Socket {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl Connection {
    /// The subject alternative names of the client's certificate; `None` without one.
    pub fn certificate_names(&self) -> Option<Arc<[String]>> {
        match &self.socket {
            Socket::Plain(_) => None,
            Socket::Tls(stream) => certificate_names(stream),
        }
    }

    /// Where is noted that somebody who has come over it was let in.
    pub fn acquaintance(&self) -> Acquaintance {
        self.acquaintance.clone()
    }

    /// Whether a client that sends nothing at the moment has had its time.
    fn is_over(&mut self, context: &mut Context<'_>) -> bool {
        if self.acquaintance.is_made() {
            self.stranger = None;
        }
        self.silence.as_mut().is_some_and(|silence| silence.as_mut().poll(context).is_ready())
            || self.stranger.as_mut().is_some_and(|stranger| stranger.is_in_the_way(context))
    }

    /// Gives up on a client that takes nothing for too long.
    fn watch_reading<Written>(
        &mut self,
        context: &mut Context<'_>,
        polled: Poll<io::Result<Written>>,
    ) -> Poll<io::Result<Written>> {
        let Some(patience) = self.reading_patience else { return polled };
        if polled.is_ready() {
            self.unread = None;
            return polled;
        }
        let unread = self.unread.get_or_insert_with(|| Box::pin(sleep(patience)));
        if unread.as_mut().poll(context).is_ready() {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        Poll::Pending
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let read_before = buffer.filled().len();
        let polled = match &mut self.socket {
            Socket::Plain(tcp) => Pin::new(tcp).poll_read(context, buffer),
            Socket::Tls(stream) => Pin::new(stream).poll_read(context, buffer),
        };
        if buffer.filled().len() > read_before {
            self.silence = None;
        } else if polled.is_pending() && self.is_over(context) {
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        polled
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let polled = match &mut self.socket {
            Socket::Plain(tcp) => Pin::new(tcp).poll_write(context, bytes),
            Socket::Tls(stream) => Pin::new(stream).poll_write(context, bytes),
        };
        self.watch_reading(context, polled)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = match &mut self.socket {
            Socket::Plain(tcp) => Pin::new(tcp).poll_write_vectored(context, slices),
            Socket::Tls(stream) => Pin::new(stream).poll_write_vectored(context, slices),
        };
        self.watch_reading(context, polled)
    }

    fn is_write_vectored(&self) -> bool {
        match &self.socket {
            Socket::Plain(tcp) => tcp.is_write_vectored(),
            Socket::Tls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = match &mut self.socket {
            Socket::Plain(tcp) => Pin::new(tcp).poll_flush(context),
            Socket::Tls(stream) => Pin::new(stream).poll_flush(context),
        };
        self.watch_reading(context, polled)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.socket {
            Socket::Plain(tcp) => Pin::new(tcp).poll_shutdown(context),
            Socket::Tls(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}
