use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use bus_admission::{Accepting, Authentication, Connection, accept, check_address};
use bus_engine::Engine;
use futures::StreamExt as _;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower_service::Service as _;

use crate::auth::Peer;
use crate::routes::{Api, router};
use crate::{HttpSettings, ServeError};

/// Serves the API on a listener until `shutdown`, then lets requests end for as long as the settings say. Streams of events
/// end at once, and say that they do.
///
/// # Errors
/// [`ServeError::Settings`] when the listener is beyond loopback without leave. Trouble with a connection is not an error
/// of the server.
pub async fn serve(
    engine: Engine,
    settings: HttpSettings,
    listener: TcpListener,
    shutdown: CancellationToken,
) -> Result<(), ServeError> {
    let address = listener.local_addr().map_err(ServeError::Listener)?;
    let may_be_plain = settings.tls.is_some() || settings.allow_plaintext_beyond_loopback;
    check_address("HTTP", "http", address, may_be_plain)?;
    tracing::info!(
        %address, credentials = settings.credentials.count(), tls = settings.tls.is_some(), "the HTTP API is served"
    );

    let accepting = Accepting {
        leg: "HTTP",
        connections_max: settings.connections_max,
        tls: settings.tls.clone(),
        reading_patience: Some(settings.reading_patience),
    };
    let mut connections = accept(listener, accepting);
    let grace = settings.shutdown_grace;
    let head_patience = settings.request_patience;
    let departure = settings.departure.clone();
    let connected = Arc::new(Connected {
        router: router(Api {
            authentication: Authentication::new(engine.clone(), settings.credentials.clone()),
            engine,
            settings,
        }),
        head_patience,
        shutdown: shutdown.clone(),
    });
    let tasks = TaskTracker::new();
    loop {
        tokio::select! {
            biased;
            () = shutdown.cancelled() => break,
            next = connections.next() => match next {
                Some(Ok(connection)) => drop(tasks.spawn(Arc::clone(&connected).answer(connection))),
                Some(Err(error)) => tracing::debug!(%error, "an HTTP connection could not be taken"),
                None => break,
            },
        }
    }
    departure.begin();
    drop(connections);
    tasks.close();
    if tokio::time::timeout(grace, tasks.wait()).await.is_err() {
        tracing::warn!(
            requests = tasks.len(),
            "HTTP requests were still under way and are left to the end of the process"
        );
    }
    Ok(())
}

/// What every connection is answered with.
struct Connected {
    router: Router,
    head_patience: Duration,
    shutdown: CancellationToken,
}

impl Connected {
    async fn answer(self: Arc<Self>, connection: Connection) {
        let peer = Peer {
            certificate_names: connection.certificate_names(),
            acquaintance: connection.acquaintance(),
        };
        let router = self.router.clone();
        let service = service_fn(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(peer.clone());
            router.clone().call(request.map(Body::new))
        });
        let serving = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(self.head_patience)
            .serve_connection(TokioIo::new(connection), service);
        let mut serving = std::pin::pin!(serving);
        let served = tokio::select! {
            served = serving.as_mut() => served,
            () = self.shutdown.cancelled() => {
                serving.as_mut().graceful_shutdown();
                serving.await
            }
        };
        if let Err(error) = served {
            tracing::debug!(%error, "an HTTP connection ended in its middle");
        }
    }
}
