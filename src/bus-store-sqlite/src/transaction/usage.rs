use std::collections::HashMap;

use bus_domain::BareJid;
use bus_domain::quota::{Counted, Scope, UsageChange, UsageKey, moves};
use bus_store::StoreError;
use serde_json::json;
use sqlx::sqlite::SqliteRow;

use super::{SqliteTransaction, array};
use crate::rows;
use crate::statement::{query, statements};

statements! {
    pub(crate) READ = "SELECT u.counted, u.scope, u.owner, u.count FROM jsonb_each(?1) w
         JOIN usage u ON u.counted = w.value ->> 0 AND u.scope = w.value ->> 1 AND u.owner = w.value ->> 2";
    MOVE = "INSERT INTO usage (counted, scope, owner, count)
         SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3 FROM jsonb_each(?1) WHERE true
         ON CONFLICT (counted, scope, owner) DO UPDATE SET count = count + excluded.count";
    pub(crate) FORGET = "DELETE FROM usage WHERE count <= 0 AND (counted, scope, owner) IN
         (SELECT value ->> 0, value ->> 1, value ->> 2 FROM jsonb_each(?1))";
}

/// `BEGIN IMMEDIATE` has locked the whole file. What is not there stands at 0.
pub(super) async fn read(
    transaction: &mut SqliteTransaction,
    keys: &[UsageKey],
) -> Result<Vec<(UsageKey, u64)>, StoreError> {
    let wanted = array(keys.iter().map(|key| json!([key.counted.as_str(), key.scope.as_str(), key.owner])));
    let found = transaction.fetch_all(query(READ).bind(wanted)).await?;
    let found = found.iter().map(number).collect::<Result<HashMap<_, _>, _>>()?;
    Ok(keys.iter().map(|key| (key.clone(), found.get(key).copied().unwrap_or_default())).collect())
}

pub(super) async fn move_by(
    transaction: &mut SqliteTransaction,
    moves: &[(UsageKey, i64)],
) -> Result<(), StoreError> {
    let value =
        |(key, by): &(UsageKey, i64)| json!([key.counted.as_str(), key.scope.as_str(), key.owner, by]);
    let values = array(moves.iter().map(value));
    transaction.execute(query(MOVE).bind(values.clone())).await?;
    if moves.iter().any(|(_, by)| *by <= 0) {
        transaction.execute(query(FORGET).bind(values)).await?;
    }
    Ok(())
}

/// Takes subscriptions off that went with their node.
pub(crate) async fn lower_subscriptions(
    transaction: &mut SqliteTransaction,
    subscribers: impl IntoIterator<Item = BareJid>,
) -> Result<(), StoreError> {
    let ended = |owner| UsageChange { counted: Counted::Subscriptions, owner, by: -1 };
    let ended: Vec<_> = subscribers.into_iter().map(ended).collect();
    move_by(transaction, &moves(&ended).into_iter().collect::<Vec<_>>()).await
}

fn number(row: &SqliteRow) -> Result<(UsageKey, u64), StoreError> {
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
