use bus_domain::BareJid;
use bus_domain::quota::{Counted, Scope, UsageChange, UsageKey, moves};
use bus_store::{LockMode, StoreError};
use sqlx::postgres::PgRow;

use super::PostgresTransaction;
use crate::error::{is_lock_timeout, store_error};
use crate::rows;
use crate::statement::{PgQuery, Statement, query, statements};

/// Numbers that are not there are added, which waits only for others who add the same ones; the others are locked.
macro_rules! locking {
    ($mode:literal) => {
        concat!(
            "WITH wanted AS (SELECT * FROM unnest($1::text[], $2::text[], $3::text[]) AS a (counted, scope, owner)),
             added AS
                 (INSERT INTO usage (counted, scope, owner, count)
                  SELECT w.counted, w.scope, w.owner, 0 FROM wanted w
                  WHERE NOT EXISTS (SELECT 1 FROM usage u
                                    WHERE (u.counted, u.scope, u.owner) = (w.counted, w.scope, w.owner))
                  ORDER BY w.counted COLLATE \"C\", w.scope COLLATE \"C\", w.owner COLLATE \"C\"
                  ON CONFLICT DO NOTHING RETURNING counted, scope, owner, count),
             locked AS MATERIALIZED
                 (SELECT u.counted, u.scope, u.owner, u.count FROM usage u
                  JOIN wanted w ON (u.counted, u.scope, u.owner) = (w.counted, w.scope, w.owner)
                  ORDER BY u.counted, u.scope, u.owner FOR UPDATE OF u",
            $mode,
            ") SELECT counted, scope, owner, count FROM added
             UNION ALL SELECT counted, scope, owner, count FROM locked"
        )
    };
}

statements! {
    LOCK_FREE = locking!(" SKIP LOCKED");
    LOCK_WAITING = locking!("");
    BEFORE = "SAVEPOINT before_usage";
    UNDO = "ROLLBACK TO SAVEPOINT before_usage";
    MOVE = "UPDATE usage u SET count = u.count + m.moved
         FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[]) AS m (counted, scope, owner, moved)
         WHERE (u.counted, u.scope, u.owner) = (m.counted, m.scope, m.owner)";
    // Everybody needs the totals, so these stay.
    FORGET = "DELETE FROM usage u
         USING unnest($1::text[], $2::text[], $3::text[]) AS m (counted, scope, owner)
         WHERE (u.counted, u.scope, u.owner) = (m.counted, m.scope, m.owner)
           AND u.count <= 0 AND u.scope <> 'total'";
}

/// None is locked if some of it is held for too long.
pub(super) async fn lock(
    transaction: &mut PostgresTransaction,
    keys: &[UsageKey],
    mode: LockMode,
) -> Result<Vec<(UsageKey, u64)>, StoreError> {
    let statement = match mode {
        LockMode::SkipHeld => LOCK_FREE,
        LockMode::Wait => LOCK_WAITING,
    };
    transaction.execute(query(BEFORE)).await?;
    match transaction.session.try_fetch_all(keyed(statement, keys)).await {
        Ok(rows) => rows.iter().map(number).collect(),
        Err(error) if is_lock_timeout(&error) => {
            transaction.execute(query(UNDO)).await?;
            Ok(Vec::new())
        }
        Err(error) => {
            transaction.has_failed = true;
            Err(store_error(error))
        }
    }
}

pub(super) async fn move_by(
    transaction: &mut PostgresTransaction,
    moves: &[(UsageKey, i64)],
) -> Result<(), StoreError> {
    let keys: Vec<_> = moves.iter().map(|(key, _)| key.clone()).collect();
    let by: Vec<_> = moves.iter().map(|(_, by)| *by).collect();
    transaction.execute(keyed(MOVE, &keys).bind(by)).await?;
    if moves.iter().any(|(_, by)| *by <= 0) {
        transaction.execute(keyed(FORGET, &keys)).await?;
    }
    Ok(())
}

/// Takes subscriptions off that went with their node.
pub(crate) async fn lower_subscriptions(
    transaction: &mut PostgresTransaction,
    subscribers: impl IntoIterator<Item = BareJid>,
) -> Result<(), StoreError> {
    let ended = |owner| UsageChange { counted: Counted::Subscriptions, owner, by: -1 };
    let ended: Vec<_> = subscribers.into_iter().map(ended).collect();
    let moves: Vec<_> = moves(&ended).into_iter().collect();
    let keys: Vec<_> = moves.iter().map(|(key, _)| key.clone()).collect();
    transaction.fetch_all(keyed(LOCK_WAITING, &keys)).await?;
    move_by(transaction, &moves).await
}

fn keyed(statement: Statement, keys: &[UsageKey]) -> PgQuery<'_> {
    query(statement)
        .bind(keys.iter().map(|key| key.counted.as_str()).collect::<Vec<_>>())
        .bind(keys.iter().map(|key| key.scope.as_str()).collect::<Vec<_>>())
        .bind(keys.iter().map(|key| key.owner.as_str()).collect::<Vec<_>>())
}

fn number(row: &PgRow) -> Result<(UsageKey, u64), StoreError> {
    let (counted, scope) = (rows::text(row, "counted")?, rows::text(row, "scope")?);
    match (Counted::parse(&counted), Scope::parse(&scope)) {
        (Some(counted), Some(scope)) => {
            let key = UsageKey { counted, scope, owner: rows::text(row, "owner")? };
            // Never below 0, unless somebody has removed rows by hand.
            let count = rows::integer(row, "count")?;
            Ok((key, u64::try_from(count).unwrap_or_default()))
        }
        _ => Err(StoreError::Inconsistent { table: "usage", message: format!("{counted} by {scope}") }),
    }
}
