//! XEP-0060 from the user's side: requests to the bus and what its answers and notifications say.

mod parse;

use std::collections::VecDeque;

use bus_domain::{ItemId, NodeName, check_text};
use bus_xml::XmlLimits;
use jid::BareJid;
use minidom::Element;
use minidom::rxml::NcName;
use tokio_xmpp::parsers::message::Message;

use super::output::EventLine;
use super::xmpp::{XmppError, XmppSession};

const PUBSUB: &str = "http://jabber.org/protocol/pubsub";
const PUBSUB_OWNER: &str = "http://jabber.org/protocol/pubsub#owner";
const RSM: &str = "http://jabber.org/protocol/rsm";
const MAM: &str = "urn:xmpp:mam:2";
const DISCO_INFO: &str = "http://jabber.org/protocol/disco#info";
/// What our parser takes of a payload that is to be published; the bus has its own bounds.
const PAYLOAD_LIMITS: XmlLimits = XmlLimits { depth_max: 64, bytes_max: 1024 * 1024 };

/// A user of the bus.
pub(crate) struct PubsubUser {
    session: XmppSession,
    service: BareJid,
    waiting: VecDeque<EventLine>,
    /// Queries of archives so far.
    queries: u64,
}

/// A page of items (XEP-0059).
#[derive(Debug, Default)]
pub(crate) struct ItemsPage {
    /// Oldest first. The event ids of the first and the last are known.
    pub(crate) items: Vec<EventLine>,
    /// The event id of the last item; `None` for an empty page.
    pub(crate) last: Option<String>,
}

/// A page of a node's archive (XEP-0313).
#[derive(Debug, Default)]
pub(crate) struct ArchivePage {
    /// Oldest first.
    pub(crate) events: Vec<EventLine>,
    /// The id of the last entry, which may be one that is no line; `None` for an empty page.
    pub(crate) last: Option<String>,
    /// Whether this was the last page.
    pub(crate) is_complete: bool,
}

impl PubsubUser {
    /// Speaks to this service.
    pub(crate) fn new(session: XmppSession, service: BareJid) -> Self {
        Self { session, service, waiting: VecDeque::new(), queries: 0 }
    }

    /// Becomes available, so that notifications come.
    pub(crate) async fn send_presence(&mut self) -> Result<(), XmppError> {
        self.session.send_presence().await
    }

    /// Names of the features that the service announces (XEP-0030).
    pub(crate) async fn features(&mut self) -> Result<Vec<String>, XmppError> {
        let answer =
            self.session.get(&self.service, "be discovered", Element::bare("query", DISCO_INFO)).await?;
        let query = answer.ok_or_else(|| self.unexpected("be discovered"))?;
        let features = query.children().filter(|child| child.is("feature", DISCO_INFO));
        Ok(features.filter_map(|feature| feature.attr("var").map(str::to_owned)).collect())
    }

    /// Makes a node; `None` lets the service name it. Returns its name.
    pub(crate) async fn create(&mut self, node: Option<&str>) -> Result<String, XmppError> {
        let mut create = Element::builder("create", PUBSUB);
        if let Some(node) = node {
            create = create.attr(name("node"), check_node(node)?);
        }
        let request = Element::builder("pubsub", PUBSUB).append(create.build());
        let what = node.map_or_else(|| "create an instant node".to_owned(), |node| format!("create {node}"));
        let answer = self.session.set(&self.service, &what, request.build()).await?;
        let named = answer.as_ref().and_then(|pubsub| pubsub.get_child("create", PUBSUB)?.attr("node"));
        named.or(node).map(str::to_owned).ok_or_else(|| self.unexpected(&what))
    }

    /// Removes a node, and says where it is from now on.
    pub(crate) async fn delete(&mut self, node: &str, redirect: Option<&str>) -> Result<(), XmppError> {
        let redirect =
            redirect.map(|uri| Element::builder("redirect", PUBSUB_OWNER).attr(name("uri"), uri).build());
        let delete = Element::builder("delete", PUBSUB_OWNER).attr(name("node"), check_node(node)?);
        let delete = delete.append_all(redirect);
        let request = Element::builder("pubsub", PUBSUB_OWNER).append(delete.build()).build();
        self.session.set(&self.service, &format!("delete {node}"), request).await.map(drop)
    }

    /// Removes all items of a node.
    pub(crate) async fn purge(&mut self, node: &str) -> Result<(), XmppError> {
        let purge = Element::builder("purge", PUBSUB_OWNER).attr(name("node"), check_node(node)?);
        let request = Element::builder("pubsub", PUBSUB_OWNER).append(purge.build()).build();
        self.session.set(&self.service, &format!("purge {node}"), request).await.map(drop)
    }

    /// Subscribes the user's bare JID; once more changes nothing.
    pub(crate) async fn subscribe(&mut self, node: &str) -> Result<(), XmppError> {
        let subscribe = Element::builder("subscribe", PUBSUB)
            .attr(name("node"), check_node(node)?)
            .attr(name("jid"), self.session.jid().to_bare().to_string());
        let request = Element::builder("pubsub", PUBSUB).append(subscribe.build()).build();
        self.session.set(&self.service, &format!("subscribe to {node}"), request).await.map(drop)
    }

