//! XEP-0313 on nodes, as XEP-0442 has it: a query is answered by one message for each entry, and then by the result.

mod fields;

use std::sync::Arc;

use bus_domain::retrieve::{Page, PageAt};
use bus_domain::{Actor, BareJid, BusError, Event, Jid, NodeFacts, NodeName, Seq};
use bus_engine::{ArchiveEnds, ArchiveListing, ArchivePlace, ArchiveQuery, Engine, EventRef};

use crate::date_time;
use crate::envelope::Envelope;
use crate::errors::Refusal;
use crate::namespaces::{CLIENT, DELAY, FORWARD, HINTS, MAM};
use crate::notify::{EventView, encode_event, encode_id, encode_position};
use crate::order_by::Order;
use crate::parts::{Context, Parts};
use crate::request::{Query, Request};
use crate::rsm::{self, PageRequest, PageStart, PageSummary};
use crate::xml::Xml;

pub(crate) use fields::encode_form;

/// A query as asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct ArchiveRequest {
    /// What the requester knows its query by.
    query_id: Option<String>,
    /// Not from before this moment, in milliseconds since 1970.
    start_ms: Option<i64>,
    /// Not from after this moment, in milliseconds since 1970.
    end_ms: Option<i64>,
    /// Sent by this address.
    with: Option<Jid>,
    /// Behind the entry of this UID.
    after_id: Option<String>,
    /// In front of the entry of this UID.
    before_id: Option<String>,
    /// The entries of these UIDs.
    ids: Option<Vec<String>>,
    /// Which page, if the requester pages.
    page: Option<PageRequest>,
    /// In which order the whole stands. Entries are never overwritten, so both orders are that of the log.
    order: Order,
    /// Whether the page is sent from its end.
    is_flipped: bool,
}

/// The longest `queryid`, in bytes: each message of the answer repeats it.
const QUERY_ID_BYTES_MAX: usize = 128;

/// Reads a query (XEP-0313 §4).
pub(crate) fn parse(parts: &Parts<'_>, _: &Context<'_>) -> Result<Request, Refusal> {
    let node = parts.node()?;
    let query_id = parts.verb().attr("queryid").map(str::to_owned);
    if query_id.as_ref().is_some_and(|id| id.len() > QUERY_ID_BYTES_MAX) {
        let problem = format!("a queryid has at most {QUERY_ID_BYTES_MAX} bytes");
        return Err(BusError::bad_request(problem).into());
    }
    let request = ArchiveRequest {
        query_id,
        page: parts.page()?,
        order: parts.order()?.unwrap_or_default(),
        is_flipped: parts.verb().has_child("flip-page", MAM),
        ..fields::parse(parts.verb())?
    };
    Ok(Request::Query(Query::Archive { node, request: Box::new(request) }))
}

/// Reads a question for the fields of queries (§4.1.5). They are the same for every node.
pub(crate) fn parse_form(parts: &Parts<'_>, _: &Context<'_>) -> Result<Request, Refusal> {
    Ok(Request::Query(Query::ArchiveForm { node: parts.node_if_given()? }))
}

/// Reads a question for where an archive begins and ends (§5).
pub(crate) fn parse_ends(parts: &Parts<'_>, _: &Context<'_>) -> Result<Request, Refusal> {
    Ok(Request::Query(Query::ArchiveEnds { node: parts.node()? }))
}

/// Looks a page up. The UIDs are the events' ids: those of notifications, and of pages of items.
pub(crate) async fn find(
    engine: &Engine,
    service: &BareJid,
    actor: &Actor,
    node: &NodeName,
    request: &ArchiveRequest,
) -> Result<ArchiveListing, Refusal> {
    match understand(engine, service, request) {
        Ok(query) => Ok(engine.archive(actor, node, &query).await?),
        Err(unknown) => {
            // Whoever may not read learns nothing else.
            engine.check_archive(actor, node).await?;
            Err(unknown.into())
        }
    }
}

/// The engine's words for a query; an error if it names what cannot be an entry.
fn understand(
    engine: &Engine,
    service: &BareJid,
    request: &ArchiveRequest,
) -> Result<ArchiveQuery, BusError> {
    let mut named = Vec::new();
    let mut seq = |uid: &str| -> Result<Seq, BusError> {
        let event: EventRef = engine.event_ids().parse_event_id(uid).ok_or(BusError::UnknownPosition)?;
        named.push(event);
        Ok(event.seq)
    };
    let after_seq = request.after_id.as_deref().map(&mut seq).transpose()?;
    let before_seq = request.before_id.as_deref().map(&mut seq).transpose()?;
    let listed = request.ids.as_ref().map(|ids| ids.iter().map(|uid| seq(uid)).collect()).transpose()?;
    let (at, entries_max) = match &request.page {
        None => (PageAt::First, None),
        Some(PageRequest { at, entries_max }) => {
            let at = match at {
                PageStart::First => PageAt::First,
                PageStart::Last => PageAt::Last,
                PageStart::Index(index) => PageAt::Index(*index),
                PageStart::After(uid) => PageAt::After(seq(uid)?),
                PageStart::Before(uid) => PageAt::Before(seq(uid)?),
            };
            (at, *entries_max)
        }
    };
    let at = if request.order.is_descending { at.reversed() } else { at };
    Ok(ArchiveQuery {
        named,
        start_ms: request.start_ms,
        end_ms: request.end_ms,
        after_seq,
        before_seq,
        listed,
        // What is in the archive was sent by the service.
        matches_none: request.with.as_ref().is_some_and(|with| with.as_str() != service.as_str()),
        page: Page { at, items_max: entries_max.unwrap_or(u32::MAX) },
    })
}

