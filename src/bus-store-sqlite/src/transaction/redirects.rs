use bus_domain::{NodeName, Redirect, RedirectUri};
use bus_store::StoreError;

use super::SqliteTransaction;
use crate::rows;
use crate::statement::{SqliteQuery, query, statements};

statements! {
    FIND = "SELECT uri FROM redirects WHERE name = ?1";
    PUT = "INSERT INTO redirects (name, creator, uri) VALUES (?1, ?2, ?3)
         ON CONFLICT (name) DO UPDATE SET creator = excluded.creator, uri = excluded.uri";
    FORGET_OLDEST = "DELETE FROM redirects WHERE redirect_number IN
         (SELECT redirect_number FROM
              (SELECT redirect_number FROM redirects WHERE creator = ?1
               ORDER BY redirect_number DESC LIMIT -1 OFFSET ?2)
          UNION ALL
          SELECT redirect_number FROM
              (SELECT redirect_number FROM redirects ORDER BY redirect_number DESC LIMIT -1 OFFSET ?3))";
    FORGET = "DELETE FROM redirects WHERE name = ?1";
}

/// The question where the node of this name has moved.
pub(crate) fn finding<'q>(name: &NodeName) -> SqliteQuery<'q> {
    query(FIND).bind(name.as_str().to_owned())
}

pub(super) async fn find(
    transaction: &mut SqliteTransaction,
    name: &NodeName,
) -> Result<Option<RedirectUri>, StoreError> {
    let found = transaction.fetch_all(finding(name)).await?;
    found.first().map_or(Ok(None), |row| rows::redirect(row, "uri"))
}

pub(super) async fn put(
    transaction: &mut SqliteTransaction,
    redirect: &Redirect,
    kept_of_creator: u32,
    kept_in_all: u32,
) -> Result<(), StoreError> {
    let Redirect { name, creator, to } = redirect;
    transaction.execute(query(PUT).bind(name.as_str()).bind(creator.as_str()).bind(to.as_str())).await?;
    let bounds = query(FORGET_OLDEST).bind(creator.as_str());
    transaction.execute(bounds.bind(i64::from(kept_of_creator)).bind(i64::from(kept_in_all))).await.map(drop)
}

/// A node has this name again.
pub(super) async fn forget(transaction: &mut SqliteTransaction, name: &NodeName) -> Result<(), StoreError> {
    transaction.execute(query(FORGET).bind(name.as_str())).await.map(drop)
}
