use bus_domain::{NodeName, Redirect, RedirectUri};
use bus_store::StoreError;

use super::PostgresTransaction;
use crate::rows;
use crate::statement::{PgQuery, query, statements};

statements! {
    FIND = "SELECT uri FROM redirects WHERE name = $1";
    PUT = "INSERT INTO redirects (name, creator, uri) VALUES ($1, $2, $3)
         ON CONFLICT (name) DO UPDATE SET creator = excluded.creator, uri = excluded.uri";
    // What others are about to forget is left to them, so that nobody waits in a circle.
    FORGET_OLDEST = "WITH old AS
             ((SELECT redirect_number FROM redirects WHERE creator = $1 ORDER BY redirect_number DESC OFFSET $2)
              UNION
              (SELECT redirect_number FROM redirects ORDER BY redirect_number DESC OFFSET $3)),
         free AS MATERIALIZED
             (SELECT r.redirect_number FROM redirects r JOIN old USING (redirect_number) FOR UPDATE OF r SKIP LOCKED)
         DELETE FROM redirects r USING free WHERE r.redirect_number = free.redirect_number";
    FORGET = "DELETE FROM redirects WHERE name = $1";
}

/// The question where the node of this name has moved.
pub(crate) fn finding(name: &NodeName) -> PgQuery<'_> {
    query(FIND).bind(name.as_str())
}

pub(super) async fn find(
    transaction: &mut PostgresTransaction,
    name: &NodeName,
) -> Result<Option<RedirectUri>, StoreError> {
    let found = transaction.fetch_optional(finding(name)).await?;
    found.map_or(Ok(None), |row| rows::redirect(&row, "uri"))
}

pub(super) async fn put(
    transaction: &mut PostgresTransaction,
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
pub(super) async fn forget(transaction: &mut PostgresTransaction, name: &NodeName) -> Result<(), StoreError> {
    transaction.execute(query(FORGET).bind(name.as_str())).await.map(drop)
}
