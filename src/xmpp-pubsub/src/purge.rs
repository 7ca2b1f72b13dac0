use bus_engine::Verb;

use crate::errors::Refusal;
use crate::parts::{Context, Parts};
use crate::request::Request;

/// Reads `<purge/>` (XEP-0060 §8.5). The answer is an empty result.
pub(crate) fn parse(parts: &Parts<'_>, _: &Context<'_>) -> Result<Request, Refusal> {
    Ok(Request::change(parts.node()?, Verb::Purge))
}
