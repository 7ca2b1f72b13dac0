use bus_domain::{Actor, Affiliation, BadRequest, BareJid, BusError, Jid, NodeName, affiliate};
use bus_engine::{Engine, EntityPage, Verb};
use bus_xml::Element;

use crate::errors::Refusal;
use crate::namespaces::PUBSUB_OWNER;
use crate::page::encode_forward;
use crate::parts::{Context, Parts, given};
use crate::request::{Query, Request};
use crate::rsm::{ForwardPage, PageRequest};
use crate::xml::Xml;

/// Reads an owner's question for the affiliations of a node (XEP-0060 §8.9.1).
pub(crate) fn parse_get(parts: &Parts<'_>, _: &Context<'_>) -> Result<Request, Refusal> {
    Ok(Request::Query(Query::NodeAffiliations { node: parts.node()?, page: parts.page()? }))
}

/// Reads changes of affiliations (§8.9.2). An entry that names none changes nothing.
pub(crate) fn parse_set(parts: &Parts<'_>, _: &Context<'_>) -> Result<Request, Refusal> {
    let entries = parts.verb().children().map(parse_entry).filter_map(Result::transpose);
    let entries = entries.collect::<Result<_, _>>()?;
    let verb = Verb::Affiliate(affiliate::Request { entries, is_partial: true });
    Ok(Request::change(parts.node()?, verb))
}

fn parse_entry(entry: &Element) -> Result<Option<(BareJid, Affiliation)>, Refusal> {
    if !entry.is("affiliation", PUBSUB_OWNER) {
        return Err(BusError::bad_request("<affiliations/> holds affiliations and nothing else").into());
    }
    let jid = given(entry, "jid").ok_or(BadRequest::JidRequired)?;
    // Affiliations are of accounts, whatever resource is named (§4.1).
    let jid = Jid::new(jid).map_err(|_| BadRequest::InvalidJid)?.to_bare();
    let Some(name) = entry.attr("affiliation") else { return Ok(None) };
    let affiliation = Affiliation::parse(name);
    let affiliation = affiliation.ok_or_else(|| BusError::bad_request("there is no such affiliation"))?;
    Ok(Some((jid, affiliation)))
}

/// Reads a page of them, by address.
pub(crate) async fn find(
    engine: &Engine,
    actor: &Actor,
    node: &NodeName,
    page: Option<PageRequest>,
) -> Result<(ForwardPage, EntityPage<(BareJid, Affiliation)>), Refusal> {
    let page = ForwardPage::of(page, engine.settings().limits.page_items_max)?;
    let mut rows = engine.node_affiliations(actor, node).await?;
    if let Some(after) = &page.after {
        let after = BareJid::new(after).map_err(|_| BusError::UnknownPosition)?;
        rows.retain(|(jid, _)| *jid > after);
    }
    let has_more = rows.len() > page.entries_max as usize;
    rows.truncate(page.entries_max as usize);
    Ok((page, EntityPage { rows, has_more }))
}

/// Writes them.
pub(crate) fn encode(
    node: &NodeName,
    (page, found): &(ForwardPage, EntityPage<(BareJid, Affiliation)>),
    answer_bytes_max: usize,
    out: &mut Xml,
) {
    out.start_in("pubsub", PUBSUB_OWNER).start("affiliations").attribute("node", node.as_str());
    let uid = |(jid, _): &(BareJid, Affiliation)| jid.to_string();
    encode_forward(page, found, encode_entry, uid, answer_bytes_max, out);
    out.end();
}

/// Writes the entries that cannot be as wanted, with what holds (§8.9.2.4).
pub(crate) fn encode_rejected(node: &NodeName, rejected: &[(BareJid, Affiliation)], out: &mut Xml) {
    out.start_in("pubsub", PUBSUB_OWNER).start("affiliations").attribute("node", node.as_str());
    for entry in rejected {
        encode_entry(entry, out);
    }
    out.end().end();
}

fn encode_entry((jid, affiliation): &(BareJid, Affiliation), out: &mut Xml) {
    out.start("affiliation").attribute("jid", jid.as_str());
    out.attribute("affiliation", affiliation.as_str()).end();
}
