use crate::errors::Refusal;
use crate::namespaces::VERSION;
use crate::parts::{Context, Parts};
use crate::request::{Query, Request};
use crate::xml::Xml;

/// Reads a question for the version (XEP-0092).
#[expect(clippy::unnecessary_wraps, reason = "the table's parsers may fail")]
pub(crate) fn parse(_: &Parts<'_>, _: &Context<'_>) -> Result<Request, Refusal> {
    Ok(Request::Query(Query::Version))
}

/// Says name and version; the operating system is nobody's business.
pub(crate) fn encode(name: &str, version: &str, out: &mut Xml) {
    out.start_in("query", VERSION);
    out.start("name").text(name).end();
    out.start("version").text(version).end();
    out.end();
}
