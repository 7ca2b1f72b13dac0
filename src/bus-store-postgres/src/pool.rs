use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bus_store::StoreError;
use sqlx::ConnectOptions as _;
use sqlx::postgres::{PgConnectOptions, PgConnection};
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout};

use crate::PostgresLimits;
use crate::error::{no_answer, unavailable};
use crate::session::Session;
use crate::statement::{query, statements};

/// A connection that nobody used for so long is asked before it is used again.
const TRUSTED_FOR: Duration = Duration::from_secs(1);
/// Longer than any call, so that only a client that is gone is meant.
const IDLE_IN_TRANSACTION_FACTOR: u32 = 6;

statements! {
    // All settings of a session in one round trip. A server with `synchronous_commit = off` would acknowledge before
    // the log is synced; its other values are the administrator's choice among standbys.
    SET_UP = "SELECT set_config('statement_timeout', $1, false),
            set_config('lock_timeout', $2, false),
            set_config('idle_in_transaction_session_timeout', $3, false),
            set_config('tcp_keepalives_idle', '10', false),
            set_config('tcp_keepalives_interval', '5', false),
            set_config('tcp_keepalives_count', '3', false),
            set_config('default_transaction_isolation', 'read committed', false),
            set_config('jit', 'off', false),
            set_config('synchronous_commit', CASE current_setting('synchronous_commit')
                WHEN 'off' THEN 'on' ELSE current_setting('synchronous_commit') END, false)";
    PROBE = "SELECT 1";
}

/// Connections to one database, bounded in number, each of them good as far as is known.
///
/// Unlike sqlx's pool it never waits for a server on the way back, and it closes what did not answer in time: so a
/// server that is stopped, or silently gone, holds nothing for longer than one call.
#[derive(Debug)]
pub(crate) struct Pool {
    options: PgConnectOptions,
    limits: PostgresLimits,
    idle: Mutex<Vec<(PgConnection, Instant)>>,
    permits: Arc<Semaphore>,
}

impl Pool {
    pub(crate) fn new(options: PgConnectOptions, limits: PostgresLimits) -> Arc<Self> {
        let permits = Arc::new(Semaphore::new(limits.connections_max as usize));
        Arc::new(Self { options, limits, idle: Mutex::default(), permits })
    }

    /// Where to connect.
    pub(crate) fn options(&self) -> &PgConnectOptions {
        &self.options
    }

    /// How long one call may take.
    pub(crate) fn call_timeout(&self) -> Duration {
        Duration::from_millis(self.limits.call_timeout_ms)
    }

    /// A session that answers, or a new one.
    pub(crate) async fn session(self: &Arc<Self>) -> Result<Session, StoreError> {
        let connect_timeout = Duration::from_millis(self.limits.connect_timeout_ms);
        let permit = timeout(connect_timeout, Arc::clone(&self.permits).acquire_owned())
            .await
            .map_err(|_| unavailable_now("all connections are in use"))?
            .map_err(|closed| unavailable(closed.to_string(), closed))?;
        if let Some((connection, since)) = self.take_idle() {
            let mut session = Session::new(connection, Arc::clone(self), permit);
            if since.elapsed() < TRUSTED_FOR || session.execute(query(PROBE)).await.is_ok() {
                return Ok(session);
            }
            self.forget_idle();
            return self.connect(session.into_permit(), connect_timeout).await;
        }
        self.connect(permit, connect_timeout).await
    }

    async fn connect(
        self: &Arc<Self>,
        permit: tokio::sync::OwnedSemaphorePermit,
        connect_timeout: Duration,
    ) -> Result<Session, StoreError> {
        // Whatever keeps us from connecting, a wrong password included, can be mended without us.
        let connection = timeout(connect_timeout, self.options.connect())
            .await
            .unwrap_or_else(|_| Err(no_answer(connect_timeout)))
            .map_err(|source| unavailable(format!("cannot connect to PostgreSQL: {source}"), source))?;
        let mut session = Session::new(connection, Arc::clone(self), permit);
        let call = self.call_timeout();
        let milliseconds = |time: Duration| time.as_millis().to_string();
        let set_up = query(SET_UP)
            .bind(milliseconds(call))
            .bind(self.limits.lock_timeout_ms.to_string())
            .bind(milliseconds(call * IDLE_IN_TRANSACTION_FACTOR));
        session.execute(set_up).await?;
        Ok(session)
    }

    pub(crate) fn put_back(&self, connection: PgConnection) {
        self.lock_idle().push((connection, Instant::now()));
    }

    /// Where one connection turned out to be lost, the others are too.
    pub(crate) fn forget_idle(&self) {
        let lost = std::mem::take(&mut *self.lock_idle());
        drop(lost);
    }

    fn take_idle(&self) -> Option<(PgConnection, Instant)> {
        self.lock_idle().pop()
    }

    fn lock_idle(&self) -> std::sync::MutexGuard<'_, Vec<(PgConnection, Instant)>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn unavailable_now(message: &str) -> StoreError {
    StoreError::Unavailable { message: message.to_owned(), source: None }
}
