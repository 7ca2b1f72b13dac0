//! The fields of a query (XEP-0313 §4.1).

use bus_domain::{BusError, Jid, NodeName};
use bus_xml::Element;

use super::ArchiveRequest;
use crate::date_time::{self, Round};
use crate::errors::Refusal;
use crate::form::{self, Submission, encode_field, encode_form_type};
use crate::namespaces::{DATA_FORMS, MAM, VALIDATE};
use crate::xml::Xml;

/// Reads the form of a query; without one nothing is excluded. A field without a value is one that is not there.
pub(super) fn parse(query: &Element) -> Result<ArchiveRequest, Refusal> {
    let mut request = ArchiveRequest::default();
    let Some(form) = form::form(query) else { return Ok(request) };
    let Submission::Filled(filled) = form::read(form, MAM)? else {
        return Err(BusError::bad_request("the form of a query is cancelled").into());
    };
    for (var, values) in filled.fields() {
        let single = || match values {
            [] => Ok(None),
            [value] => Ok(Some(value.trim()).filter(|value| !value.is_empty())),
            _ => Err(Refusal::from(BusError::bad_request(format!("{var} has more than one value")))),
        };
        match var {
            "start" => {
                request.start_ms = single()?.map(|text| date_time::parse(text, Round::Up)).transpose()?;
            }
            "end" => {
                request.end_ms = single()?.map(|text| date_time::parse(text, Round::Down)).transpose()?;
            }
            "with" => request.with = single()?.map(address).transpose()?,
            "after-id" => request.after_id = single()?.map(str::to_owned),
            "before-id" => request.before_id = single()?.map(str::to_owned),
            "ids" => request.ids = Some(values.to_vec()).filter(|ids| !ids.is_empty()),
            _ => return Err(Refusal::NotImplemented("a field of this query")),
        }
    }
    Ok(request)
}

/// Writes the fields that there are. None is required, and any UID may be asked for (XEP-0122).
pub(crate) fn encode_form(node: Option<&NodeName>, out: &mut Xml) {
    out.start_in("query", MAM);
    if let Some(node) = node {
        out.attribute("node", node.as_str());
    }
    out.start_in("x", DATA_FORMS).attribute("type", "form");
    encode_form_type(MAM, out);
    for (var, kind) in [
        ("with", "jid-single"),
        ("start", "text-single"),
        ("end", "text-single"),
        ("before-id", "text-single"),
        ("after-id", "text-single"),
    ] {
        encode_field(var, kind, [""; 0], out);
    }
    out.start("field").attribute("var", "ids").attribute("type", "list-multi");
    out.start_in("validate", VALIDATE).attribute("datatype", "xs:string").start("open");
    out.end().end().end().end().end();
}

fn address(text: &str) -> Result<Jid, Refusal> {
    Jid::new(text).map_err(|_| BusError::bad_request("with is not a valid JID").into())
}
