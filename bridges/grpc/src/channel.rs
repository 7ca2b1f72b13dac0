//! Connections to services of users: opened behind the guard, with TLS.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bus_domain::consumer::destination::Secret;
use hyper_util::rt::TokioIo;
use outbound_http::{ConnectError, Dialer, Target};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;
use tonic::metadata::AsciiMetadataValue;
use tonic::transport::{Channel, Endpoint, Uri};
use tonic::{Request, Status};
use tower_service::Service;

/// A connection without traffic is pinged this often while a call is open, and given up when a ping is not answered in time.
const KEEPALIVE_INTERVAL: Duration = Duration::from_mins(1);
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(20);

/// A channel that connects with its first call, and again whenever it has to.
///
/// # Errors
/// Why the URL is none that may be called.
pub(crate) fn open(dialer: &Dialer, uri: &str) -> Result<Channel, String> {
    let target = dialer.guard().check_url(uri).map_err(|refused| refused.to_string())?;
    let origin: Uri = target.origin().parse().map_err(|_| "the URL names no host".to_owned())?;
    // The connector brings TLS; the library would want to bring its own for an address with https.
    let plain = format!("http://{}", origin.authority().map_or("", |authority| authority.as_str()));
    let endpoint = Endpoint::from_shared(plain).map_err(|error| error.to_string())?;
    let endpoint = endpoint
        .origin(origin)
        .http2_keep_alive_interval(KEEPALIVE_INTERVAL)
        .keep_alive_timeout(KEEPALIVE_TIMEOUT);
    Ok(endpoint.connect_with_connector_lazy(Connector { dialer: dialer.clone(), target }))
}

/// Shows the token of a destination, if it has one.
pub(crate) fn authorize<T>(request: &mut Request<T>, token: Option<&Secret>) -> Result<(), Status> {
    let Some(token) = token else { return Ok(()) };
    let value = AsciiMetadataValue::try_from(format!("Bearer {}", token.0));
    let value = value.map_err(|_| Status::failed_precondition("the token cannot be metadata"))?;
    request.metadata_mut().insert("authorization", value);
    Ok(())
}

/// With what lies behind an error of the connection.
pub(crate) fn reason(status: &Status) -> String {
    let mut text = format!("{:?}: {}", status.code(), status.message());
    let mut cause = std::error::Error::source(status);
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

/// Opens connections to one service.
#[derive(Clone)]
struct Connector {
    dialer: Dialer,
    target: Target,
}

impl Service<Uri> for Connector {
    type Response = TokioIo<TlsStream<TcpStream>>;
    type Error = ConnectError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, ConnectError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), ConnectError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        let Self { dialer, target } = self.clone();
        Box::pin(async move { dialer.dial(&target).await.map(TokioIo::new) })
    }
}
