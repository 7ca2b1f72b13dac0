use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use hyper::client::conn::{http1, http2};
use lru::LruCache;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep};

use crate::connect::{Body, Connected, Connector, Http2};
use crate::{ConnectError, Settings};

/// The connections of a client, by origin.
pub(crate) struct Pool {
    origins: Mutex<LruCache<String, Arc<Origin>>>,
    limits: Limits,
}

/// The connections to one origin. One is made at a time, and whoever waited for it shares what came of it.
pub(crate) struct Origin {
    connections: Mutex<Vec<Connection>>,
    /// Somebody closes those that are idle. Changed under the lock of the connections.
    is_watched: AtomicBool,
    connecting: tokio::sync::Mutex<Option<Failed>>,
    /// Told when a request is over, or a server takes more at a time.
    room: Arc<Notify>,
    limits: Limits,
}

/// A connection, for as long as one request is on it.
pub(crate) enum Leased {
    Http2 { sender: http2::SendRequest<Body>, busy: Busy },
    Http1(http1::SendRequest<Body>),
}

#[derive(Clone, Copy)]
struct Limits {
    connections_max: usize,
    requests_per_connection: usize,
    idle_max: Duration,
}

struct Connection {
    http2: Http2,
    requests: Arc<AtomicUsize>,
    /// When it last got a request, or was last seen with one.
    used_at: Instant,
    /// A request on it was given up without a word: most likely nobody is there any more.
    is_suspect: Arc<AtomicBool>,
}

struct Failed {
    at: Instant,
    error: Arc<ConnectError>,
}

/// Counts a request on its connection until it is dropped.
pub(crate) struct Busy {
    requests: Arc<AtomicUsize>,
    is_suspect: Arc<AtomicBool>,
    awaits_answer: bool,
    room: Arc<Notify>,
}

impl Busy {
    /// The request is about to go out.
    pub(crate) fn asked(&mut self) {
        self.awaits_answer = true;
    }

    /// There was an answer, or the connection has said that there will be none.
    pub(crate) fn heard(&mut self) {
        self.awaits_answer = false;
    }
}

