use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::stream::{self, Stream, StreamExt as _};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Sleep, sleep, timeout};
use tokio_rustls::server::TlsStream;
use tonic::transport::server::Connected;

use crate::TlsServer;
use crate::tls::certificate_names;

/// How long to wait when the system gives no connection, most likely for want of file descriptors.
const ACCEPT_RETRY: Duration = Duration::from_millis(200);
/// How long a client may take to agree on TLS.
const TLS_PATIENCE: Duration = Duration::from_secs(5);
/// How long a client that is connected may say nothing at all. Later on it is pinged.
const SILENCE_PATIENCE: Duration = Duration::from_secs(5);
/// Clients that may be about to agree on TLS; the next one waits in the system's queue.
const TLS_AGREEING_MAX: usize = 256;

/// The listener's connections, at most so many at a time: the next one waits in the system's queue for a place.
///
/// Without a bound, clients could take every file descriptor of the process, those of the store and of the XMPP link
/// included.
pub(crate) fn accept(
    listener: TcpListener,
    connections_max: usize,
    tls: Option<Arc<TlsServer>>,
) -> impl Stream<Item = io::Result<Connection>> {
    let places = Arc::new(Semaphore::new(connections_max));
    let sockets = stream::unfold((listener, places), |(listener, places)| async move {
        let place = Arc::clone(&places).acquire_owned().await.ok()?;
        let tcp = next(&listener).await;
        Some(((tcp, place), (listener, places)))
    });
    let agreeing = sockets.map(move |(tcp, place)| {
        let tls = tls.clone();
        async move {
            let socket = match tls {
                None => Some(Socket::Plain(tcp)),
                Some(tls) => agree(&tls, tcp).await,
            };
            let silence = Some(Box::pin(sleep(SILENCE_PATIENCE)));
            socket.map(|socket| Ok(Connection { socket, silence, _place: place }))
        }
    });
    // Boxed, because tonic wants to move it about.
    agreeing.buffer_unordered(TLS_AGREEING_MAX).filter_map(futures::future::ready).boxed()
}

async fn next(listener: &TcpListener) -> TcpStream {
    loop {
        match listener.accept().await.and_then(|(tcp, _)| tcp.set_nodelay(true).map(|()| tcp)) {
            Ok(tcp) => return tcp,
            Err(error) => {
                tracing::warn!(%error, "a gRPC connection could not be accepted");
                tokio::time::sleep(ACCEPT_RETRY).await;
            }
        }
    }
}

/// A client that cannot or will not is its own affair.
async fn agree(tls: &TlsServer, tcp: TcpStream) -> Option<Socket> {
    let peer = tcp.peer_addr().ok();
    match timeout(TLS_PATIENCE, tls.accept(tcp)).await {
        Ok(Ok(stream)) => Some(Socket::Tls(Box::new(stream))),
        Ok(Err(error)) => {
            tracing::debug!(?peer, %error, "a gRPC client and the daemon do not agree on TLS");
            None
        }
        Err(_) => None,
    }
}

/// A connection and its place among those allowed.
pub(crate) struct Connection {
    socket: Socket,
    /// Ends the connection, as long as nothing has come.
    silence: Option<Pin<Box<Sleep>>>,
    _place: OwnedSemaphorePermit,
}

enum Socket {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// What is known of the other side of a connection.
#[derive(Debug, Clone)]
pub(crate) struct Peer {
    /// The subject alternative names of its certificate; `None` without one.
    pub(crate) certificate_names: Option<Arc<[String]>>,
}

impl Connected for Connection {
    type ConnectInfo = Peer;

    fn connect_info(&self) -> Peer {
        let certificate_names = match &self.socket {
            Socket::Plain(_) => None,
            Socket::Tls(stream) => certificate_names(stream),
        };
        Peer { certificate_names }
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
        } else if polled.is_pending()
            && let Some(silence) = &mut self.silence
            && silence.as_mut().poll(context).is_ready()
        {
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
        match &mut self.socket {
            Socket::Plain(tcp) => Pin::new(tcp).poll_write(context, bytes),
            Socket::Tls(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match &mut self.socket {
            Socket::Plain(tcp) => Pin::new(tcp).poll_write_vectored(context, slices),
            Socket::Tls(stream) => Pin::new(stream).poll_write_vectored(context, slices),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match &self.socket {
            Socket::Plain(tcp) => tcp.is_write_vectored(),
            Socket::Tls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.socket {
            Socket::Plain(tcp) => Pin::new(tcp).poll_flush(context),
            Socket::Tls(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.socket {
            Socket::Plain(tcp) => Pin::new(tcp).poll_shutdown(context),
            Socket::Tls(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}
