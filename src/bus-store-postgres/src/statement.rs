use sqlx::postgres::PgArguments;
use sqlx::query::Query;
use sqlx::{Postgres, SqlStr};

/// A statement with its parameters.
pub(crate) type PgQuery<'q> = Query<'q, Postgres, PgArguments>;

/// A statement out of a list that [`statements!`] has made.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Statement(pub(crate) &'static str);

/// Several statements without parameters, sent as one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Script(pub(crate) &'static str);

/// Declares the statements of a file and lists them as `STATEMENTS`, so that a test can prepare every one.
macro_rules! statements {
    ($($(#[$comment:meta])* $visibility:vis $name:ident = $sql:expr;)+) => {
        $($(#[$comment])* $visibility const $name: $crate::statement::Statement = $crate::statement::Statement($sql);)+
        /// The texts of this file's statements.
        pub(crate) const STATEMENTS: &[&str] = &[$($name.0),+];
    };
}
pub(crate) use statements;

/// Starts a query, prepared once per connection.
pub(crate) fn query<'q>(statement: Statement) -> PgQuery<'q> {
    sqlx::query(SqlStr::from_static(statement.0))
}