impl Pool {
    pub(crate) fn new(settings: &Settings) -> Self {
        let capacity = NonZeroUsize::new(settings.origins_max).unwrap_or(NonZeroUsize::MIN);
        let limits = Limits {
            connections_max: settings.connections_per_origin_max.max(1),
            requests_per_connection: settings.requests_per_connection.max(1),
            idle_max: settings.idle_max,
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
        Self {
            connections: Mutex::default(),
            is_watched: AtomicBool::new(false),
            connecting: tokio::sync::Mutex::default(),
            room: Arc::default(),
            limits,
        }
    }

    /// A connection with room, made by `connector` when there is none and there may be one more.
    ///
    /// No request goes to a connection above what its server takes at a time: there it would wait without anybody knowing
    /// whether it was sent when the connection ends.
    pub(crate) async fn lease(
        self: &Arc<Self>,
        connector: &Connector<'_>,
    ) -> Result<Leased, Arc<ConnectError>> {
        loop {
            let room = self.room.notified();
            match self.look() {
                Look::Room(leased) => return Ok(leased),
                Look::Full => room.await,
                Look::MayConnect => match self.connect(connector).await {
                    Ok(Some(leased)) => return Ok(leased),
                    Ok(None) => {}
                    // One more is not to be had, and there will be room on those that are there.
                    Err(_) if !lock(&self.connections).is_empty() => room.await,
                    Err(error) => return Err(error),
                },
            }
        }
    }

    /// `None` when somebody else has made a connection meanwhile.
    async fn connect(
        self: &Arc<Self>,
        connector: &Connector<'_>,
    ) -> Result<Option<Leased>, Arc<ConnectError>> {
        let waits_since = Instant::now();
        let mut last_failure = self.connecting.lock().await;
        if !matches!(self.look(), Look::MayConnect) {
            return Ok(None);
        }
        if let Some(failed) = last_failure.as_ref().filter(|failed| failed.at > waits_since) {
            return Err(Arc::clone(&failed.error));
        }
        match connector.connect(&self.room).await {
            Ok(Connected::Http2(http2)) => Ok(Some(self.add(http2))),
            Ok(Connected::Http1(sender)) => Ok(Some(Leased::Http1(sender))),
            Err(error) => {
                let error = Arc::new(error);
                *last_failure = Some(Failed { at: Instant::now(), error: Arc::clone(&error) });
                Err(error)
            }
        }
    }

    /// The connection with the fewest requests, if it has room. One that is suspect is let go of: what is under way on it may
    /// end, and it ends with that.
    fn look(&self) -> Look {
        let mut connections = lock(&self.connections);
        connections.retain(Connection::is_good);
        let count = connections.len();
        let least =
            connections.iter_mut().min_by_key(|connection| connection.requests.load(Ordering::Relaxed));
        match least {
            Some(least) if least.has_room(self.limits) => Look::Room(least.lease(&self.room)),
            _ if count < self.limits.connections_max => Look::MayConnect,
            _ => Look::Full,
        }
    }

    fn add(self: &Arc<Self>, http2: Http2) -> Leased {
        let used_at = Instant::now();
        let mut connection =
            Connection { http2, requests: Arc::default(), used_at, is_suspect: Arc::default() };
        let leased = connection.lease(&self.room);
        let mut connections = lock(&self.connections);
        connections.push(connection);
        if !self.is_watched.swap(true, Ordering::Relaxed) {
            tokio::spawn(close_idle(Arc::downgrade(self), self.limits.idle_max));
        }
        drop(connections);
        // Whoever waited for it may have waited for nothing else.
        self.room.notify_waiters();
        leased
    }
}

/// Closes connections of an origin that have had no request for a while, until none is left: a server or a network in between would
/// forget them sooner or later, and the next request would wait for an answer in vain.
async fn close_idle(origin: Weak<Origin>, idle_max: Duration) {
    loop {
        sleep(idle_max / 2).await;
        let Some(origin) = origin.upgrade() else { return };
        let mut connections = lock(&origin.connections);
        // Under the lock nobody gets one of them.
        connections.retain_mut(|connection| connection.is_good() && !connection.is_idle(idle_max));
        if connections.is_empty() {
            origin.is_watched.store(false, Ordering::Relaxed);
            return;
        }
    }
}

enum Look {
    Room(Leased),
    MayConnect,
    Full,
}

impl Connection {
    fn is_good(&self) -> bool {
        !self.http2.sender.is_closed() && !self.is_suspect.load(Ordering::Relaxed)
    }

    fn has_room(&self, limits: Limits) -> bool {
        let server_max = self.http2.requests_max.load(Ordering::Relaxed);
        self.requests.load(Ordering::Relaxed) < limits.requests_per_connection.min(server_max)
    }

    fn is_idle(&mut self, idle_max: Duration) -> bool {
        if self.requests.load(Ordering::Relaxed) > 0 {
            self.used_at = Instant::now();
        }
        self.used_at.elapsed() >= idle_max
    }

    fn lease(&mut self, room: &Arc<Notify>) -> Leased {
        self.requests.fetch_add(1, Ordering::Relaxed);
        self.used_at = Instant::now();
        let busy = Busy {
            requests: Arc::clone(&self.requests),
            is_suspect: Arc::clone(&self.is_suspect),
            awaits_answer: false,
            room: Arc::clone(room),
        };
        Leased::Http2 { sender: self.http2.sender.clone(), busy }
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        if self.awaits_answer {
            self.is_suspect.store(true, Ordering::Relaxed);
        }
        self.requests.fetch_sub(1, Ordering::Relaxed);
        self.room.notify_one();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing panics while it is held, and what it holds is whole at any time.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