    /// Publishes an item; returns its id, given or made by the service.
    pub(crate) async fn publish(
        &mut self,
        node: &str,
        id: Option<&str>,
        xml: &str,
    ) -> Result<String, XmppError> {
        let payload = bus_xml::parse_document(xml, PAYLOAD_LIMITS)?;
        let mut item = Element::builder("item", PUBSUB).append(payload);
        if let Some(id) = id {
            item = item.attr(name("id"), check(id, "--id", ItemId::BYTES_MAX)?);
        }
        let publish =
            Element::builder("publish", PUBSUB).attr(name("node"), check_node(node)?).append(item.build());
        let request = Element::builder("pubsub", PUBSUB).append(publish.build()).build();
        let what = format!("publish to {node}");
        let answer = self.session.set(&self.service, &what, request).await?;
        let published = answer
            .as_ref()
            .and_then(|pubsub| pubsub.get_child("publish", PUBSUB)?.get_child("item", PUBSUB)?.attr("id"));
        published.or(id).map(str::to_owned).ok_or_else(|| self.unexpected(&what))
    }

    /// The newest items, oldest first.
    pub(crate) async fn newest_items(&mut self, node: &str, items_max: u32) -> Result<ItemsPage, XmppError> {
        let items = Element::builder("items", PUBSUB)
            .attr(name("node"), check_node(node)?)
            .attr(name("max_items"), items_max.to_string());
        self.items(node, Element::builder("pubsub", PUBSUB).append(items.build()).build()).await
    }

    /// The first items behind an event, or of all.
    pub(crate) async fn items_after(
        &mut self,
        node: &str,
        after: Option<&str>,
        items_max: u32,
    ) -> Result<ItemsPage, XmppError> {
        let items = Element::builder("items", PUBSUB).attr(name("node"), check_node(node)?);
        let mut set = Element::builder("set", RSM)
            .append(Element::builder("max", RSM).append(items_max.to_string()).build());
        if let Some(after) = after {
            let after = check(after, "--after", ItemId::BYTES_MAX)?;
            set = set.append(Element::builder("after", RSM).append(after).build());
        }
        self.items(node, Element::builder("pubsub", PUBSUB).append(items.build()).append(set.build()).build())
            .await
    }

    /// A page of the events behind one that is in the archive.
    pub(crate) async fn archive_after(&mut self, node: &str, after: &str) -> Result<ArchivePage, XmppError> {
        self.queries += 1;
        let query_id = format!("stanzabus-{}", self.queries);
        let after = check(after, "--after", ItemId::BYTES_MAX)?;
        let after = Element::builder("after", RSM).append(after).build();
        let query = Element::builder("query", MAM)
            .attr(name("node"), check_node(node)?)
            .attr(name("queryid"), query_id.as_str())
            .append(Element::builder("set", RSM).append(after).build());
        let what = format!("read the archive of {node}");
        let answer = self.session.set(&self.service, &what, query.build()).await?;
        let service = &self.service;
        // Only what the service has sent for this query counts (XEP-0313 §8.2).
        let is_ours = |message: &Message| parse::archive_result(message, service, &query_id).is_some();
        let results = self.session.take_messages(is_ours);
        let results = results.iter().filter_map(|message| parse::archive_result(message, service, &query_id));
        let events = results.flat_map(|result| parse::archived(result, service)).collect();
        let page = answer.as_ref().and_then(|fin| parse::archive_end(fin, events));
        page.ok_or_else(|| self.unexpected(&what))
    }

    /// The next event that the service sends; waits for it. Cancel-safe.
    pub(crate) async fn next_event(&mut self) -> Result<EventLine, XmppError> {
        loop {
            if let Some(event) = self.waiting.pop_front() {
                return Ok(event);
            }
            let message = self.session.next_message().await?;
            self.waiting.extend(parse::notification(&message, &self.service));
        }
    }

    /// Becomes unavailable and logs out.
    pub(crate) async fn close(self) {
        self.session.close().await;
    }

    async fn items(&mut self, node: &str, request: Element) -> Result<ItemsPage, XmppError> {
        let what = format!("list the items of {node}");
        let answer = self.session.get(&self.service, &what, request).await?;
        answer.as_ref().and_then(|pubsub| parse::items(node, pubsub)).ok_or_else(|| self.unexpected(&what))
    }

    fn unexpected(&self, what: &str) -> XmppError {
        XmppError::Unexpected { to: self.service.clone(), what: what.to_owned() }
    }
}

fn name(attribute: &'static str) -> NcName {
    NcName::try_from(attribute).expect("our own attributes have XML names")
}

fn check_node(node: &str) -> Result<&str, XmppError> {
    check(node, "the node's name", NodeName::BYTES_MAX)
}

/// tokio-xmpp would end the stream over a character that XML does not allow.
fn check<'a>(text: &'a str, what: &'static str, bytes_max: usize) -> Result<&'a str, XmppError> {
    check_text(text, bytes_max).map_err(|error| XmppError::Text(what, error))?;
    Ok(text)
}
