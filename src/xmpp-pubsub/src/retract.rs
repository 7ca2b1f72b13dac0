use bus_domain::retract::Request as Retract;
use bus_domain::{BadRequest, BusError};
use bus_engine::Verb;

use crate::errors::Refusal;
use crate::parts::{Context, Parts, named_items};
use crate::request::Request;

/// Reads `<retract/>` (XEP-0060 §7.2) with any number of items (§12.11). The answer is an empty result.
pub(crate) fn parse(parts: &Parts<'_>, _: &Context<'_>) -> Result<Request, Refusal> {
    let node = parts.node()?;
    let item_ids = named_items(parts.verb())?;
    if item_ids.is_empty() {
        return Err(BadRequest::ItemRequired.into());
    }
    let notify = parts.verb().attr("notify").map(boolean).transpose()?;
    Ok(Request::change(node, Verb::Retract(Retract { item_ids, notify })))
}

/// `xs:boolean`.
fn boolean(text: &str) -> Result<bool, Refusal> {
    match text.trim() {
        "true" | "1" => Ok(true),
        "false" | "0" => Ok(false),
        _ => Err(BusError::bad_request("a boolean is true, false, 1 or 0").into()),
    }
}
