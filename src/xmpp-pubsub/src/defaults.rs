use bus_domain::{BusError, Feature};

use crate::errors::Refusal;
use crate::parts::{Context, Parts};
use crate::request::{Query, Request};

/// Reads a question for the configuration of new nodes (XEP-0060 §8.3). They are leaves, whether or not it says so.
pub(crate) fn parse(parts: &Parts<'_>, _: &Context<'_>) -> Result<Request, Refusal> {
    match parts.verb().attr("type") {
        None | Some("" | "leaf") => Ok(Request::Query(Query::DefaultConfiguration)),
        Some("collection") => Err(BusError::Unsupported(Feature::Collections).into()),
        Some(_) => Err(BusError::bad_request("there is no such type of nodes").into()),
    }
}
