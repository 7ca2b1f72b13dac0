use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bus_store::{Doorbell, StoreError};
use sqlx::postgres::{PgListener, PgPoolOptions, PgRow};
use tokio::time::timeout;

use crate::error::{no_answer, store_error};
use crate::pool::Pool;
use crate::rows;
use crate::statement::{PgQuery, query, statements};

const CHANNEL: &str = "stanzabus";

statements! {
    // A shared lock that every instance holds, under a number of our own, is how they are counted: it goes with its
    // session.
    ANNOUNCE = "SELECT pg_backend_pid() AS session, pg_try_advisory_lock_shared(1398030674, 1) AS is_announced";
    INSTANCES = "SELECT count(*) AS instances FROM pg_locks
         WHERE locktype = 'advisory' AND classid = 1398030674 AND objid = 1 AND objsubid = 2 AND granted
           AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
    // After the commit and on a connection of its own: inside a transaction it would take a lock of the whole database
    // that makes commits wait for each other.
    RING = "SELECT pg_notify('stanzabus', '')";
}

/// LISTEN and NOTIFY on a connection of its own.
pub(crate) struct PostgresDoorbell {
    listener: PgListener,
    /// Whose rings are our own.
    session: u32,
    call_timeout: Duration,
}

impl PostgresDoorbell {
    pub(crate) async fn open(pool: &Arc<Pool>) -> Result<Self, StoreError> {
        let call_timeout = pool.call_timeout();
        let connecting = async {
            let own = PgPoolOptions::new().max_connections(1).idle_timeout(None).max_lifetime(None);
            let mut listener =
                PgListener::connect_with(&own.connect_lazy_with(pool.options().clone())).await?;
            // A connection that comes back by itself would hide that rings were missed.
            listener.eager_reconnect(false);
            listener.listen(CHANNEL).await?;
            let row = query(ANNOUNCE).fetch_one(&mut listener).await?;
            Ok((listener, row))
        };
        let (listener, row) = bounded(call_timeout, connecting).await?;
        Ok(Self { listener, session: rows::session(&row)?, call_timeout })
    }

    async fn ask(&mut self, query: PgQuery<'_>) -> Result<PgRow, StoreError> {
        bounded(self.call_timeout, query.fetch_one(&mut self.listener)).await
    }
}

#[async_trait]
impl Doorbell for PostgresDoorbell {
    async fn heard(&mut self) -> Result<(), StoreError> {
        loop {
            match self.listener.try_recv().await.map_err(store_error)? {
                Some(ring) if ring.process_id() == self.session => {}
                Some(_) => {
                    // However many there are, one look at the tables sees it all.
                    while self.listener.next_buffered().is_some() {}
                    return Ok(());
                }
                None => return Err(store_error(sqlx::Error::PoolClosed)),
            }
        }
    }

    async fn ring(&mut self) -> Result<(), StoreError> {
        self.ask(query(RING)).await.map(drop)
    }

    async fn instances(&mut self) -> Result<u64, StoreError> {
        rows::unsigned(&self.ask(query(INSTANCES)).await?, "instances")
    }
}

async fn bounded<T>(
    bound: Duration,
    call: impl Future<Output = Result<T, sqlx::Error>>,
) -> Result<T, StoreError> {
    timeout(bound, call).await.unwrap_or_else(|_| Err(no_answer(bound))).map_err(store_error)
}
