use crate::errors::Refusal;
use crate::parts::{Context, Parts};
use crate::request::{Query, Request};

/// Reads `<ping/>` (XEP-0199). The answer is an empty result.
#[expect(clippy::unnecessary_wraps, reason = "the table's parsers may fail")]
pub(crate) fn parse(_: &Parts<'_>, _: &Context<'_>) -> Result<Request, Refusal> {
    Ok(Request::Query(Query::Ping))
}
