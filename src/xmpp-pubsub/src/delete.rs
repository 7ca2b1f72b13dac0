use bus_domain::{BusError, RedirectUri};
use bus_engine::Verb;
use bus_xml::Element;

use crate::errors::Refusal;
use crate::namespaces::PUBSUB_OWNER;
use crate::parts::{Context, Parts};
use crate::request::Request;

/// Reads `<delete/>` (XEP-0060 §8.4), with where the node is from now on. The answer is an empty result.
pub(crate) fn parse(parts: &Parts<'_>, _: &Context<'_>) -> Result<Request, Refusal> {
    let mut redirects = parts.verb().children().filter(|child| child.is("redirect", PUBSUB_OWNER));
    let redirect = redirects.next().map(redirect).transpose()?;
    if redirects.next().is_some() {
        return Err(BusError::bad_request("a node is in one other place only").into());
    }
    Ok(Request::change(parts.node()?, Verb::Delete(redirect)))
}

fn redirect(element: &Element) -> Result<RedirectUri, Refusal> {
    let uri = element.attr("uri").unwrap_or_default();
    RedirectUri::new(uri).map_err(|error| BusError::bad_request(format!("the URI {error}")).into())
}