/// Writes the page's messages, in the order in which they are to leave, and into `out` what ends it.
pub(crate) fn encode(
    engine: &Engine,
    envelope: &Envelope,
    request: &ArchiveRequest,
    found: &ArchiveListing,
    stanza_bytes_max: usize,
    out: &mut Xml,
) -> Vec<String> {
    encode_end(engine, request, found, out);
    let write = |event: &Arc<Event>| {
        let with_payload = found.node.config.deliver_payloads;
        let message = encode_entry(engine, envelope, request, found, event, with_payload);
        // As with notifications: without its payload rather than not at all.
        if with_payload && message.len() > stanza_bytes_max {
            return encode_entry(engine, envelope, request, found, event, false);
        }
        message
    };
    let mut messages: Vec<String> = found.entries.iter().map(write).collect();
    if request.is_flipped != (request.order.is_descending) {
        messages.reverse();
    }
    messages
}

/// Writes where an archive begins and ends.
pub(crate) fn encode_ends(engine: &Engine, found: &ArchiveEnds, out: &mut Xml) {
    out.start_in("metadata", MAM);
    for (name, (seq, time_ms)) in ["start", "end"].into_iter().zip(found.ends.into_iter().flatten()) {
        let id = uid(engine, &found.node, seq);
        out.start(name).attribute("id", &id).attribute("timestamp", &date_time::encode(time_ms)).end();
    }
    out.end();
}

fn encode_end(engine: &Engine, request: &ArchiveRequest, found: &ArchiveListing, out: &mut Xml) {
    out.start_in("fin", MAM);
    if found.is_complete {
        out.attribute("complete", "true");
    }
    let page = found.ends.map(|[oldest, newest]| {
        if request.order.is_descending {
            (newest, oldest, found.count - 1 - newest.index)
        } else {
            (oldest, newest, oldest.index)
        }
    });
    let name = |place: ArchivePlace| uid(engine, &found.node, place.seq);
    let summary = PageSummary {
        ends: page.map(|(first, last, _)| (name(first), name(last))),
        first_index: page.map(|(_, _, index)| index),
        count: Some(found.count),
    };
    rsm::encode(&summary, out);
    out.end();
}

/// The notification, forwarded (XEP-0297) with the time at which the event was committed (XEP-0203). Nobody is to keep
/// it: it can be had here.
fn encode_entry(
    engine: &Engine,
    envelope: &Envelope,
    request: &ArchiveRequest,
    found: &ArchiveListing,
    event: &Event,
    with_payload: bool,
) -> String {
    let node = &found.node;
    let id = uid(engine, node, event.seq);
    let mut out = envelope.message();
    out.start_in("result", MAM);
    if let Some(query_id) = &request.query_id {
        out.attribute("queryid", query_id);
    }
    out.attribute("id", &id).start_in("forwarded", FORWARD);
    out.start_in("delay", DELAY).attribute("stamp", &date_time::encode(event.published_at_ms)).end();
    out.start_in("message", CLIENT).attribute("from", envelope.asked());
    if node.config.sends_headlines() {
        out.attribute("type", "headline");
    }
    let view = EventView {
        node: node.name.as_str(),
        event,
        earlier: &[],
        config: &node.config,
        with_payload,
        with_config: false,
    };
    encode_event(&view, &mut out);
    encode_id(envelope.asked(), &id, &mut out);
    encode_position(node.epoch, event.seq, event.due_after_seq, &mut out);
    out.end().end().end();
    out.start_in("no-store", HINTS).end();
    out.finish()
}

fn uid(engine: &Engine, node: &NodeFacts, seq: Seq) -> String {
    engine.event_ids().event_id(EventRef { node: node.id, epoch: node.epoch, seq })
}

impl ArchiveRequest {
    /// About how many bytes it takes while it waits.
    pub(crate) fn weight_bytes(&self) -> usize {
        let ids = self.ids.iter().flatten().map(String::len);
        let texts = [&self.query_id, &self.after_id, &self.before_id].into_iter().flatten().map(String::len);
        ids.chain(texts).map(|bytes| bytes + size_of::<String>()).sum()
    }
}
