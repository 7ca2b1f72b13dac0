use crate::date_time;
use crate::errors::Refusal;
use crate::namespaces::TIME;
use crate::parts::{Context, Parts};
use crate::request::{Query, Request};
use crate::xml::Xml;

/// Reads a question for the time of day (XEP-0202).
#[expect(clippy::unnecessary_wraps, reason = "the table's parsers may fail")]
pub(crate) fn parse(_: &Parts<'_>, _: &Context<'_>) -> Result<Request, Refusal> {
    Ok(Request::Query(Query::Time))
}

/// Says what time it is, in UTC: where the machine stands is nobody's business.
pub(crate) fn encode(now_ms: i64, out: &mut Xml) {
    out.start_in("time", TIME);
    out.start("tzo").text("+00:00").end();
    out.start("utc").text(&date_time::encode(now_ms)).end();
    out.end();
}
