use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hyper::client::conn::{http1, http2};
use lru::LruCache;
use tokio::time::Instant;

use crate::connect::{Body, Connected};
use crate::{ConnectError, Settings};

/// The connections of a client, by origin.
pub(crate) struct Pool {
    origins: Mutex<LruCache<String, Arc<Origin>>>,
    limits: Limits,
}

/// The connections to one origin. One is made at a time, and whoever waited for it shares what came of it.
pub(crate) struct Origin {
    connections: Mutex<Vec<Connection>>,
    connecting: tokio::sync::Mutex<Option<Failed>>,
    limits: Limits,
}

/// A connection, for as long as one request is on it.
pub(crate) enum Leased {
    Http2 { sender: http2::SendRequest<Body>, _busy: Busy },
    Http1(http1::SendRequest<Body>),
}

#[derive(Clone, Copy)]
struct Limits {
    connections_max: usize,
    requests_per_connection: usize,
}

struct Connection {
    sender: http2::SendRequest<Body>,
    requests: Arc<AtomicUsize>,
}

struct Failed {
    at: Instant,
    error: Arc<ConnectError>,
}

/// Counts a request on its connection until it is dropped.
pub(crate) struct Busy(Arc<AtomicUsize>);

impl Pool {
    pub(crate) fn new(settings: &Settings) -> Self {
        let capacity = NonZeroUsize::new(settings.origins_max).unwrap_or(NonZeroUsize::MIN);
        let limits = Limits {
            connections_max: settings.connections_per_origin_max.max(1),
            requests_per_connection: settings.requests_per_connection.max(1),
        };
        Self { origins: Mutex::new(LruCache::new(capacity)), limits }
    }

    pub(crate) fn origin(&self, origin: String) -> Arc<Origin> {
        let mut origins = lock(&self.origins);
        let limits = self.limits;
        Arc::clone(origins.get_or_insert(origin, || Arc::new(Origin::new(limits))))
    }
}

impl Origin {
    fn new(limits: Limits) -> Self {
        Self { connections: Mutex::default(), connecting: tokio::sync::Mutex::default(), limits }
    }

    /// A connection with room, made by `connect` when there is none and there may be one more.
    pub(crate) async fn lease(
        &self,
        connect: impl AsyncFnOnce() -> Result<Connected, ConnectError>,
    ) -> Result<Leased, Arc<ConnectError>> {
        if let Some(leased) = self.lease_with_room() {
            return Ok(leased);
        }
        let waits_since = Instant::now();
        let mut last_failure = self.connecting.lock().await;
        if let Some(leased) = self.lease_with_room() {
            return Ok(leased);
        }
        if let Some(failed) = last_failure.as_ref().filter(|failed| failed.at > waits_since) {
            return Err(Arc::clone(&failed.error));
        }
        match connect().await {
            Ok(Connected::Http2(sender)) => Ok(self.add(sender)),
            Ok(Connected::Http1(sender)) => Ok(Leased::Http1(sender)),
            Err(error) => {
                let error = Arc::new(error);
                *last_failure = Some(Failed { at: Instant::now(), error: Arc::clone(&error) });
                Err(error)
            }
        }
    }

    /// The connection with the fewest requests, unless it has many and there may be another one.
    fn lease_with_room(&self) -> Option<Leased> {
        let mut connections = lock(&self.connections);
        connections.retain(|connection| !connection.sender.is_closed());
        let may_be_more = connections.len() < self.limits.connections_max;
        let least =
            connections.iter().min_by_key(|connection| connection.requests.load(Ordering::Relaxed))?;
        let is_full = least.requests.load(Ordering::Relaxed) >= self.limits.requests_per_connection;
        (!is_full || !may_be_more).then(|| least.lease())
    }

    fn add(&self, sender: http2::SendRequest<Body>) -> Leased {
        let connection = Connection { sender, requests: Arc::default() };
        let leased = connection.lease();
        lock(&self.connections).push(connection);
        leased
    }
}

impl Connection {
    fn lease(&self) -> Leased {
        self.requests.fetch_add(1, Ordering::Relaxed);
        Leased::Http2 { sender: self.sender.clone(), _busy: Busy(Arc::clone(&self.requests)) }
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing panics while it is held, and what it holds is whole at any time.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
