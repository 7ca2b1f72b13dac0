use bus_engine::Verb;

use crate::errors::Refusal;
use crate::namespaces::PUBSUB_OWNER;
use crate::parts::{Context, Parts};
use crate::request::Request;

/// Reads `<delete/>` (XEP-0060 §8.4). The answer is an empty result.
pub(crate) fn parse(parts: &Parts<'_>, _: &Context<'_>) -> Result<Request, Refusal> {
    if parts.verb().has_child("redirect", PUBSUB_OWNER) {
        return Err(Refusal::NotImplemented("a redirection of deleted nodes"));
    }
    Ok(Request::Change { node: parts.node()?, verb: Verb::Delete })
}
