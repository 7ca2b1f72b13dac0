use bus_store::StoreError;
use thiserror::Error;

use crate::migrate::known_version;
use crate::pool::Pool;
use crate::session::Session;
use crate::statement::{query, statements};
use crate::{PostgresLimits, PostgresUrl, rows};

/// PostgreSQL 13, before that `gen_random_uuid` was not built in.
const VERSION_MIN: i64 = 130_000;

statements! {
    SETTINGS = "SELECT current_setting('server_version_num')::bigint AS version,
            current_setting('server_version') AS version_text,
            current_setting('server_encoding') AS encoding,
            current_setting('fsync') AS fsync,
            current_setting('full_page_writes') AS full_page_writes,
            to_regclass('_sqlx_migrations') IS NOT NULL AS has_schema";
    SCHEMA_VERSION = "SELECT coalesce(max(version), 0) AS version FROM _sqlx_migrations";
}

/// What a database looks like before it is used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inspection {
    /// The server's own version, for people.
    pub server_version: String,
    /// The schema's version; `None` if there is none yet.
    pub schema_version: Option<i64>,
    /// Settings that could lose acknowledged events, each with what to do.
    pub risks: Vec<String>,
}

#[derive(Debug, Error)]
#[error("{0}")]
struct Unfit(String);

/// Looks at a database and changes nothing.
///
/// # Errors
/// What would keep [`crate::PostgresStore::open`] from it, as far as that can be seen.
pub async fn inspect(url: &PostgresUrl, limits: PostgresLimits) -> Result<Inspection, StoreError> {
    let inspection = Inspection::of(&mut Pool::new(url.options(), limits).session().await?).await?;
    match inspection.schema_version {
        Some(found) if found > known_version() => {
            Err(StoreError::NewerSchema { found, known: known_version() })
        }
        _ => Ok(inspection),
    }
}

impl Inspection {
    pub(crate) async fn of(session: &mut Session) -> Result<Self, StoreError> {
        let row = session.fetch_one(query(SETTINGS)).await?;
        let server_version = rows::text(&row, "version_text")?;
        if rows::integer(&row, "version")? < VERSION_MIN {
            return Err(unfit(format!(
                "PostgreSQL {server_version} is too old; version 13 or newer is needed"
            )));
        }
        let encoding = rows::text(&row, "encoding")?;
        if encoding != "UTF8" {
            let message = format!("the database's encoding is {encoding}; make one with ENCODING 'UTF8'");
            return Err(unfit(message));
        }
        let mut risks = Vec::new();
        for setting in ["fsync", "full_page_writes"] {
            if rows::text(&row, setting)? == "off" {
                risks.push(format!(
                    "{setting} is off, so a power failure can lose acknowledged events or the whole database; \
                     set {setting} = on in postgresql.conf and reload"
                ));
            }
        }
        let schema_version = if rows::boolean(&row, "has_schema")? {
            Some(rows::integer(&session.fetch_one(query(SCHEMA_VERSION)).await?, "version")?)
        } else {
            None
        };
        Ok(Self { server_version, schema_version, risks })
    }
}

fn unfit(message: String) -> StoreError {
    StoreError::Refused { source: Box::new(Unfit(message)) }
}
